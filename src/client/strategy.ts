// Law: pure. How two peers get through to each other, as far as what both know of their NATs tells: the same plan on both
// sides, each with its own part in it. docs/getting-through.md has the table.
import type { NatHint } from '../dialects/phonebook/hint.ts'
import { behaviors } from '../nat-profile.ts'
import { allPorts, hitProbability, sequenceOf } from './odds.ts'

export const strategies = ['direct', 'low-ttl', 'predict', 'spray', 'relay'] as const
export type StrategyName = (typeof strategies)[number]

/**
 * `both`: the same as the other side. `open`: makes mappings that the other side looks for. `probe`: looks for those of the
 * other side.
 */
export type Part = 'both' | 'open' | 'probe'

export type Plan = {
  readonly strategy: StrategyName
  readonly part: Part
  /** 0 to 1; undefined where too little is known. */
  readonly odds: number | undefined
  readonly because: string
}

export type Parameters = {
  /** That the opening side opens. */
  readonly sockets: number
  readonly probes: number
  readonly pacingMs: number
  /** Probes only where the peer's ports were seen. */
  readonly rangeAware: boolean
  /** Predicted ports. */
  readonly window: number
  /** Of low-TTL openers, one attempt after the other: they are to get out of our own NATs, and not to the peer's. */
  readonly ttls: readonly number[]
}

/** With one check and the 256 or fewer openers below the 2,048 datagrams of rule 5. */
export const ourParameters: Parameters = {
  sockets: 256,
  probes: 1900,
  pacingMs: 4,
  rangeAware: true,
  window: 16,
  ttls: [2, 3],
}

const [EI, , APD] = behaviors

/** Whether mappings that this side makes are open to whatever the other side's probes come from. */
const canOpen = (opener: NatHint, prober: NatHint): boolean =>
  prober.mapping === EI || (opener.filtering !== undefined && opener.filtering !== APD)

/** `isFirst`: breaks a tie; true on one of the two sides. */
export const planFor = (
  mine: NatHint | undefined,
  theirs: NatHint | undefined,
  isFirst: boolean,
  { sockets, probes }: Parameters = ourParameters,
): Plan => {
  if (!mine || !theirs)
    return { strategy: 'direct', part: 'both', odds: undefined, because: `${mine ? 'its' : 'our'} NAT is not known` }
  if (mine.mapping === EI && theirs.mapping === EI)
    return { strategy: 'direct', part: 'both', odds: 1, because: 'each of us has one endpoint for everybody' }
  const open = [mine, theirs].find(side => side.filtering === EI)
  if (open)
    return { strategy: 'direct', part: 'both', odds: 1, because: `${whose(open === mine)} NAT lets everybody in` }
  const [iOpen, theyOpen] = [
    mine.mapping !== EI && canOpen(mine, theirs),
    theirs.mapping !== EI && canOpen(theirs, mine),
  ]
  const [mySequence, theirSequence] = [sequenceOf(mine.ports), sequenceOf(theirs.ports)]
  if (iOpen && theyOpen) {
    const mineIsEasier = Boolean(mySequence) === Boolean(theirSequence) ? isFirst : mySequence !== undefined
    return opened(mineIsEasier, mineIsEasier ? mySequence : theirSequence)
  }
  if (iOpen || theyOpen) return opened(iOpen, iOpen ? mySequence : theirSequence)
  if (mySequence && theirSequence)
    return {
      strategy: 'predict',
      part: 'both',
      odds: 1,
      because: 'both NATs count their ports up, if nobody else uses them',
    }
  const odds = probes / (allPorts.last - allPorts.first)
  return {
    strategy: 'relay',
    part: 'both',
    odds,
    because: 'both NATs give each peer another port, and let in nobody else',
  }

  function opened(byUs: boolean, sequence: unknown): Plan {
    const part = byUs ? 'open' : 'probe'
    if (sequence) return { strategy: 'predict', part, odds: 1, because: `${whose(byUs)} NAT counts its ports up` }
    const odds = hitProbability(allPorts.last - allPorts.first + 1, sockets, probes)
    return { strategy: 'spray', part, odds, because: `${whose(byUs)} NAT gives each peer a random port` }
  }
}

const whose = (mine: boolean): string => (mine ? 'our' : "the peer's")
