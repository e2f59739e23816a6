// Law: pure. The decisive drop of a failed meeting, out of its trace: of all rules that dropped datagrams of a side that
// was never heard, the one that did so most often. What no strategy could have got through is left out where anything
// else was dropped: an address that is none, and chance.
import { serverAddresses } from '../server-addresses.ts'
import { port } from './stage.ts'
import type { DropReason, TraceRecord } from '../sim/trace.ts'

/** The box and its rule, as `nat-b filtering`; or in words, where nothing was dropped or nothing is known. */
export type Why = string

export const nothingDropped: Why = 'nothing was dropped'
export const notTraced: Why = 'not traced'

const hopeless: readonly (DropReason | undefined)[] = ['no-such-address', 'loss']

const isToServer = ({ to }: TraceRecord): boolean => serverAddresses.both.includes(to.address) && to.port === port

/** `heard`: who has heard the other. */
export const whyOf = (records: readonly TraceRecord[], heard: readonly string[]): Why => {
  // Who hears the other is the only one who was never heard; else it is the way of both.
  const unheard = heard.length === 1 ? heard : ['alice', 'bob']
  const sent = records.filter(({ kind, box }) => kind === 'send' && unheard.includes(box))
  const toPeer = new Set(sent.filter(record => !isToServer(record)).map(({ id }) => id))
  const toServer = new Set(sent.filter(isToServer).map(({ id }) => id))
  return decisive(records, toPeer) ?? decisive(records, toServer) ?? nothingDropped
}

const decisive = (records: readonly TraceRecord[], ids: ReadonlySet<number>): Why | undefined => {
  // Whatever drops a datagram that has left by another port than its flow's own: it is for that port.
  const diverted = new Map(
    records.flatMap(({ kind, id, box, reason }) => (kind === 'forward' && reason ? [[id, `${box} ${reason}`]] : [])),
  )
  const drops = records.filter(({ kind, id }) => kind === 'drop' && ids.has(id))
  const hopeful = drops.filter(({ reason }) => !hopeless.includes(reason))
  const counts = new Map<Why, number>()
  for (const { id, box, reason } of hopeful.length > 0 ? hopeful : drops) {
    const why = diverted.get(id) ?? `${box} ${reason}`
    counts.set(why, (counts.get(why) ?? 0) + 1)
  }
  return [...counts].toSorted(([one, a], [other, b]) => b - a || (one < other ? -1 : 1))[0]?.[0]
}
