// Law: pure. What a ladder shows, however it is drawn: who stands where, and every datagram with what became of it. Runs of
// like datagrams are folded into one, so that a thousand keepalives take no more room than the few that decide.
import { type Endpoint, endpointKey } from '../endpoint.ts'
import { type Journey, type Labeled, journeysOf, sceneOf } from './journeys.ts'
import { type Lifeline, lifelinesOf } from './lifelines.ts'

/** `journey`: the first of `count` that are all alike, the last of which was sent at `lastMs`. */
export type Rung = {
  readonly journey: Journey
  readonly count: number
  readonly lastMs: number
  /** Of a spray: from how many ports to how many. */
  readonly spray: Spray | undefined
  /** Why it is one of those that the story turns on. */
  readonly decisive: string | undefined
}

export type Spray = { readonly sources: number; readonly destinations: number }

/** Something that was said of a moment, such as that a client is connected. */
export type Remark = { readonly timeMs: number; readonly box: string; readonly text: string }

export type Ladder = {
  readonly lifelines: readonly Lifeline[]
  readonly rungs: readonly Rung[]
  readonly remarks: readonly Remark[]
  /** How many there are, folded or not. */
  readonly datagrams: number
}

export type LadderOptions = {
  /** By the datagram's number: why it is decisive. */
  readonly decisive?: ReadonlyMap<number, string>
  readonly remarks?: readonly Remark[]
  /** Default: true. */
  readonly fold?: boolean
}

export const createLadder = (
  records: readonly Labeled[],
  { decisive = new Map(), remarks = [], fold = true }: LadderOptions = {},
): Ladder => {
  const journeys = journeysOf(records)
  const single = (journey: Journey): Rung => {
    const { id, sentMs } = journey
    return { journey, count: 1, lastMs: sentMs, spray: undefined, decisive: decisive.get(id) }
  }
  return {
    lifelines: lifelinesOf(journeys, sceneOf(records)),
    rungs: fold ? folded(journeys.map(single), remarks) : journeys.map(single),
    remarks: remarks.toSorted((a, b) => a.timeMs - b.timeMs),
    datagrams: journeys.length,
  }
}

/**
 * A datagram joins the run of those like it as long as nothing happens that has not happened before: whatever is new, is
 * decisive or was remarked ends every run.
 */
const folded = (rungs: readonly Rung[], remarks: readonly Remark[]): Rung[] => {
  const all: Rung[] = []
  const likenessOf = likenesses(rungs)
  /** Of each run's datagrams, their ports. */
  const ports = new Map<number, { sources: Set<number>; destinations: Set<number> }>()
  const seen = new Set<string>()
  const open = new Map<string, number>()
  const breaks = remarks.map(({ timeMs }) => timeMs).sort((a, b) => a - b)
  let next = 0
  for (const rung of rungs) {
    const likeness = likenessOf(rung)
    while ((breaks[next] ?? Infinity) <= rung.journey.sentMs) {
      next++
      open.clear()
    }
    if (!seen.has(likeness) || rung.decisive !== undefined) open.clear()
    seen.add(likeness)
    const at = open.get(likeness)
    const run = at === undefined ? undefined : all[at]
    const { source, destination } = rung.journey
    if (at === undefined || !run) {
      open.set(likeness, all.push(rung) - 1)
      ports.set(all.length - 1, { sources: new Set([source.port]), destinations: new Set([destination.port]) })
    } else {
      all[at] = { ...run, count: run.count + 1, lastMs: rung.lastMs }
      ports.get(at)?.sources.add(source.port)
      ports.get(at)?.destinations.add(destination.port)
    }
    if (rung.decisive !== undefined) open.clear()
  }
  return all.map((rung, i) => {
    const [sources, destinations] = [ports.get(i)?.sources.size ?? 1, ports.get(i)?.destinations.size ?? 1]
    return sources + destinations > 2 ? { ...rung, spray: { sources, destinations } } : rung
  })
}

/** More ways than these that differ in nothing but a port are a spray, and as one to the reader. */
const mostWays = 8

const likenesses = (rungs: readonly Rung[]): ((rung: Rung) => string) => {
  const ways = new Map<string, Set<string>>()
  for (const rung of rungs) {
    const like = likenessWith(addressOf, rung)
    const known = ways.get(like)
    if (known) known.add(likenessWith(endpointKey, rung))
    else ways.set(like, new Set([likenessWith(endpointKey, rung)]))
  }
  return rung => {
    const like = likenessWith(addressOf, rung)
    return (ways.get(like)?.size ?? 0) > mostWays ? like : likenessWith(endpointKey, rung)
  }
}

const addressOf = ({ address }: Endpoint): string => address

const likenessWith = (keyOf: (endpoint: Endpoint) => string, { journey }: Rung): string => {
  const { label, legs, from, source, destination } = journey
  const ways = legs.map(leg => `${leg.to} ${leg.by} ${leg.dropped} ${keyOf(leg.source)} ${keyOf(leg.destination)}`)
  return [label, from, keyOf(source), keyOf(destination), ...ways].join(' > ')
}
