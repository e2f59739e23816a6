// The figures that are measured in virtual worlds, in the order of the table.
import { amplificationByDefault, amplificationStrict } from './amplification.ts'
import { agreedAttempts } from './attempts.ts'
import type { WorldFigure } from './figure.ts'
import { classroom, eviction, meetingInFlood } from './floods.ts'
import { hostileServer } from './hostile-server.ts'
import { bridgedServers, outputsAsInputs } from './loops.ts'
import { goodManners } from './manners.ts'
import { meetingWithLoss } from './meeting.ts'
import { clientThatMoves, serverThatMoves } from './moving.ts'
import { mutations } from './mutations.ts'
import { soaking } from './soaking.ts'
import { sleeping } from './suspending.ts'

export const worldFigures: readonly WorldFigure[] = [
  amplificationStrict,
  amplificationByDefault,
  classroom,
  meetingInFlood,
  outputsAsInputs,
  bridgedServers,
  mutations,
  hostileServer,
  eviction,
  goodManners,
  agreedAttempts,
  meetingWithLoss,
  serverThatMoves,
  clientThatMoves,
  soaking,
  sleeping,
]
