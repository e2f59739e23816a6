// The figures that are measured in virtual worlds, in the order of the table.
import { amplificationByDefault, amplificationStrict } from './amplification.ts'
import { agreedAttempts } from './attempts.ts'
import type { WorldFigure } from './figure.ts'
import { classroom, eviction, meetingInFlood } from './floods.ts'
import { hostileServer } from './hostile-server.ts'
import { bridgedServers, outputsAsInputs } from './loops.ts'
import { goodManners } from './manners.ts'
import { forgeries, handshakeInLoss, roaming } from './line.ts'
import { meetingWithLoss } from './meeting.ts'
import { clientThatMoves, serverThatMoves } from './moving.ts'
import { mutations } from './mutations.ts'
import { soaking } from './soaking.ts'
import { sleeping } from './suspending.ts'
import { takeovers } from './takeovers.ts'

export const worldFigures: readonly WorldFigure[] = [
  amplificationStrict('4'),
  amplificationStrict('6'),
  amplificationByDefault('4'),
  amplificationByDefault('6'),
  classroom,
  meetingInFlood,
  outputsAsInputs,
  bridgedServers,
  mutations,
  hostileServer,
  eviction,
  takeovers,
  goodManners,
  agreedAttempts,
  meetingWithLoss('4'),
  meetingWithLoss('6'),
  serverThatMoves,
  clientThatMoves,
  soaking,
  sleeping,
  handshakeInLoss,
  roaming,
  forgeries,
]
