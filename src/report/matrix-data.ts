// Law: pure. All runs of a matrix in few bytes, for a page: whatever many of them share stands there once.
import { type Conditions, type Pair, type Trial, conditionsIn } from '../lab/matrix.ts'
import { type MeetingResult, type Peer, peers } from '../lab/meeting.ts'
import { nameOf } from './matrix.ts'

/** Who starts first, how much later the other one, when they were connected or null, and else which why. */
type Run = readonly [first: 0 | 1, offsetMs: number, connectedMs: number | null, why?: number]

type Shared = Pick<Trial, 'place' | 'network'> & Conditions

type CellData = {
  readonly name: string
  /** What the runs' seeds begin with: they are numbered. */
  readonly seed: string
  readonly pair: Pair
  /** Undefined where it was not simulated. */
  readonly shared: Shared | undefined
  readonly runs: readonly Run[]
}

export type MatrixData = {
  readonly kind: 'matrix'
  readonly whys: readonly string[]
  readonly cells: readonly CellData[]
}

export type Ran = {
  readonly name?: string
  readonly trials: readonly Trial[]
  readonly results: readonly MeetingResult[]
}

export const matrixData = (groups: readonly Ran[], isSimulated: boolean): MatrixData => {
  const whys: string[] = []
  const indexOf = (why: string): number => (whys.includes(why) ? whys.indexOf(why) : whys.push(why) - 1)
  const cells = groups.flatMap(({ name, trials, results }): CellData[] => {
    const [trial] = trials
    if (!trial) return []
    const { pair, place, network, seed } = trial
    const runs = trials.map(({ first, offsetMs }, i): Run => {
      const { connected, connectedMs, why } = results[i] ?? { connected: false }
      const head = [first === 'alice' ? 0 : 1, offsetMs] as const
      if (connected && connectedMs !== undefined) return [...head, Math.round(connectedMs * 1e3) / 1e3]
      return why === undefined ? [...head, null] : [...head, null, indexOf(why)]
    })
    const shared = isSimulated ? { place, network, ...conditionsIn(trial) } : undefined
    return [{ name: name ?? nameOf(pair), seed: seed.replace(/0$/, ''), pair, shared, runs }]
  })
  return { kind: 'matrix', whys, cells }
}

/** As they were planned; undefined where they can't be simulated again. */
export const trialsOf = ({ cells }: MatrixData, index: number): Trial[] | undefined => {
  const { pair, shared, seed, runs } = cells[index] ?? {}
  if (!shared || !pair || !runs) return undefined
  return runs.map(([first, offsetMs], i) => ({
    ...shared,
    pair,
    seed: `${seed}${i}`,
    first: peers[first] as Peer,
    offsetMs,
  }))
}
