// A long run on disk: one JSON line a meeting, so that what an interrupted run has done need not be done again.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { StageError } from '../errors.ts'
import type { MeetingResult } from '../lab/meeting.ts'

export type Journal = {
  /** By the seed of the trial. */
  readonly known: ReadonlyMap<string, MeetingResult>
  add(seed: string, result: MeetingResult): void
}

type Line = { readonly seed: string; readonly result: MeetingResult }

/** `command` names the run: the file of another one is refused. */
export const openJournal = (file: string, command: string): Journal => {
  const head = JSON.stringify({ command })
  const known = new Map<string, MeetingResult>()
  try {
    if (!existsSync(file)) writeFileSync(file, `${head}\n`)
    const text = readFileSync(file, 'utf8')
    const [first, ...lines] = text.split('\n')
    if (first !== head) throw new StageError('usage', refusal(file, first ?? ''))
    for (const { seed, result } of lines.flatMap(parsed)) known.set(seed, result)
    // What was being written when the run was killed.
    if (!text.endsWith('\n')) appendFileSync(file, '\n')
  } catch (error) {
    if (error instanceof StageError) throw error
    throw new StageError('usage', `--resume: ${(error as Error).message}: give a file that can be read and written`)
  }
  const add: Journal['add'] = (seed, result) => {
    try {
      appendFileSync(file, `${JSON.stringify({ seed, result })}\n`)
    } catch (error) {
      throw new StageError('usage', `--resume: ${(error as Error).message}: make room, and go on with the same command`)
    }
  }
  return { known, add }
}

const parsed = (line: string): Line[] => {
  try {
    const value = JSON.parse(line) as Partial<Line>
    return typeof value.seed === 'string' && typeof value.result === 'object' ? [value as Line] : []
  } catch {
    return []
  }
}

const refusal = (file: string, first: string): string => {
  try {
    const { command } = JSON.parse(first) as { command?: unknown }
    if (typeof command === 'string') return `--resume ${file} is of another run: give another file, or ${command}`
  } catch {
    // Not one of ours.
  }
  return `--resume ${file} is not the journal of a run: give another file`
}
