// Law: types only. A figure that is measured with processes and sockets.
import type { Figure, Measured, Size } from '../../lab/safety/figure.ts'

/** `slack`: deadlines by the wall clock are so many times longer, where the machine has other things to do. */
export type ProcessFigure = Figure & { measure(size: Size, slack?: number): Promise<Measured> }
