// What is printed and what is typed, on one screen: a line that comes in never runs into a half-typed one. On a pipe, plain lines.
import { type Interface, createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { formatWithOptions } from 'node:util'
import debug from 'debug'
import colors from 'picocolors'
import type { Output } from './output.ts'

export type Terminal = {
  /** Somebody sits there and edits lines. */
  readonly isInteractive: boolean
  /** Prints one line; must be safe for a terminal already. */
  line(text: string): void
  /** Prints one line for attention, where it does not get into a pipe. */
  note(text: string): void
  /** Stands before what is typed from now on; on a pipe it is a line. */
  prompt(text: string): void
  /** What is typed or piped, line by line. */
  lines(): AsyncIterable<string>
  close(): void
}

export type TerminalOptions = {
  readonly output: Output
  readonly readInput: boolean
  /** Lines are not edited, nothing is asked: for programs. */
  readonly plain: boolean
  readonly onInterrupt: () => void
}

export const createTerminal = (options: TerminalOptions): Terminal => {
  const { output, readInput, plain } = options
  const isInteractive = readInput && !plain && process.stdin.isTTY && process.stdout.isTTY
  return isInteractive ? interactive(options) : piped(output, plain)
}

const complain = (text: string): void => void process.stderr.write(`${colors.dim(text)}\n`)

const piped = (output: Output, plain: boolean): Terminal => ({
  isInteractive: false,
  line: output.line,
  note: complain,
  prompt: text => (plain || text === '' ? undefined : output.line(text)),
  lines: () => createInterface({ input: process.stdin, terminal: false, crlfDelay: Infinity }),
  close: () => {},
})

const interactive = ({ output, onInterrupt }: TerminalOptions): Terminal => {
  const screen = screenOf(output)
  const reader = createInterface({ input: process.stdin, output: screen, terminal: true, prompt: '' })
  let isOpen = true
  reader.on('close', () => (isOpen = false))
  reader.on('SIGINT', onInterrupt)

  const line = (text: string): void => {
    if (!isOpen) return output.line(text)
    const { rows } = reader.getCursorPos()
    output.write(`${rows > 0 ? `\x1b[${rows}A` : ''}\r\x1b[J${text}\n`)
    forgetRows(reader)
    reader.prompt(true)
  }
  const note = process.stderr.isTTY ? (text: string): void => line(colors.dim(text)) : complain
  // DEBUG writes to stderr by itself, into whatever is being typed.
  debug.log = (...parts: unknown[]) => note(formatWithOptions({ colors: colors.isColorSupported }, ...parts))

  return {
    isInteractive: true,
    line,
    note,
    prompt(text) {
      if (!isOpen) return
      reader.setPrompt(text)
      reader.prompt(true)
    },
    lines: () => reader,
    close() {
      if (isOpen && (reader.line !== '' || reader.getPrompt() !== '')) output.write('\n')
      reader.close()
    },
  }
}

/** Whatever readline draws goes the way of all output, or the two would overtake each other. */
const screenOf = (output: Output): Writable => {
  const screen = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      output.write(String(chunk))
      done()
    },
  })
  Object.defineProperty(screen, 'columns', { get: () => process.stdout.columns })
  process.stdout.on('resize', () => screen.emit('resize'))
  return screen
}

/** readline goes up by as many rows as it drew last before it draws anew; these are cleared already. */
const forgetRows = (reader: Interface & { prevRows?: number }): void => {
  reader.prevRows = 0
}
