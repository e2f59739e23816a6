// nat-lab accuracy: how often `nat-lab check` is right, behind every NAT behavior of the lab, beside other testers.
import { setImmediate as breathe } from 'node:timers/promises'
import colors from 'picocolors'
import type { Family } from '../endpoint.ts'
import { StageError } from '../errors.ts'
import { type SimRunOptions, runInSim } from '../lab/accuracy-sim.ts'
import {
  type Property,
  type Row,
  confusionOf,
  drawProfile,
  everyProfile,
  properties,
  rowOf,
  shuffledNames,
} from '../lab/accuracy.ts'
import { tableHtml } from '../report/heatmap.ts'
import { jsonText } from '../report/json.ts'
import { type Align, tableText } from '../report/table.ts'
import { seededRandom } from '../sim/random.ts'
import type { KernelRun } from './accuracy-kernel.ts'
import { labCommand } from './lab-command.ts'
import { readFamily, readLoss } from './lab-options.ts'
import { htmlHelp, makePage, outputs, writeOutputs } from './lab-outputs.ts'
import type { Options } from './options.ts'
import { type Tester, isRight, testers } from './other-testers.ts'
import { createProgress } from './progress.ts'

const help = `Usage: nat-lab accuracy [--world sim|kernel] [--trials N] [--loss PERCENT] [options]

Runs the tests of nat-lab check behind every NAT profile, in an order and with parameters drawn at
random, and compares what they say with what the profile is. Cells are right/wrong/unknown. What no
socket behind such a NAT can see is rightly unknown.

Options:
  --world WORLD    sim: the simulation (default). kernel: network namespaces and real processes
  --ip VERSION     4 (default), or 6: the same boxes as firewalls that translate nothing
  --trials N       runs of each profile (20)
  --loss PERCENT   of all datagrams on the internet (none)
  --one-address    the server has one address only (sim)
  --others         run ${testers.join(' and ')} behind the same NATs (kernel)
  --seed S         of the order and the parameters (1)
${htmlHelp}  --json           print {world, ip, trials, lossPercent, rows, confusion, others} as JSON
  -h, --help       print this help

Exit codes: 0 nothing wrong was said, 1 something was, 2 usage, or no kernel lab on this machine
`

const table = {
  world: { kind: 'text' },
  ip: { kind: 'text' },
  trials: { kind: 'trials' },
  loss: { kind: 'amount' },
  'one-address': { kind: 'switch' },
  others: { kind: 'switch' },
  seed: { kind: 'count' },
  html: outputs.html,
} as const

/** Most of a run is waiting. */
const atOnce = 6

type NamedRun = KernelRun & { readonly name: string }

const run = async (options: Options): Promise<number> => {
  const world = (options['world'] as string | undefined) ?? 'sim'
  if (world !== 'sim' && world !== 'kernel')
    throw new StageError('usage', `--world ${JSON.stringify(world)}: choose sim or kernel`)
  if (options['others'] && world === 'sim') throw new StageError('usage', '--others are programs: add --world kernel')
  if (options['one-address'] && world === 'kernel')
    throw new StageError('usage', '--one-address is of the simulation: leave it out')
  const family = readFamily(options) ?? 4
  if (options['others'] && family === 6) throw new StageError('usage', '--others ask over IPv4 only: leave out --ip 6')
  const trials = (options['trials'] as number | undefined) ?? 20
  const seed = (options['seed'] as number | undefined) ?? 1
  const lossPercent = readLoss(options) ?? 0
  const withOthers = options['others'] as boolean
  const names = shuffledNames(everyProfile, trials, seededRandom(seed, 'order'))
  const runs =
    world === 'sim'
      ? await simRuns(names, seed, { lossPercent, addresses: options['one-address'] ? 1 : 2, family })
      : await kernelRuns(names, seed, { lossPercent, withOthers, family })

  const rows = everyProfile.map(name =>
    rowOf(
      name,
      runs.filter(run => run.name === name),
    ),
  )
  const confusion = Object.fromEntries(properties.map(property => [property, confusionOf(property, runs)]))
  const others = withOthers ? everyProfile.map(name => othersOf(name, runs)) : undefined
  const mistakes = rows.flatMap(row => row.mistakes)
  writeOutputs(options, {
    html: () =>
      makePage({
        title: 'How often are the verdicts right?',
        about: `Right/wrong/unknown of ${trials} runs behind each NAT, over IPv${family} in the ${world} world, ${lossPercent} % loss.`,
        sections: [
          tableHtml(tableOf(rows, runs, withOthers)),
          ...properties.map(property => tableHtml(confusionTable(property, runs))),
        ],
      }),
  })
  if (options['json'])
    process.stdout.write(`${jsonText({ world, ip: String(family), trials, lossPercent, rows, confusion, others })}\n`)
  else {
    process.stdout.write(`${text(tableOf(rows, runs, withOthers))}\n\n`)
    for (const property of properties) process.stdout.write(`${text(confusionTable(property, runs))}\n\n`)
    for (const mistake of mistakes) process.stdout.write(`${colors.red(mistake)}\n`)
    process.stdout.write(`${runs.length} runs, ${mistakes.length} kinds of mistakes.\n`)
  }
  return mistakes.length > 0 ? 1 : 0
}

export const command = labCommand({ name: 'accuracy', help, table, run })

const simRuns = async (
  names: readonly string[],
  seed: number,
  options: Omit<SimRunOptions, 'seed'>,
): Promise<NamedRun[]> => {
  const progress = createProgress('runs', names.length)
  const runs: NamedRun[] = []
  for (const [i, name] of names.entries()) {
    const profile = drawProfile(name, seededRandom(seed, `profile ${i}`), 'sim')
    const { truth, said, ms } = runInSim(profile, { ...options, seed: `${seed} ${i}` })
    runs.push({ name, truth, said, ms, others: {} })
    progress.update(i + 1)
    await breathe()
  }
  progress.end()
  return runs
}

const kernelRuns = async (
  names: readonly string[],
  seed: number,
  options: { lossPercent: number; withOthers: boolean; family: Family },
): Promise<NamedRun[]> => {
  const { kernelAvailability } = await import('../kernel/available.ts')
  const { inParallel } = await import('../kernel/parallel.ts')
  const { runInKernel } = await import('./accuracy-kernel.ts')
  const available = await kernelAvailability()
  if ('why' in available) throw new StageError('usage', `no kernel lab here: ${available.why}; try --world sim`)
  const progress = createProgress('runs', names.length)
  let done = 0
  const tasks = names.map((name, i) => async (): Promise<NamedRun> => {
    const profile = drawProfile(name, seededRandom(seed, `profile ${i}`), 'kernel')
    const run = await runInKernel(profile, options)
    progress.update(++done)
    return { name, ...run }
  })
  const runs = await inParallel(tasks, atOnce)
  progress.end()
  return runs
}

type OthersRow = { readonly name: string } & Readonly<Record<string, unknown>>

/** Right, wrong and unknown of each other tester. */
const othersOf = (name: string, runs: readonly NamedRun[]): OthersRow => ({
  name,
  ...Object.fromEntries(
    testers.map(tester => [
      tester,
      {
        mapping: cellOf(name, runs, tester, 'mapping'),
        filtering: cellOf(name, runs, tester, 'filtering'),
      },
    ]),
  ),
})

const cellOf = (name: string, runs: readonly NamedRun[], tester: Tester, property: 'mapping' | 'filtering'): string => {
  const score = { right: 0, wrong: 0, unknown: 0 }
  for (const { truth, others } of runs.filter(run => run.name === name)) {
    const said = others[tester]?.[property] ?? 'unknown'
    if (said === 'unknown') score[truth ? 'unknown' : 'right']++
    else score[truth && isRight(said, truth[property]) ? 'right' : 'wrong']++
  }
  return scoreText(score)
}

const scoreText = ({ right, wrong, unknown }: Readonly<Record<'right' | 'wrong' | 'unknown', number>>): string =>
  `${right}/${wrong}/${unknown}`

const tableOf = (rows: readonly Row[], runs: readonly NamedRun[], withOthers: boolean): string[][] => {
  const shown: readonly Tester[] = withOthers ? testers : []
  const head = ['profile', ...properties, 'slowest', ...shown.flatMap(tester => [`${tester}: mapping`, 'filtering'])]
  const body = rows.map(({ name, by, slowestMs }) => [
    name,
    ...properties.map(property => scoreText(by[property])),
    `${(slowestMs / 1000).toFixed(1)} s`,
    ...shown.flatMap(tester => [cellOf(name, runs, tester, 'mapping'), cellOf(name, runs, tester, 'filtering')]),
  ])
  return [head, ...body]
}

const confusionTable = (property: Property, runs: readonly NamedRun[]): string[][] => {
  const confusion = confusionOf(property, runs)
  const words = [...new Set(confusion.flatMap(({ said }) => Object.keys(said)))].sort()
  const head = [`${property}: is, said`, ...words]
  const body = confusion.map(({ truth, said }) => [truth, ...words.map(word => String(said[word] ?? ''))])
  return [head, ...body]
}

const text = ([head = [], ...body]: string[][]): string =>
  tableText([head.map(colors.dim), ...body], ['left', ...head.map((): Align => 'right')])
