// Runs trials in a world, as many at a time as it likes, and stops in good order when interrupted.
import { setImmediate as breathe } from 'node:timers/promises'
import { StageError } from '../errors.ts'
import { type Cell, type Pair, type Trial, cellOf } from '../lab/matrix.ts'
import type { MeetingResult } from '../lab/meeting.ts'
import type { Journal } from './journal.ts'
import { createProgress } from './progress.ts'
import type { World } from './worlds.ts'

/** All of a pair. */
export type Ran = { readonly trials: readonly Trial[]; readonly results: readonly MeetingResult[] }

export type TrialsOptions = {
  readonly world: World
  readonly trials: readonly Trial[]
  readonly journal?: Journal | undefined
  /** Each cell once all of its trials are done, in order. */
  readonly onCell?: (cell: Cell, ran: Ran) => void
  /** What to say to who pressed Ctrl-C. */
  readonly howToResume: string
}

/** A simulation holds up everything else, Ctrl-C too, unless it pauses. */
const pauseEveryMs = 50

/** A cell for each pair, in order. */
export const runTrials = async ({ world, trials, journal, onCell, howToResume }: TrialsOptions): Promise<Cell[]> => {
  const results: (MeetingResult | undefined)[] = trials.map(({ seed }) => journal?.known.get(seed))
  const groups = groupsOf(trials)
  const cells: Cell[] = []
  const progress = createProgress(`meetings in the ${world.name} world`, trials.length)
  let done = results.filter(Boolean).length
  let interrupted = false
  let nextPauseMs = 0
  let onInterrupt = (): void => {}
  const interruption = new Promise<void>(resolve => {
    onInterrupt = () => {
      interrupted = true
      resolve()
    }
  })
  process.once('SIGINT', onInterrupt)

  const report = (): void => {
    for (let group = groups[cells.length]; group; group = groups[cells.length]) {
      const found = results.slice(group.from, group.to).flatMap(result => result ?? [])
      if (found.length < group.to - group.from) return
      const cell = cellOf(group.pair, found)
      cells.push(cell)
      progress.end()
      onCell?.(cell, { trials: trials.slice(group.from, group.to), results: found })
    }
  }

  const queue = trials.entries()
  const work = async (): Promise<void> => {
    for (const [i, trial] of queue) {
      if (interrupted) return
      if (results[i]) continue
      const result = await world.meet(trial)
      results[i] = result
      journal?.add(trial.seed, result)
      progress.update(++done)
      report()
      if (performance.now() < nextPauseMs) continue
      await breathe()
      nextPauseMs = performance.now() + pauseEveryMs
    }
  }
  try {
    report()
    // Meetings in the kernel that are still going on end with us.
    await Promise.race([Promise.all(Array.from({ length: world.atOnce }, work)), interruption])
  } finally {
    progress.end()
    process.off('SIGINT', onInterrupt)
  }
  if (interrupted) throw new StageError('interrupted', `interrupted after ${done} of ${trials.length}: ${howToResume}`)
  return cells
}

type Group = { readonly pair: Pair; readonly from: number; readonly to: number }

/** The trials of a pair stand together. */
const groupsOf = (trials: readonly Trial[]): Group[] => {
  const starts = trials.flatMap(({ pair }, i) => (i === 0 || trials[i - 1]?.pair !== pair ? [i] : []))
  return starts.map((from, n) => ({ pair: (trials[from] as Trial).pair, from, to: starts[n + 1] ?? trials.length }))
}
