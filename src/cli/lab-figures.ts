// nat-lab figures: what others have published and what is measured here, side by side.
import colors from 'picocolors'
import type { Figure } from '../lab/figure.ts'
import { figureNamed, figureNames } from '../lab/figures.ts'
import { jsonText } from '../report/json.ts'
import { figureSection } from '../report/matrix-html.ts'
import { tableText } from '../report/table.ts'
import { labCommand } from './lab-command.ts'
import { makePage, outputs, writeOutputs } from './lab-outputs.ts'
import type { Options } from './options.ts'
import { createProgress } from './progress.ts'

const help = `Usage: nat-lab figures [NAME] [--trials N] [--seed S] [options]

Prints published figures beside our own: ${figureNames.join(', ')}.
Without a name, all of them. What a lab can't measure is there for reference and says so.

Options:
  --trials N     runs of what is random (2000)
  --seed S       the same seed gives the same figures (1)
  --html FILE    one page with all of it, for any browser
  --json         print a list of {name, about, source, head, rows, broken} as JSON, and nothing else
  -h, --help     print this help

Exit codes: 0 ours are as theirs, 1 they are not, 2 usage
`

const table = { trials: { kind: 'trials' }, seed: { kind: 'count' }, html: outputs.html } as const

const run = async (options: Options): Promise<number> => {
  const names = options['_'] as string[]
  const trials = (options['trials'] as number | undefined) ?? 2000
  const seed = (options['seed'] as number | undefined) ?? 1
  const wanted = names.length > 0 ? names : figureNames
  const progress = createProgress('figures', wanted.length)
  const figures = wanted.map((name, done) => {
    progress.update(done)
    const figure = figureNamed(name, { trials, seed })
    progress.end()
    if (!options['json']) process.stdout.write(`${figureText(figure)}\n\n`)
    return figure
  })
  const about = `What others have published beside what is measured here, with seed ${seed}.`
  writeOutputs(options, {
    html: () => makePage({ title: 'Figures', about, sections: figures.map(figureSection) }),
  })
  if (options['json']) process.stdout.write(`${jsonText(figures)}\n`)
  return figures.some(({ broken }) => broken.length > 0) ? 1 : 0
}

export const command = labCommand({ name: 'figures', help, table, mostOperands: 1, run })

const figureText = ({ name, about, source, head, rows, broken }: Figure): string =>
  [
    `${colors.bold(name)}: ${about}`,
    tableText([head.map(colors.dim), ...rows.map(row => row.map(shown))]),
    colors.dim(`Source: ${source}.`),
    ...broken.map(line => colors.red(`not as published: ${line}`)),
  ].join('\n')

const shown = (cell: Figure['rows'][number][number]): string => {
  if (cell === 'pass') return colors.green(cell)
  if (cell === 'FAIL') return colors.red(cell)
  return typeof cell === 'number' && !Number.isInteger(cell) ? cell.toFixed(4) : String(cell ?? '')
}
