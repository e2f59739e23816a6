// nat-lab run: an experiment out of a file, or one of the ready ones by its name.
import colors from 'picocolors'
import { type Experiment, readExperiment, unmet } from '../lab/experiment.ts'
import type { Cell } from '../lab/matrix.ts'
import { csvText } from '../report/csv.ts'
import { jsonText } from '../report/json.ts'
import { type Ran, matrixData } from '../report/matrix-data.ts'
import { experimentSections } from '../report/matrix-html.ts'
import { createCellLines, nameOf, whyText } from '../report/matrix.ts'
import { tableText } from '../report/table.ts'
import { fnv1a64 } from '../sim/hash.ts'
import { readJson, readyOnes } from './experiment-files.ts'
import { labCommand } from './lab-command.ts'
import { commandLine, punching, punchingHelp, readPunching, usage } from './lab-options.ts'
import { htmlHelp, makePage, outputs, writeOutputs } from './lab-outputs.ts'
import type { Options } from './options.ts'
import { runTrials } from './trials.ts'
import { simWorld } from './worlds.ts'

const help = `Usage: nat-lab run FILE [--trials N] [--seed S] [--csv | --json] [options]

Runs an experiment in the simulation: a JSON file that says who meets whom behind which NATs, in
what network, how often, and what is expected. Any of its fields may be swept over. docs/lab.md
describes the fields. Without FILE, lists the ready ones; their names do without folder and .json.

Options:
  --trials N       meetings of each pair (as in the file, or 20)
  --seed S         the same seed makes the same run (as in the file, or 1)
${punchingHelp}${htmlHelp}  --csv            print CSV, a line for each pair and setting, and nothing else
  --json           print {about, cells, trace, unmet} as JSON, and nothing else; without FILE
                   a list of {name, about}
  -h, --help       print this help

Examples:
  nat-lab run loss
  nat-lab run ./my-experiment.json --csv > results.csv

Exit codes: 0 as the file expects, 1 not, 2 usage, 130 interrupted
`

const table = {
  trials: { kind: 'trials' },
  seed: { kind: 'count' },
  ...punching,
  csv: { kind: 'switch' },
  html: outputs.html,
} as const

/** `settings` are those of the sweep. */
type Row = { readonly settings: Readonly<Record<string, unknown>>; readonly cell: Cell; readonly ran: Ran }

const run = async (options: Options): Promise<number> => {
  if (options['json'] && options['csv']) throw usage('--json and --csv exclude each other: choose one')
  const [name] = options['_'] as string[]
  if (name === undefined) {
    const ready = readyOnes()
    const list = options['json'] ? jsonText(ready) : tableText(ready.map(({ name, about }) => [name, about]))
    process.stdout.write(`${list}\n`)
    return 0
  }
  const [trials, seed] = [options['trials'], options['seed']] as (number | undefined)[]
  const clients = readPunching(options)
  const experiment = readExperiment(readJson(name), {
    ...clients.of,
    ...(trials !== undefined && { trials }),
    ...(seed !== undefined && { seed }),
  })
  const isText = !options['json'] && !options['csv']
  const print = (text: string): void => void (isText && process.stdout.write(`${text}\n`))
  const again = commandLine([
    'run',
    name,
    ...(trials === undefined ? [] : ['--trials', trials]),
    ...(seed === undefined ? [] : ['--seed', seed]),
    ...clients.words,
  ])

  print(`${experiment.about}\n`)
  const rows = await rowsOf(experiment, print, `begin again with ${again}`)
  const trace = fnv1a64(rows.map(({ cell }) => cell.trace).join('\n'))
  const failed = rows.flatMap(({ cell, ran }) =>
    unmet(experiment.expect, cell).map(problem => `${ran.name}: ${problem}`),
  )
  writeOutputs(options, {
    html() {
      const ran = rows.map(row => row.ran)
      const cells = rows.map(row => row.cell)
      const names = ran.map(({ name = '' }) => name)
      const about = `${experiment.about} Trace ${trace}. To repeat: ${again}`
      const sections = experimentSections(cells, names, ran, failed)
      return makePage({ title: name, about, sections, data: matrixData(ran, true) })
    },
  })
  if (options['csv']) process.stdout.write(csvText(table2d(rows)))
  if (options['json']) {
    const cells = rows.map(({ settings, cell }) => ({ settings, ...cell }))
    process.stdout.write(`${jsonText({ about: experiment.about, cells, trace, unmet: failed })}\n`)
  }
  print(`\nTrace ${trace}. To repeat: ${again}`)
  for (const line of failed) process.stderr.write(`nat-lab: not as expected: ${line}\n`)
  return failed.length > 0 ? 1 : 0
}

export const command = labCommand({ name: 'run', help, table, mostOperands: 1, run })

/** A line for each as it is done, under a heading for each setting. */
const rowsOf = async (
  { instances }: Experiment,
  print: (text: string) => void,
  howToResume: string,
): Promise<Row[]> => {
  const all = instances.flatMap(({ settings, trials }) => {
    const pairs = [...new Set(trials.map(({ pair }) => pair))]
    return pairs.map((pair, i) => ({ settings, pair, isFirst: i === 0 }))
  })
  const lines = createCellLines(
    all.map(({ pair }) => pair),
    colors,
  )
  print(lines.head)
  const ran: Ran[] = []
  const cells = await runTrials({
    world: simWorld,
    trials: instances.flatMap(({ trials }) => trials),
    howToResume,
    onCell(cell, runs) {
      const { settings = {}, isFirst = false } = all[ran.length] ?? {}
      ran.push({ ...runs, name: [nameOf(cell), settingsText(settings)].join(' ').trim() })
      if (isFirst && Object.keys(settings).length > 0) print(colors.bold(settingsText(settings)))
      print(lines.line(cell))
    },
  })
  return cells.flatMap((cell, i) => (ran[i] ? [{ settings: all[i]?.settings ?? {}, cell, ran: ran[i] }] : []))
}

const settingsText = (settings: Row['settings']): string =>
  Object.entries(settings)
    .map(([field, value]) => `${field} = ${valueText(value)}`)
    .join(', ')

const valueText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

const columns = ['a', 'b', 'trials', 'connected', 'low', 'high', 'oneWay'] as const
const times = ['heardMedianMs', 'heardP95Ms', 'medianMs', 'p95Ms', 'datagrams'] as const

const table2d = (rows: readonly Row[]): (string | number | undefined)[][] => {
  const fields = Object.keys(rows[0]?.settings ?? {})
  return [
    [...fields, ...columns, ...times, 'why'],
    ...rows.map(({ settings, cell }) => [
      ...fields.map(field => valueText(settings[field])),
      ...[...columns, ...times].map(column => cell[column]),
      whyText(cell),
    ]),
  ]
}
