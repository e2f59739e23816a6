// Law: types only. A figure that must hold: what is promised, and a function that measures it.

/** What CI has time for, or all of it. */
export type Size = 'short' | 'whole'

export type Measured = { readonly measured: string; readonly pass: boolean }

export type Figure = {
  /** S1 to S10 are about hostile input, R1 to R7 about faults, L1 to L3 about the private line. */
  readonly id: string
  readonly promised: string
}

/** Measured in a virtual world: the same on every machine. */
export type WorldFigure = Figure & { measure(size: Size): Measured }
