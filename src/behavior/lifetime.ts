// Law: pure. Mapping lifetime (RFC 4787 s.4.3, RFC 5780 s.4.6): to what ages a mapping is asked about, and what follows.
// Ages are tried side by side, each on a mapping of its own, not bisected one after the other: that takes as long as the
// mapping lives, and not six times as long.
import { enoughRequests } from './filtering.ts'

/** What a mapping had seen before it was left alone: one exchange, or two a few seconds apart (Linux: a stream). */
export const habits = ['exchange', 'stream'] as const
export type Habit = (typeof habits)[number]

export type Rung = {
  readonly habit: Habit
  readonly ageMs: number
  readonly sent: number
  /** It was let in at that age. */
  readonly alive: boolean
}

export type Lifetime = {
  /** The middle between the last age at which it lived and the first at which it did not. */
  readonly ms: number | undefined
  readonly aliveAtMs: number
  readonly deadAtMs: number | undefined
  readonly because: string
}

/**
 * A second apart at first, four seconds in the end: so that the middle is at most two seconds off. Lifetimes are whole
 * seconds, mostly; to ask at the very moment of their end would be a toss.
 */
export const agesMs = (longestMs: number): number[] => {
  const ages: number[] = []
  for (let age = 1500; age <= longestMs; age += age < 12_000 ? 1000 : age < 40_000 ? 2000 : 4000) ages.push(age)
  return ages
}

export const lifetimeOf = (rungs: readonly Rung[]): Lifetime => {
  const asked = rungs.filter(({ alive, sent }) => alive || sent >= enoughRequests)
  const aliveAtMs = Math.max(0, ...asked.filter(({ alive }) => alive).map(({ ageMs }) => ageMs))
  const dead = asked.filter(({ alive, ageMs }) => !alive && ageMs > aliveAtMs).map(({ ageMs }) => ageMs)
  if (asked.length === 0) return { ms: undefined, aliveAtMs, deadAtMs: undefined, because: 'not asked' }
  if (dead.length === 0)
    return { ms: undefined, aliveAtMs, deadAtMs: undefined, because: `still there after ${seconds(aliveAtMs)}` }
  const deadAtMs = Math.min(...dead)
  const because = `there after ${seconds(aliveAtMs)}, gone after ${seconds(deadAtMs)}`
  return { ms: (aliveAtMs + deadAtMs) / 2, aliveAtMs, deadAtMs, because }
}

/** Two ages in a row at which it is gone: no need to wait for later ones. */
export const isOver = (rungs: readonly Rung[]): boolean => {
  const { aliveAtMs } = lifetimeOf(rungs)
  return rungs.filter(({ alive, ageMs, sent }) => !alive && sent >= enoughRequests && ageMs > aliveAtMs).length >= 2
}

const seconds = (ms: number): string => `${ms / 1000} s`
