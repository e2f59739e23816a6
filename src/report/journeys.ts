// Law: pure. The records of a trace as journeys: each datagram with the legs of its way from box to box, and how it ended.
import { type Endpoint, sameEndpoint } from '../endpoint.ts'
import type { TraceRecord } from '../sim/trace.ts'

/** A record, with what the datagram is in a word or two. */
export type Labeled = TraceRecord & { readonly label?: string }

export type Leg = {
  readonly from: string
  /** Undefined: it died under way, at no box, or is still on it. */
  readonly to: string | undefined
  readonly departMs: number
  readonly arriveMs: number
  /** As it was on this leg. */
  readonly source: Endpoint
  readonly destination: Endpoint
  /** Why it went no further than here. */
  readonly dropped: string | undefined
  /** Who dropped it. */
  readonly by: string | undefined
  /** Whom it was for, as far as the trace knows. */
  readonly towards: string | undefined
}

export type Journey = {
  readonly id: number
  readonly label: string
  readonly length: number
  readonly sentMs: number
  readonly from: string
  readonly source: Endpoint
  readonly destination: Endpoint
  /** In order of arrival; a datagram of which there are copies has branches. */
  readonly legs: readonly Leg[]
  /** Where and why, as `nat-b filtering`, or undefined where a copy was delivered or nobody knows. */
  readonly dropped: string | undefined
  readonly delivered: string | undefined
  readonly endMs: number
}

type Departure = { box: string; atMs: number; source: Endpoint; destination: Endpoint; used: boolean }

/** In the order in which they were sent. What was sent before the records begin is left out. */
export const journeysOf = (records: readonly Labeled[]): Journey[] => {
  const scene = sceneOf(records)
  const groups = new Map<number, Labeled[]>()
  for (const record of records) {
    const group = groups.get(record.id)
    if (group) group.push(record)
    else if (record.kind === 'send') groups.set(record.id, [record])
  }
  return [...groups.values()].map(group => journeyOf(group, scene))
}

const journeyOf = ([sent, ...rest]: readonly Labeled[], { boxes, owners }: Scene): Journey => {
  const { id, box: from, timeMs: sentMs, length, label = '', from: source, to: destination } = sent as Labeled
  const departures: Departure[] = [{ box: from, atMs: sentMs, source, destination, used: false }]
  const legs: Leg[] = []
  let delivered: string | undefined
  const drops: string[] = []
  for (const record of rest) {
    const { kind, timeMs, box, reason, from: source, to: destination, before } = record
    const came = before ?? { from: source, to: destination }
    const departure = departureOf(departures, came.from, came.to)
    const isDrop = kind === 'drop'
    // Loss is noted at either end, a time to live that ran out at the network: it never came to a box.
    const isUnderWay = isDrop && (box === departure.box || reason === 'loss' || !boxes.has(box))
    legs.push({
      from: departure.box,
      to: isUnderWay ? undefined : box,
      departMs: departure.atMs,
      arriveMs: timeMs,
      source: came.from,
      destination: came.to,
      dropped: isDrop ? reason : undefined,
      by: isDrop ? box : undefined,
      towards: owners.get(came.to.address),
    })
    departure.used = true
    if (isDrop) drops.push(`${box} ${reason}`)
    if (kind === 'deliver') delivered = box
    if (kind === 'forward') departures.push({ box, atMs: timeMs, source, destination, used: false })
  }
  const endMs = Math.max(sentMs, ...legs.map(({ arriveMs }) => arriveMs))
  const dropped = delivered === undefined ? drops[0] : undefined
  return { id, label, length, sentMs, from, source, destination, legs, dropped, delivered, endMs }
}

/** What came with these endpoints left there: the oldest that has not arrived yet, else one whose copy it is. */
const departureOf = (departures: readonly Departure[], source: Endpoint, destination: Endpoint): Departure => {
  const likely = departures.filter(
    one => sameEndpoint(one.source, source) && sameEndpoint(one.destination, destination),
  )
  return (likely.find(({ used }) => !used) ?? likely.at(-1) ?? departures.at(-1)) as Departure
}

export type Scene = {
  /** Hosts and boxes with rules; not the networks between, where datagrams only end. */
  readonly boxes: ReadonlySet<string>
  /** Whose address it is, by what the trace shows. */
  readonly owners: ReadonlyMap<string, string>
}

export const sceneOf = (records: readonly TraceRecord[]): Scene => {
  const boxes = new Set<string>()
  const owners = new Map<string, string>()
  const own = ({ address }: Endpoint, box: string): void => void (owners.has(address) || owners.set(address, box))
  for (const { kind, box, reason, from, to } of records) {
    if (kind !== 'drop' || (reason !== 'ttl' && reason !== 'loss')) boxes.add(box)
    if (kind === 'send') own(from, box)
    if (kind === 'deliver') own(to, box)
  }
  for (const { kind, box, from, to, before, reason } of records) {
    if (before && !sameEndpoint(before.from, from)) own(from, box)
    if (before && !sameEndpoint(before.to, to)) own(before.to, box)
    if (kind === 'drop' && atTheDoor.includes(reason)) own(to, box)
  }
  return { boxes, owners }
}

/** What is only said by whom a datagram was addressed to. */
const atTheDoor: readonly (string | undefined)[] = ['filtering', 'no-mapping', 'mapping-expired', 'port-taken']
