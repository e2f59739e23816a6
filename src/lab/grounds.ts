// Law: pure. What a trace shows of the grounds of a drop: what a box had let out before, and so what it lets in; and what
// had opened the way for a datagram that came through.
import { type Endpoint, formatEndpoint, sameEndpoint } from '../endpoint.ts'
import type { Recorded } from './recording.ts'

/** A datagram of one peer, all of its records, and the peer that it is meant for. */
export type Crossing = { readonly sent: Recorded; readonly group: readonly Recorded[]; readonly to: string }

/** A sentence or two without the last full stop; '' where the rule's name says it all. */
export const groundsOf = (drop: Recorded, records: readonly Recorded[]): string => {
  const { box, reason, from, to, timeMs } = drop
  const out = records.filter(
    one => one.kind === 'forward' && one.box === box && one.timeMs <= timeMs && sameEndpoint(one.from, to),
  )
  switch (reason) {
    case 'filtering':
      return `Until then nothing had left from ${formatEndpoint(to)} to ${formatEndpoint(from)}${onlyTo(out, from)}`
    case 'no-mapping':
      return `Nothing had left from ${formatEndpoint(to)} yet`
    case 'mapping-expired': {
      const last = out.at(-1)
      return last ? `What had left from there last was ${((timeMs - last.timeMs) / 1000).toFixed(1)} s ago` : ''
    }
    case 'blocked':
      return 'It lets nothing through'
    case 'hairpinning-off':
      return 'Both are behind this box, and it does not turn back what is sent to its own outside'
    case 'port-taken':
      return 'Something had come from there before anything left, and the box took that for its own'
    default:
      return ''
  }
}

const onlyTo = (out: readonly Recorded[], from: Endpoint): string => {
  const others = new Map(out.map(({ to }) => [formatEndpoint(to), to]))
  if (others.size === 0) return ''
  const near = [...others.values()].find(({ address }) => address === from.address)
  if (near) return `, but only to port ${near.port} of that address`
  return `, only to ${[...others.keys()].slice(0, 3).join(', ')}`
}

/** What stands between one side and the server. */
export const boxesOf = (toServer: readonly Crossing[]): ReadonlySet<string> =>
  new Set(toServer.flatMap(({ group }) => group.flatMap(({ kind, box }) => (kind === 'forward' ? [box] : []))))

/** The boxes of one side: on its way to the server, and those that what it sends to the peer passes first. */
export const ownBoxesOf = (
  side: string,
  toServer: readonly Crossing[],
  between: readonly Crossing[],
): ReadonlySet<string> => {
  const isOwn = ({ sent }: Crossing): boolean => sent.box === side
  const [own, others] = [true, false].map(mine => toServer.filter(crossing => isOwn(crossing) === mine)) as [
    Crossing[],
    Crossing[],
  ]
  const firsts = (crossings: readonly Crossing[]): string[] =>
    crossings.flatMap(({ group }) => group.find(({ kind }) => kind === 'forward')?.box ?? [])
  const ofOther = new Set([...boxesOf(others), ...firsts(between.filter(crossing => !isOwn(crossing)))])
  return new Set([...boxesOf(own), ...firsts(between.filter(isOwn)).filter(box => !ofOther.has(box))])
}

type Door = { readonly leaving: Recorded; readonly known: Endpoint }

/** The first datagram for the peer that left its outermost box by another endpoint than what the server saw before. */
export const otherDoorOf = (toServer: readonly Crossing[], between: readonly Crossing[]): Door | undefined => {
  const own = boxesOf(toServer)
  const seen = toServer.flatMap(({ group }) => group.filter(({ kind }) => kind === 'deliver'))
  for (const { group } of between) {
    const sent = group[0]
    if (!sent || group.some(({ reason }) => reason === 'no-such-address')) continue
    const leaving = group
      .filter(
        ({ kind, box, from, before }) =>
          kind === 'forward' && own.has(box) && before && !sameEndpoint(before.from, from),
      )
      .at(-1)
    const known = seen.findLast(({ timeMs }) => timeMs <= sent.timeMs)
    if (!leaving || !known || sameEndpoint(leaving.from, known.from)) continue
    if (leaving.from.address === known.from.address) return { leaving, known: known.from }
  }
  return undefined
}

/** The latest datagram that had left the box by which this one came in, towards where it came from. `boxes`: the receiver's. */
export const openerOf = (
  group: readonly Recorded[],
  ofReceiver: readonly Crossing[],
  boxes: ReadonlySet<string>,
): Recorded | undefined => {
  const entrances = group.filter(({ kind, box }) => kind === 'forward' && boxes.has(box))
  for (const entrance of entrances) {
    const { box, timeMs, before = entrance } = entrance // as it is, where nothing is translated
    const opened = ofReceiver
      .flatMap(({ group }) => group)
      .find(
        one =>
          one.kind === 'forward' &&
          one.box === box &&
          one.timeMs <= timeMs &&
          sameEndpoint(one.from, before.to) &&
          sameEndpoint(one.to, before.from),
      )
    if (opened) return opened
  }
  return undefined
}
