// Law: pure. One meeting as people choose it, on the command line or in the browser: a trial of the matrix, or with a network
// and a start of one's own. The same words give the same meeting, and so the same trace.
import { StageError } from '../errors.ts'
import type { IpVersions } from '../nat-profile.ts'
import { nearest } from '../nearest.ts'
import { presetNames, presets } from '../client/presets.ts'
import { strategies } from '../client/strategy.ts'
import { type Conditions, type Trial, trialsOf } from './matrix.ts'
import { type Peer, peers } from './meeting.ts'
import { variedNetwork } from './network.ts'

export type Setting = {
  readonly a: string
  readonly b: string
  readonly seed?: number | undefined
  /** Which of the meetings of this pair in a matrix of this seed, from 1 on. */
  readonly trial?: number | undefined
  readonly ip?: IpVersions | undefined
  /** Of every way, one way; then without jitter. */
  readonly latencyMs?: number | undefined
  readonly lossPercent?: number | undefined
  readonly first?: string | undefined
  /** So much later the other one starts. */
  readonly laterMs?: number | undefined
  /** This one and no other. */
  readonly strategy?: string | undefined
  /** Whose sockets, probes and pace. */
  readonly preset?: string | undefined
}

/** Throws a `StageError` where no such meeting can be. */
export const trialOf = (setting: Setting): Trial => {
  const { a, b, seed = 1, trial = 1, ip, latencyMs, lossPercent, first, laterMs } = setting
  if (!Number.isInteger(trial) || trial < 1)
    throw new StageError('usage', `trial ${trial}: give a whole number from 1 on`)
  const found = trialsOf({ a, b }, { seed, ...(ip && { ip }), ...punchingOf(setting) })(trial - 1)
  const starts = first ?? found.first
  if (!isPeer(starts)) throw new StageError('usage', `first ${JSON.stringify(first)}: choose ${peers.join(' or ')}`)
  return {
    ...found,
    first: starts,
    offsetMs: laterMs ?? found.offsetMs,
    network: {
      ...variedNetwork,
      ...(latencyMs !== undefined && { latencyMs: [latencyMs, latencyMs], jitterMs: [0, 0] }),
      ...(lossPercent !== undefined && { loss: [lossPercent / 100, lossPercent / 100] }),
    },
  }
}

/** How both clients go about it. Throws a `StageError` for names that there are not. */
export const punchingOf = ({ strategy, preset }: Pick<Setting, 'strategy' | 'preset'>): Conditions => ({
  ...(strategy !== undefined && { strategy: oneOf('strategy', strategy, strategies) }),
  ...(preset !== undefined && { parameters: presets[oneOf('preset', preset, presetNames)] }),
})

const oneOf = <T extends string>(what: string, name: string, names: readonly T[]): T => {
  const found = names.find(one => one === name)
  if (found) return found
  const meant = nearest(name, names)
  const hint = meant === undefined ? '' : `did you mean ${meant}? `
  throw new StageError('usage', `no ${what} ${JSON.stringify(name)}: ${hint}There are ${names.join(', ')}`)
}

const isPeer = (name: string): name is Peer => (peers as readonly string[]).includes(name)

/** As the words of `nat-lab why`. */
export const wordsOf = (setting: Setting): string[] => {
  const { a, b, seed = 1, trial = 1, ip = '4', latencyMs, lossPercent, first, laterMs, strategy, preset } = setting
  const option = (name: string, value: string | number | undefined): string[] =>
    value === undefined ? [] : [`--${name}`, String(value)]
  return [
    a,
    b,
    ...option('seed', seed),
    ...option('trial', trial),
    ...(ip === '4' ? [] : option('ip', ip)),
    ...option('latency', latencyMs),
    ...option('loss', lossPercent),
    ...option('first', first),
    ...option('later', laterMs),
    ...option('strategy', strategy),
    ...option('preset', preset),
  ]
}
