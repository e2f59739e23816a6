// npm run safety: the figures that SECURITY.md promises, measured: one table.
import { worldFigures } from '../lab/safety/index.ts'
import type { Figure, Measured } from '../lab/safety/figure.ts'
import { parseOptions } from './options.ts'
import { runPrinting } from './run.ts'
import { processFigures } from './safety/index.ts'

const help = `Usage: npm run safety -- [--short] [--json]

Measures what must hold against hostile input (S) and faults (R) and of the private line (L), in virtual worlds and with
processes on loopback, and prints a table.

Options:
  --short        smaller numbers, and three times the time where a wall clock is read: what CI runs,
                 in a minute and a half (the whole takes some ten minutes)
  --json         one JSON object a figure, and nothing else

Exit codes: 0 all hold, 1 one does not, 2 usage
`

const table = {
  short: { kind: 'switch' },
  json: { kind: 'switch' },
  help: { kind: 'switch', short: 'h' },
} as const

/** Where a machine is shared, its clock on the wall says little. */
const slackInShort = 3

type Row = Figure & Measured

/** S2 before S10, all S before R, and these before L. */
const order = ({ id }: Figure): number => Number(id.slice(1)) + 100 * 'SRL'.indexOf(id.slice(0, 1))

const tableText = (rows: readonly Row[]): string => {
  const cells = rows.map(({ id, promised, measured, pass }) => [id, promised, measured, pass ? 'yes' : 'NO'])
  return [['id', 'promised', 'measured', 'pass'], ['-', '-', '-', '-'], ...cells]
    .map(row => `| ${row.join(' | ')} |\n`)
    .join('')
}

await runPrinting('safety', async () => {
  const options = parseOptions('npm run safety --', process.argv.slice(2), table, {})
  if (options['help']) {
    process.stdout.write(help)
    return 0
  }
  const [size, slack] = options['short'] ? (['short', slackInShort] as const) : (['whole', 1] as const)
  const rows: Row[] = []
  const figures = [...worldFigures, ...processFigures].toSorted((a, b) => order(a) - order(b))
  for (const { id, promised, measure } of figures) {
    if (process.stderr.isTTY) process.stderr.write(`\r${id}: ${promised}\u001b[K`)
    const row = { id, promised, ...(await measure(size, slack)) }
    rows.push(row)
    if (options['json']) process.stdout.write(`${JSON.stringify(row)}\n`)
  }
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  if (!options['json']) process.stdout.write(tableText(rows))
  return rows.every(({ pass }) => pass) ? 0 : 1
})
