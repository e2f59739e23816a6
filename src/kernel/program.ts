// A program of whoever's making, as a process: what it prints, line by line with the time of arrival, and its end.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { toolPath } from './holder.ts'

export type Line = { readonly atMs: number; readonly text: string }

export type ProgramOptions = {
  readonly env?: Readonly<Record<string, string>>
  readonly onLine?: (line: Line) => void
}

export type Program = {
  /** Of standard output; times as of `performance.now()`. */
  readonly lines: readonly Line[]
  /** The lines that are JSON objects. */
  readonly events: readonly Readonly<Record<string, unknown>>[]
  readonly stderr: string
  /** The first line that matches; undefined at the deadline, or when the program has ended without it. */
  until(pattern: RegExp, withinMs: number): Promise<Line | undefined>
  say(text: string): void
  kill(signal?: NodeJS.Signals): void
  /** Resolves with the exit code when it has ended and everything it printed is here; null if a signal ended it. */
  readonly ended: Promise<number | null>
}

export const startProgram = ([name = '', ...args]: readonly string[], options: ProgramOptions = {}): Program => {
  const env = { ...process.env, PATH: toolPath, ...options.env }
  // Of a session of its own: what is typed to interrupt us is not for it.
  const child = spawn(name, args, { env, detached: true })
  const lines: Line[] = []
  const waiting = new Set<(line?: Line) => void>()
  let stderr = ''
  let isOver = false

  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => {
      isOver = true
      for (const look of waiting) look()
      resolve(code)
    })
  })
  ended.catch(() => {}) // who waits for it hears of it
  child.stdin.on('error', () => {}) // it may have ended
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  createInterface({ input: child.stdout, crlfDelay: Infinity }).on('line', text => {
    const line = { atMs: performance.now(), text }
    lines.push(line)
    options.onLine?.(line)
    for (const look of waiting) look(line)
  })

  return {
    lines,
    get events() {
      return lines.flatMap(({ text }) => parsed(text))
    },
    get stderr() {
      return stderr
    },
    until: (pattern, withinMs) =>
      new Promise(resolve => {
        const stop = (line?: Line): void => {
          clearTimeout(timer)
          waiting.delete(look)
          resolve(line)
        }
        const look = (line?: Line): void => {
          if (line && pattern.test(line.text)) stop(line)
          else if (isOver) stop()
        }
        const timer = setTimeout(stop, withinMs)
        waiting.add(look)
        const found = lines.find(({ text }) => pattern.test(text))
        if (found || isOver) stop(found)
      }),
    say: text => void child.stdin.write(text),
    kill(signal = 'SIGTERM') {
      if (isOver || child.pid === undefined) return
      for (const pid of childrenOf(child.pid)) send(signal, pid)
    },
    ended,
  }
}

/**
 * Who brought the program into its namespaces waits for it there, to hand on its exit code: the signal is for its child.
 * Killing both at once makes the kernel take a second and more to close the pid namespace (Linux 6.18).
 */
const childrenOf = (pid: number): number[] => {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
    return children.length > 0 ? children : [pid]
  } catch {
    return [pid] // it has just ended, or the kernel keeps no such list
  }
}

const send = (signal: NodeJS.Signals, pid: number): void => {
  try {
    process.kill(pid, signal)
  } catch {
    // It has just ended.
  }
}

const parsed = (text: string): Record<string, unknown>[] => {
  if (!text.startsWith('{')) return []
  try {
    return [JSON.parse(text) as Record<string, unknown>]
  } catch {
    return []
  }
}
