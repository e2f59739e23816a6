// Standard output that never holds up the program: writes go through the thread pool, one at a time, and what a blocked
// reader does not take is dropped and counted. (process.stdout writes synchronously to terminals, files and pipes.)
import { write } from 'node:fs'

const mostWaiting = 256 * 1024
const retryMs = 20
const stdout = 1

export type Output = {
  /** `line` without its line feed; must be safe for a terminal already. */
  line(line: string): void
  /** As it is, without a line feed: what moves the cursor of a terminal. */
  write(text: string): void
  /** Resolves when all is written, or `withinMs` have passed. */
  flush(withinMs: number): Promise<void>
  readonly dropped: number
}

/** `onClosed`: nothing can be written any more; no error where the reader has just gone away. `describe`: the line that tells how many were not printed. */
export const createOutput = (
  onClosed: (error: Error | undefined) => void,
  describe = (lost: number): string => `(${lost} lines were not printed: the reader did not keep up.)`,
): Output => {
  let waiting: string[] = []
  let waitingLength = 0
  let writing = false
  let closed = false
  let dropped = 0
  let unsaid = 0
  let idle = (): void => {}

  const pump = (rest?: Uint8Array): void => {
    if (!rest && waiting.length === 0) {
      writing = false
      return idle()
    }
    writing = true
    const bytes = rest ?? new TextEncoder().encode(waiting.join(''))
    if (!rest) {
      waiting = []
      waitingLength = 0
    }
    write(stdout, bytes, (error, written) => {
      if (!error) return pump(written < bytes.length ? bytes.subarray(written) : undefined)
      if (error.code === 'EAGAIN') return void setTimeout(() => pump(bytes), retryMs)
      closed = true
      waiting = []
      idle()
      onClosed(error.code === 'EPIPE' ? undefined : error)
    })
  }

  const add = (text: string): void => {
    if (closed) return
    if (waitingLength + text.length > mostWaiting) {
      dropped++
      unsaid++
      return
    }
    const note = unsaid > 0 ? `${describe(unsaid)}\n` : ''
    unsaid = 0
    waiting.push(note + text)
    waitingLength += note.length + text.length
    if (!writing) pump()
  }

  return {
    line: line => add(`${line}\n`),
    write: add,
    flush: withinMs =>
      new Promise(resolve => {
        if (!writing || closed) return resolve()
        const timer = setTimeout(resolve, withinMs)
        idle = () => {
          clearTimeout(timer)
          resolve()
        }
      }),
    get dropped() {
      return dropped
    },
  }
}
