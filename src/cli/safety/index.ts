// The figures that are measured with processes and sockets.
import { crowd } from './crowd.ts'
import { ending } from './ending.ts'
import type { ProcessFigure } from './figure.ts'
import { delay, evictionOnSockets, meetingOnSockets, memory } from './floods.ts'
import { restart } from './restart.ts'

export const processFigures: readonly ProcessFigure[] = [
  meetingOnSockets,
  evictionOnSockets,
  memory,
  delay,
  restart,
  ending,
  crowd,
]
