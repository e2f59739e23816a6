// Law: pure. One meeting told as a story, out of its trace and of nothing else: the same datagrams, the same words, whatever
// the profiles were. Each step is of a datagram in the trace, at its time, and each reason is the trace's own.
import { type Endpoint, formatEndpoint, sameEndpoint } from '../endpoint.ts'
import type { TraceRecord } from '../sim/trace.ts'
import { type Crossing, groundsOf, groundsOfSpray, openerOf, otherDoorOf, ownBoxesOf } from './grounds.ts'
import { grouped } from './grouped.ts'
import { portsText } from './ports-text.ts'
import type { Recorded } from './recording.ts'
import { type Why, whyOf } from './why.ts'

export type Step = {
  readonly timeMs: number
  readonly text: string
  /** The datagram that it is of. */
  readonly id: number
  readonly decisive: boolean
}

export type Story = {
  readonly steps: readonly Step[]
  readonly verdict: string
  /** The rule that stopped them, where they did not both hear each other. */
  readonly why: Why | undefined
  /** Datagrams, each with what it decided. */
  readonly decisive: ReadonlyMap<number, string>
}

type Line = Pick<Recorded, 'id' | 'timeMs'> & { readonly text: string; readonly decides?: string | undefined }

export const storyOf = (records: readonly Recorded[], [one, other]: readonly [string, string]): Story => {
  const byId = grouped(records, ({ id }) => id)
  const crossings: Crossing[] = [...byId.values()].flatMap(group => {
    const [sent] = group
    if (sent?.kind !== 'send' || (sent.box !== one && sent.box !== other)) return []
    return [{ sent, group, to: sent.box === one ? other : one }]
  })
  const servers = new Set(
    records.filter(({ kind, box }) => kind === 'send' && box !== one && box !== other).map(formatFrom),
  )
  const isToServer = ({ sent }: Crossing): boolean => sent.label === 'register' || servers.has(formatEndpoint(sent.to))
  const toServer = crossings.filter(isToServer)
  const between = crossings.filter(crossing => !isToServer(crossing))
  const through = between.filter(({ group, to }) => group.some(({ kind, box }) => kind === 'deliver' && box === to))
  const firstThrough = [one, other].flatMap(side => through.find(({ to }) => to === side) ?? [])
  const heard = firstThrough.map(({ to }) => to)
  const why = heard.length === 2 ? undefined : whyOf(records, heard)

  const lines = [
    ...[one, other].flatMap(side =>
      arrival(
        toServer.filter(({ sent }) => sent.box === side),
        side,
        why,
      ),
    ),
    ...[one, other].flatMap(side => otherDoor(side, toServer, between)),
    ...dropLines(between, records, why),
    ...firstThrough.flatMap(crossing => turn(crossing, between, toServer)),
  ]
  const steps = lines
    .map(({ decides, ...line }): Step => ({ ...line, decisive: decides !== undefined }))
    .sort((a, b) => a.timeMs - b.timeMs)
  const decisive = new Map(lines.flatMap(({ id, decides }) => (decides === undefined ? [] : [[id, decides]])))
  return { steps, verdict: verdictOf(heard, one, other), why, decisive }
}

const formatFrom = ({ from }: TraceRecord): string => formatEndpoint(from)

const verdictOf = (heard: readonly string[], one: string, other: string): string => {
  if (heard.length === 2) return `${one} and ${other} hear each other.`
  if (heard.length === 0) return `${one} and ${other} never hear of each other.`
  const deaf = heard[0] === one ? other : one
  return `${heard[0]} hears ${deaf}, but ${deaf} never hears ${heard[0]}.`
}

/** How one side came to the server, or that it never did. */
const arrival = (registrations: readonly Crossing[], side: string, why: Why | undefined): Line[] => {
  const [first] = registrations
  if (!first) return []
  const arrived = registrations.flatMap(({ group }) => group.filter(({ kind }) => kind === 'deliver')).sort(byTime)[0]
  if (arrived) {
    const { id, timeMs, from } = arrived
    const own = first.sent.from
    const seen = sameEndpoint(own, from) ? '' : `, which it calls ${formatEndpoint(own)} itself`
    return [{ id, timeMs, text: `The server has ${side}, and sees it at ${formatEndpoint(from)}${seen}.` }]
  }
  return dropLines(registrations, [], why)
}

/** Towards the peer it leaves by another endpoint than the one that the server sees. */
const otherDoor = (side: string, toServer: readonly Crossing[], between: readonly Crossing[]): Line[] => {
  const own = toServer.filter(({ sent }) => sent.box === side)
  const [first] = own
  // To the server's other sockets, and from fresh ones of its own, it may have another endpoint.
  const isRegistration = ({ sent }: Crossing): boolean =>
    first !== undefined && sameEndpoint(sent.from, first.sent.from) && sameEndpoint(sent.to, first.sent.to)
  const found = otherDoorOf(
    own.filter(isRegistration),
    between.filter(({ sent }) => sent.box === side && first && sameEndpoint(sent.from, first.sent.from)),
  )
  if (!found) return []
  const { leaving, known } = found
  const why = leaving.reason === undefined ? '' : `: ${leaving.reason}`
  const text =
    `${leaving.box} sends what ${side} has for ${formatEndpoint(leaving.to)} from ${formatEndpoint(leaving.from)}, ` +
    `not from ${formatEndpoint(known)}, where the server sees ${side}${why}.`
  return [{ id: leaving.id, timeMs: leaving.timeMs, text, decides: 'leaves by another endpoint' }]
}

/** What was dropped, the same thing once; nothing of chance and of addresses that are none, where rules did it too. */
const dropLines = (crossings: readonly Crossing[], records: readonly Recorded[], why: Why | undefined): Line[] => {
  const drops = crossings.flatMap(({ group }) => group.filter(({ kind }) => kind === 'drop')).sort(byTime)
  const isHopeless = ({ reason, box }: Recorded): boolean =>
    (reason === 'loss' || reason === 'no-such-address') && why !== `${box} ${reason}`
  const groups = grouped(
    drops.filter(drop => !isHopeless(drop)),
    ({ box, reason, from, to }) => `${box} ${reason} ${formatEndpoint(from)} ${formatEndpoint(to)}`,
  )
  const senderOf = new Map(crossings.map(({ sent }) => [sent.id, sent.box]))
  const sprays = grouped(
    groups.values(),
    ([first]) =>
      `${first?.box} ${first?.reason} ${senderOf.get(first?.id ?? 0)} ${first?.from.address} ${first?.to.address}`,
  )
  const told = [...sprays.values()].flatMap(ways => (ways.length > mostWays ? [ways.flat().sort(byTime)] : ways))
  return told.flatMap(group => {
    const [first] = group
    if (!first) return []
    const { id, timeMs, box, reason, from, to, label } = first
    const last = group.at(-1) ?? first
    const again = group.length > 1 ? ` ${group.length} times, until ${last.timeMs.toFixed(3)} ms:` : ''
    const [sources, destinations] = [portsOf(group, 'from'), portsOf(group, 'to')]
    const isSpray = sources + destinations > 2
    const grounds = isSpray ? groundsOfSpray(first) : groundsOf(first, records)
    const text =
      `At ${box} ${isSpray ? 'end' : 'ends'} the ${label}${isSpray ? 's' : ''} of ${senderOf.get(id)} ` +
      `from ${portsText(from, sources)} to ${portsText(to, destinations)},${again} ` +
      `${reason}${grounds === '' ? '' : `. ${grounds}`}.`
    const decides = isOf(first, why, records) ? `stopped by ${box} ${reason}` : undefined
    return [{ id, timeMs, text, decides }]
  })
}

/** Of like drops, more ways than these from one address to another are a spray, and told as one. */
const mostWays = 4

const portsOf = (group: readonly Recorded[], end: 'from' | 'to'): number =>
  new Set(group.map(record => record[end].port)).size

/** Whether the drop is what `why` names: itself, or since its datagram had been given another port. */
const isOf = ({ id, box, reason }: Recorded, why: Why | undefined, records: readonly Recorded[]): boolean =>
  why === `${box} ${reason}` ||
  records.some(one => one.id === id && one.kind === 'forward' && why === `${one.box} ${one.reason}`)

/** The first datagram that one side gets of the other, and what had opened the way for it. */
const turn = ({ sent, group, to }: Crossing, between: readonly Crossing[], toServer: readonly Crossing[]): Line[] => {
  const delivered = group.find(({ kind, box }) => kind === 'deliver' && box === to)
  if (!delivered) return []
  const ofReceiver = between.filter(crossing => crossing.sent.box === to)
  const opened = openerOf(group, ofReceiver, ownBoxesOf(to, toServer, between))
  const lines: Line[] = []
  if (opened) {
    const text = `${to} sends to ${formatEndpoint(opened.to)}, and so opens ${opened.box} at ${formatEndpoint(opened.from)}.`
    lines.push({ id: opened.id, timeMs: opened.timeMs, text, decides: `opens ${opened.box}` })
  }
  const seenFrom: Endpoint = delivered.from
  const text = `${to} hears ${sent.box} for the first time: a ${sent.label}, from ${formatEndpoint(seenFrom)}.`
  return [...lines, { id: delivered.id, timeMs: delivered.timeMs, text, decides: `${to} hears ${sent.box}` }]
}

const byTime = (a: TraceRecord, b: TraceRecord): number => a.timeMs - b.timeMs
