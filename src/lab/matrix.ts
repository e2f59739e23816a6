// Law: pure. A matrix of meetings: which trials it is made of, each with a seed of its own, and what their results come
// to. Who runs them, in which world, is not known here.
import { StageError } from '../errors.ts'
import type { IpVersions } from '../nat-profile.ts'
import { seededRandom } from '../sim/random.ts'
import { type MeetingOptions, type MeetingResult, type Peer, peers, traceOf } from './meeting.ts'
import { type Network, variedNetwork } from './network.ts'
import { type Place, type Sites, builtInSites, placeOf, siteNamed } from './sites.ts'
import { quantile, wilson } from './statistics.ts'

export type Pair = { readonly a: string; readonly b: string }

/** All that a world has to know. */
export type Trial = {
  readonly pair: Pair
  readonly place: Place
  readonly seed: string
  readonly first: Peer
  readonly offsetMs: number
  readonly network: Network
} & Conditions

/** What is the same for every trial, where it is said. */
export type Conditions = Pick<MeetingOptions, 'limitMs' | 'stayMs' | 'strategy' | 'parameters'>

/** Those of them that are there. */
export const conditionsIn = ({ limitMs, stayMs, strategy, parameters }: Conditions): Conditions => ({
  ...(limitMs !== undefined && { limitMs }),
  ...(stayMs !== undefined && { stayMs }),
  ...(strategy && { strategy }),
  ...(parameters && { parameters }),
})

export type PlanOptions = {
  readonly pairs: readonly Pair[]
  readonly trials: number
  readonly seed: number
  readonly sites?: Sites
  readonly ip?: IpVersions
  readonly network?: Network
  /** The second one starts so much later, one after the other, each stretched by a half to one and a half. */
  readonly offsetsMs?: readonly number[]
  /** Who starts first, in turn. Default: both. */
  readonly orders?: readonly Peer[]
} & Conditions

/** As many as one process can keep in mind. */
const mostMeetings = 2_000_000

export const defaultOffsetsMs = [0, 200, 2000, 20_000] as const

/** Every pair of names once, with itself too; those left out where the two can't be put together. */
export const pairsOf = (names: readonly string[], sites: Sites = builtInSites): Pair[] => {
  const all = names.map(name => siteNamed(name, sites))
  const pairs = all.flatMap((a, row) =>
    all.flatMap((b, column) => {
      // Who shares a box is always Bob.
      if ('shares' in b ? 'shares' in a : column < row && !('shares' in a)) return []
      return placeOf(a, b) ? [{ a: a.name, b: b.name }] : []
    }),
  )
  if (pairs.length > 0) return pairs
  throw new StageError('usage', `${names.join(',')}: no two of these can be put together; add a NAT, like portrest`)
}

export const planTrials = (options: PlanOptions): Trial[] => {
  const { pairs, trials } = options
  if (pairs.length * trials > mostMeetings) {
    const most = Math.floor(mostMeetings / pairs.length)
    throw new StageError('usage', `${trials} trials of ${pairs.length} pairs are more than fit: give ${most} at most`)
  }
  return pairs.flatMap(pair => {
    const trialOf = trialsOf(pair, options)
    return Array.from({ length: trials }, (_, i) => trialOf(i))
  })
}

/** Each trial of a pair by its number, from 0 on. */
export const trialsOf = (pair: Pair, options: Omit<PlanOptions, 'pairs' | 'trials'>): ((i: number) => Trial) => {
  const { seed, sites = builtInSites, ip, network = variedNetwork, orders = peers } = options
  const { offsetsMs = defaultOffsetsMs } = options
  const place = placeOf(siteNamed(pair.a, sites), siteNamed(pair.b, sites), ip)
  if (!place) throw new StageError('usage', `${pair.a} and ${pair.b} cannot be put together: no box to share`)
  return i => {
    const own = `${seed} ${pair.a} ${pair.b} ${i}`
    // Each order with each offset, before either comes again with another network.
    const offset = offsetsMs[Math.floor(i / orders.length) % offsetsMs.length] ?? 0
    const offsetMs = offset * (0.5 + seededRandom(own, 'offset').next())
    const first = orders[i % orders.length] ?? 'alice'
    return { pair, place, seed: own, first, offsetMs, network, ...conditionsIn(options) }
  }
}

export type Cell = Pair & {
  readonly trials: number
  readonly connected: number
  /** 95 % confidence interval of the share connected. */
  readonly low: number
  readonly high: number
  readonly oneWay: number
  /** Of those that were heard both ways, and of those that connected. */
  readonly heardMedianMs: number | undefined
  readonly heardP95Ms: number | undefined
  readonly medianMs: number | undefined
  readonly p95Ms: number | undefined
  /** Median over all trials, of both sides together. */
  readonly datagrams: number
  /** How many failed for what. */
  readonly why: Readonly<Record<string, number>>
  readonly trace: string | undefined
}

export const cellOf = ({ a, b }: Pair, results: readonly MeetingResult[]): Cell => {
  const trials = results.length
  const connected = results.filter(result => result.connected).length
  const { low, high } = wilson(connected, trials)
  const heard = results.flatMap(({ heardMs }) => heardMs ?? [])
  const times = results.flatMap(({ connected, connectedMs }) => (connected ? (connectedMs ?? []) : []))
  const why: Record<string, number> = {}
  for (const reason of results.flatMap(result => result.why ?? [])) why[reason] = (why[reason] ?? 0) + 1
  return {
    a,
    b,
    trials,
    connected,
    low,
    high,
    oneWay: results.filter(({ oneWay }) => oneWay).length,
    heardMedianMs: quantile(heard, 0.5),
    heardP95Ms: quantile(heard, 0.95),
    medianMs: quantile(times, 0.5),
    p95Ms: quantile(times, 0.95),
    datagrams:
      quantile(
        results.map(({ datagrams }) => datagrams),
        0.5,
      ) ?? 0,
    why,
    trace: traceOf(results),
  }
}
