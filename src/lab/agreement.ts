// Law: pure. Whether two worlds are one: the same cell of both, by Fisher's exact test.
import type { Cell, Pair } from './matrix.ts'
import { fisher } from './statistics.ts'

/** At this level a matrix of a hundred cells would call one different by chance in ten runs; so it is asked twice. */
export const level = 0.001
/** Fewer could not differ at that level, whatever they did. */
export const fewestTrials = 7
/** So many times the trials, the second time. */
export const again = 4

export type Comparison = Pair & {
  readonly sim: { readonly connected: number; readonly trials: number }
  readonly kernel: { readonly connected: number; readonly trials: number }
  readonly p: number
}

const counts = ({ connected, trials }: Cell): Comparison['sim'] => ({ connected, trials })

export const compare = (sim: Cell, kernel: Cell): Comparison => ({
  a: sim.a,
  b: sim.b,
  sim: counts(sim),
  kernel: counts(kernel),
  p: fisher({ successes: sim.connected, trials: sim.trials }, { successes: kernel.connected, trials: kernel.trials }),
})

export const differ = ({ p }: Comparison): boolean => p < level
