// Law: pure, a table. Which attempts a plan is made of, in their order, and how long each of them lasts.
import type { Parameters, Plan, StrategyName } from './strategy.ts'

export type Step = { readonly strategy: StrategyName; readonly lastsMs: number; readonly ttl?: number | undefined }

/** Another strategy's turn where the checks of the candidates have not come through by then. */
const directMs = 1500
/** What an open NAT lets through comes first. */
const sprayAfterMs = 300
const predictMs = 1500
const rounds = 6
/** The one who follows is to be ready when the other one's first sample comes, and the samples of before are to be over. */
const followAfterMs = 50
const leadAfterMs = 250
const lowTtlMs = 2500
/** For the last answers to come back. */
const lastAnswersMs = 2000
const unknownMs = 15_000
const hopelessMs = 4000

const wait = (lastsMs: number): Step => ({ strategy: 'direct', lastsMs })
const predict: Step = { strategy: 'predict', lastsMs: predictMs }
const times = (count: number, step: Step): Step[] => Array.from({ length: count }, () => step)

export const stepsOf = ({ strategy, part, odds }: Plan, parameters: Parameters, isFirst: boolean): Step[] => {
  const { ttls, probes, sockets, pacingMs } = parameters
  // The first life once more: something may have been lost.
  const lowTtl = [...ttls, ...ttls.slice(0, 1)].map((ttl): Step => ({ strategy: 'low-ttl', lastsMs: lowTtlMs, ttl }))
  const spray: Step = { strategy: 'spray', lastsMs: Math.max(probes, sockets) * pacingMs + lastAnswersMs }
  switch (strategy) {
    case 'direct':
      return odds === undefined ? [wait(unknownMs)] : [wait(directMs), ...lowTtl, wait(hopelessMs)]
    case 'low-ttl':
      return lowTtl
    case 'predict':
      // Short-lived at first: a naive router at the other end would take what is early for its own. Then in full, for deeper NATs.
      if (part !== 'both') return [...ttls.map(ttl => ({ ...predict, ttl })), predict, spray]
      // The one who follows answers each sample in whichever moment it comes.
      return isFirst
        ? [wait(leadAfterMs), ...times(rounds, predict)]
        : [wait(followAfterMs), { ...predict, lastsMs: rounds * predictMs }]
    case 'spray':
      return [wait(sprayAfterMs), spray]
    case 'relay':
      return [wait(hopelessMs)]
  }
}
