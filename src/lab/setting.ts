// Law: pure. One meeting as people choose it, on the command line or in the browser: a trial of the matrix, or with a network
// and a start of one's own. The same words give the same meeting, and so the same trace.
import { StageError } from '../errors.ts'
import type { IpVersions } from '../nat-profile.ts'
import { type Trial, planTrials } from './matrix.ts'
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
}

/** Throws a `StageError` where no such meeting can be. */
export const trialOf = ({ a, b, seed = 1, trial = 1, ip, latencyMs, lossPercent, first, laterMs }: Setting): Trial => {
  const found = planTrials({ pairs: [{ a, b }], trials: trial, seed, ...(ip && { ip }) })[trial - 1]
  if (!found) throw new StageError('usage', `trial ${trial}: give a whole number from 1 on`)
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

const isPeer = (name: string): name is Peer => (peers as readonly string[]).includes(name)

/** As the words of `nat-lab why`. */
export const wordsOf = ({
  a,
  b,
  seed = 1,
  trial = 1,
  ip = '4',
  latencyMs,
  lossPercent,
  first,
  laterMs,
}: Setting): string[] => {
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
  ]
}
