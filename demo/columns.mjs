// What the demo prints: a column for each program where the terminal is wide enough, line by line with a name in front
// where it is not or where it is a pipe.
import colors from 'picocolors'

/** Lines that come within so short a time stand in the same row. */
export const rowMs = 25
const narrowestColumn = 34

const paints = { server: colors.cyan, alice: colors.magenta, bob: colors.yellow }
export const names = Object.keys(paints)
const nameWidth = Math.max(...names.map(name => name.length))
const isTerminal = process.stdout.isTTY === true

export const print = text => void process.stdout.write(`${text}\n`)
const paint = (name, text) => {
  if (/^(Connected to|Located) /.test(text)) return colors.bold(colors.green(text))
  return text.startsWith('This is a direct P2P message') ? colors.bold(text) : paints[name](text)
}

/** Pieces of at most `width` characters, cut at a blank where there is one; the transcripts here are plain ASCII. */
const wrap = (text, width, indent = '  ') => {
  const pieces = []
  for (let rest = text; ;) {
    if (rest.length <= width) return [...pieces, rest]
    const blank = rest.lastIndexOf(' ', width)
    const at = blank > indent.length ? blank : width
    pieces.push(rest.slice(0, at))
    rest = indent + rest.slice(at).trimStart()
  }
}

const terminalWidth = () => process.stdout.columns || 80
const columnWidth = () => Math.floor((terminalWidth() - 1 - 3 * (names.length - 1)) / names.length)
const inColumns = () => isTerminal && columnWidth() >= narrowestColumn
const row = (cells, width) =>
  print(
    cells.map((cell, i) => paint(names[i], i < names.length - 1 ? cell.padEnd(width) : cell)).join(colors.dim(' | ')),
  )

let waiting = []
const flush = () => {
  const width = columnWidth()
  const columns = names.map(name => waiting.filter(line => line.name === name).flatMap(({ text }) => wrap(text, width)))
  const height = Math.max(...columns.map(lines => lines.length))
  const lineOf = i => columns.map(lines => lines[i] ?? '')
  for (let i = 0; i < height; i++) row(lineOf(i), width)
  waiting = []
}

export const show = (name, text) => {
  if (inColumns()) {
    if (waiting.length === 0) setTimeout(flush, rowMs)
    return waiting.push({ name, text })
  }
  const prefix = `${name.padEnd(nameWidth)} | `
  const width = isTerminal ? Math.max(10, terminalWidth() - 1 - prefix.length) : Infinity
  for (const piece of wrap(text, width)) print(`${paints[name](prefix)}${paint(name, piece)}`)
}

export const showHead = () => {
  if (!inColumns()) return
  row(names, columnWidth())
  print(colors.dim(names.map(() => '-'.repeat(columnWidth())).join('-+-')))
}

/** The last word, in paragraphs as wide as the terminal. */
export const showEnd = text => {
  for (const line of ['', ...wrap(text, isTerminal ? terminalWidth() - 1 : Infinity, '')]) print(colors.bold(line))
}
