// Where the meetings of a matrix take place: in the simulation, or in this machine's kernel with real processes.
import { availableParallelism } from 'node:os'
import { StageError } from '../errors.ts'
import type { ClientProgram, ServerProgram } from '../kernel/meeting.ts'
import type { MeetingResult, Peer } from '../lab/meeting.ts'
import { defaultLimitMs, meet } from '../lab/meeting.ts'
import type { Trial } from '../lab/matrix.ts'
import { notTraced } from '../lab/why.ts'

export const worldNames = ['sim', 'kernel'] as const
export type WorldName = (typeof worldNames)[number]

export type World = {
  readonly name: WorldName
  /** So many meetings at a time. */
  readonly atOnce: number
  meet(trial: Trial): MeetingResult | Promise<MeetingResult>
}

/** Other people's, in place of ours. */
export type Programs = { readonly server?: ServerProgram; readonly client?: ClientProgram }

export const simWorld: World = { name: 'sim', atOnce: 1, meet }

/** Throws a `StageError` where this machine can't. The network is the machine's own, whatever a trial says. */
export const kernelWorld = async ({ server, client }: Programs = {}): Promise<World> => {
  const { kernelAvailability } = await import('../kernel/available.ts')
  const { meet } = await import('../kernel/meeting.ts')
  const available = await kernelAvailability()
  if ('why' in available) throw new StageError('usage', `no kernel lab here: ${available.why}; try --world sim`)
  return {
    name: 'kernel',
    // Most of a meeting is waiting.
    atOnce: 4 * availableParallelism(),
    async meet({ place, first, offsetMs, limitMs = defaultLimitMs }) {
      const { profileA, profileB, ...rest } = place
      const found = await meet(profileA, profileB, {
        ...rest,
        first,
        offsetMs,
        timeoutMs: limitMs,
        ...(server && { server }),
        ...(client && { alice: client, bob: client }),
      })
      return resultOf(found)
    },
  }
}

type Side = {
  readonly heardMs: number | undefined
  readonly connectedMs: number | undefined
  readonly datagrams: number
}
type Found = {
  readonly connected: boolean
  readonly oneWay: Peer | undefined
  readonly alice: Side
  readonly bob: Side
}

const resultOf = ({ connected, oneWay, alice, bob }: Found): MeetingResult => {
  const heardMs = later(alice.heardMs, bob.heardMs)
  const connectedMs = later(alice.connectedMs, bob.connectedMs)
  return {
    connected,
    ...(oneWay && { oneWay }),
    ...(heardMs !== undefined && { heardMs }),
    ...(connectedMs !== undefined && { connectedMs }),
    datagrams: alice.datagrams + bob.datagrams,
    ...(!connected && { why: notTraced }),
  }
}

const later = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? undefined : Math.max(one, other)
