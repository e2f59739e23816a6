// nat-lab agree: the same matrix in the simulation and in the kernel; where they differ, once more with four times the
// trials, and only who differs again differs.
import colors from 'picocolors'
import { type Comparison, again, compare, differ, fewestTrials, level } from '../lab/agreement.ts'
import { type Cell, type Pair, pairsOf, planTrials } from '../lab/matrix.ts'
import { usualNames } from '../lab/sites.ts'
import { jsonText } from '../report/json.ts'
import { nameOf } from '../report/matrix.ts'
import { tableHtml } from '../report/heatmap.ts'
import { tableText } from '../report/table.ts'
import { labCommand } from './lab-command.ts'
import { commandLine, conditionsOf, ipHelp, ipWords, readIp, readNames, sized, usage } from './lab-options.ts'
import { htmlHelp, makePage, outputs, writeOutputs } from './lab-outputs.ts'
import type { Options } from './options.ts'
import { runTrials } from './trials.ts'
import { type World, kernelWorld, simWorld } from './worlds.ts'

const help = `Usage: nat-lab agree [--profiles A,B,...] [--trials N] [--seed S] [--json]

Runs the same matrix in the simulation and in the kernel, both without latency and loss. A cell
differs where Fisher's exact test gives p < ${level}, and again with ${again} times the trials.

Options:
  --profiles LIST  these only; the names are those of nat-lab matrix
${ipHelp}  --trials N       meetings of each pair in each world (8; not below ${fewestTrials}, which could never differ)
  --seed S         of the simulation (1)
${htmlHelp}  --json           print {ip, seed, trials, cells, different} as JSON, and nothing else
  -h, --help       print this help

Exit codes: 0 they agree, 1 they don't, 2 usage, or no kernel lab on this machine
`

const table = { ...sized, html: outputs.html } as const

const run = async (options: Options): Promise<number> => {
  const trials = (options['trials'] as number | undefined) ?? 8
  if (trials < fewestTrials) throw usage(`--trials ${trials} could never differ: give ${fewestTrials} or more`)
  const seed = (options['seed'] as number | undefined) ?? 1
  const given = readNames(options)
  const ip = readIp(options)
  const profiles = given ? ['--profiles', given.join(',')] : []
  const howToResume = `begin again with ${commandLine(['agree', ...profiles, ...ipWords(ip), '--trials', trials, '--seed', seed])}`
  const pairs = pairsOf(given ?? usualNames)
  const kernel = await kernelWorld()

  const cellsOf = (world: World, pairs: readonly Pair[], trials: number, seed: number): Promise<Cell[]> => {
    const conditions = conditionsOf('kernel')
    return runTrials({ world, trials: planTrials({ pairs, trials, seed, ip, ...conditions }), howToResume })
  }
  const compareAll = async (pairs: readonly Pair[], trials: number, seed: number): Promise<Comparison[]> => {
    const [sims, kernels] = [await cellsOf(simWorld, pairs, trials, seed), await cellsOf(kernel, pairs, trials, seed)]
    return sims.flatMap((cell, i) => (kernels[i] ? compare(cell, kernels[i]) : []))
  }

  const first = await compareAll(pairs, trials, seed)
  const suspects = first.filter(differ)
  const second = await compareAll(suspects, again * trials, seed + 1)
  const different = second.filter(differ)
  const rows = first.map(cell => second.find(({ a, b }) => a === cell.a && b === cell.b) ?? cell)
  writeOutputs(options, {
    html: () =>
      makePage({
        title: 'Are simulation and kernel one?',
        about: `${rows.length - different.length} of ${rows.length} pairs agree.`,
        sections: [tableHtml([head, ...rows.map(row => wordsOf(row, different))])],
      }),
  })
  if (options['json']) {
    const cells = rows.map(row => ({ ...row, differs: different.includes(row) }))
    process.stdout.write(`${jsonText({ ip, seed, trials, cells, different: different.length })}\n`)
  } else {
    process.stdout.write(`${agreementText(rows, different)}\n`)
  }
  return different.length > 0 ? 1 : 0
}

export const command = labCommand({ name: 'agree', help, table, run })

const head = ['', 'pair', 'simulation', 'kernel', 'p']

const wordsOf = (row: Comparison, different: readonly Comparison[]): string[] => {
  const share = ({ connected, trials }: Comparison['sim']): string => `${connected}/${trials}`
  const verdict = different.includes(row) ? 'DIFFERS' : 'agrees'
  return [verdict, nameOf(row), share(row.sim), share(row.kernel), row.p.toPrecision(2)]
}

const agreementText = (rows: readonly Comparison[], different: readonly Comparison[]): string => {
  const body = rows.map(row => {
    const [verdict = '', ...rest] = wordsOf(row, different)
    return [different.includes(row) ? colors.red(verdict) : colors.green(verdict), ...rest]
  })
  const sum = `${rows.length - different.length} of ${rows.length} pairs agree.`
  return `${tableText([head.map(colors.dim), ...body], ['left', 'left', 'right', 'right', 'right'])}\n\n${sum}`
}
