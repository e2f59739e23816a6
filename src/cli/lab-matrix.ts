// nat-lab matrix: every pair, both start orders, several offsets; a line for each cell as it is done, then the grid.
import colors from 'picocolors'
import type { IpVersions } from '../nat-profile.ts'
import { broken, goalOfPair } from '../lab/expectation.ts'
import { type Cell, pairsOf, planTrials } from '../lab/matrix.ts'
import { usualNames } from '../lab/sites.ts'
import { fnv1a64 } from '../sim/hash.ts'
import { type GoalOf, createCellLines, goalsText, gridText } from '../report/matrix.ts'
import { jsonText } from '../report/json.ts'
import { matrixData } from '../report/matrix-data.ts'
import { matrixSections } from '../report/matrix-html.ts'
import { openJournal } from './journal.ts'
import { labCommand } from './lab-command.ts'
import {
  commandLine,
  conditionsOf,
  ipHelp,
  ipWords,
  punching,
  punchingHelp,
  readIp,
  readNames,
  readPunching,
  readWorld,
  sized,
  usage,
} from './lab-options.ts'
import { htmlHelp, makePage, outputs, writeOutputs } from './lab-outputs.ts'
import type { Options } from './options.ts'
import { type Ran, runTrials } from './trials.ts'
import { type Programs, type WorldName, kernelWorld, simWorld } from './worlds.ts'

const help = `Usage: nat-lab matrix [--profiles A,B,...] [--trials N] [--seed S] [options]

Lets Alice and Bob meet behind every pair of NATs. Half of the meetings are begun by Alice, the
other one comes at once or up to half a minute later, and in the simulation no two have the same
latencies, jitter and loss. Beside each cell stands its goal in percent, by the two behaviors: all
connect where both have one endpoint each, one side is open or a NAT counts its ports up; 97 % where
chance decides; next to none where both NATs have another port for each peer and let in nobody else.
A cell is as expected if its 95 % interval reaches into its goal.

Options:
  --world WORLD    sim: the simulation (default). kernel: network namespaces and real processes
  --profiles LIST  these only: ${usualNames.slice(0, 7).join(', ')},
                   ${usualNames.slice(7, 14).join(', ')},
                   ${usualNames.slice(14).join(', ')}; cgn-hairpin too. cgn: portrest behind a provider's
                   eim-random; same-nat: in the other one's LAN; same-cgn: of the same provider
${ipHelp}  --trials N       meetings of each pair (20; in the kernel 4)
  --seed S         the same seed makes the same run, in the simulation (1)
  --resume FILE    keep each result there; what it has already is not done again
${punchingHelp}${htmlHelp}  --json           print {world, ip, seed, trials, cells, trace, broken} as JSON, nothing else
  -h, --help       print this help

Other people's programs, in the kernel world; of their words {server}, {port}, {me} and {peer}
are replaced:
  --client CMD     in place of test-client
  --match REGEX    a line of its output that says that the peer was heard
  --server CMD     in place of test-server
  --ready REGEX    a line of its output that says that it listens (any line)

Examples:
  nat-lab matrix --profiles portrest,symrand
  nat-lab matrix --profiles portrest,symrand --ip both
  nat-lab matrix --world kernel --client './punch {server} {port} {me} {peer}' --match '^hello'

Exit codes: 0 as expected, 1 not as expected, 2 usage, 130 interrupted
`

const table = {
  world: { kind: 'text' },
  ...sized,
  ...punching,
  resume: { kind: 'text' },
  html: outputs.html,
  client: { kind: 'text' },
  match: { kind: 'text' },
  server: { kind: 'text' },
  ready: { kind: 'text' },
} as const

const run = async (options: Options): Promise<number> => {
  const worldName = readWorld(options)
  const programs = readPrograms(options, worldName)
  const trials = (options['trials'] as number | undefined) ?? (worldName === 'sim' ? 20 : 4)
  const seed = (options['seed'] as number | undefined) ?? 1
  const given = readNames(options)
  const ip = readIp(options)
  const pairs = pairsOf(given ?? usualNames)
  const world = worldName === 'sim' ? simWorld : await kernelWorld(programs)
  const clients = readPunching(options)
  if (worldName === 'kernel' && clients.words.length > 0)
    throw usage(`${clients.words[0]} is of the simulation: leave it out, or --world kernel`)
  const { parameters } = clients.of
  const goalOf: GoalOf | undefined =
    programs.client || programs.server || clients.strategy !== undefined
      ? undefined
      : pair => goalOfPair(pair, parameters, undefined, ip)
  const plan = planTrials({ pairs, trials, seed, ip, ...conditionsOf(worldName), ...clients.of })
  const again = againLine(options, { worldName, trials, seed, ip, given, clients: clients.words })
  const file = options['resume'] as string | undefined
  const journal = file === undefined ? undefined : openJournal(file, again)
  const lines = createCellLines(pairs, colors, goalOf)
  const print = (text: string): void => void (options['json'] || process.stdout.write(`${text}\n`))

  const startedMs = performance.now()
  const ran: Ran[] = []
  print(lines.head)
  const cells = await runTrials({
    world,
    trials: plan,
    journal,
    onCell(cell, runs) {
      ran.push(runs)
      print(lines.line(cell))
    },
    howToResume: file === undefined ? `with --resume FILE it could go on` : `go on with ${again} --resume ${file}`,
  })
  const traces = cells.map(({ trace }) => trace)
  const trace = worldName === 'sim' ? fnv1a64(traces.join('\n')) : undefined
  const failed = goalOf ? broken(cells, parameters, undefined, ip) : []
  const seconds = (performance.now() - startedMs) / 1000
  const sum = `${sumText(cells)} in ${seconds.toFixed(1)} s.${trace ? ` Trace ${trace}.` : ''} To repeat: ${again}`
  writeOutputs(options, {
    html: () =>
      makePage({
        title: `Who meets whom, in the ${worldName === 'sim' ? 'simulation' : 'kernel'}`,
        about: sum,
        sections: matrixSections(cells, ran, failed),
        data: matrixData(ran, worldName === 'sim'),
      }),
  })
  if (options['json']) {
    const withGoals = cells.map(cell => ({ ...cell, goal: goalOf?.(cell) }))
    process.stdout.write(
      `${jsonText({ world: worldName, ip, seed, trials, cells: withGoals, trace, broken: failed })}\n`,
    )
  } else {
    print(`\n${gridText(cells, colors)}\n`)
    if (goalOf) print(`${goalsText(pairs, goalOf)}\n`)
    print(sum)
    for (const line of failed) print(colors.red(`not as expected: ${line}`))
  }
  return failed.length > 0 ? 1 : 0
}

export const command = labCommand({ name: 'matrix', help, table, run })

const sumText = (cells: readonly Cell[]): string => {
  const sum = (of: (cell: Cell) => number): number => cells.reduce((total, cell) => total + of(cell), 0)
  const always = cells.filter(({ connected, trials }) => connected === trials).length
  const meetings = sum(({ trials }) => trials)
  return `${always} of ${cells.length} pairs always connect, ${sum(({ connected }) => connected)} of ${meetings} meetings,`
}

const readPrograms = (options: Options, world: WorldName): Programs => {
  const text = (name: keyof typeof table): string | undefined => options[name] as string | undefined
  const [client, match, server, ready] = [text('client'), text('match'), text('server'), text('ready')]
  if (world === 'sim' && [client, match, server, ready].some(value => value !== undefined))
    throw usage('--client, --match, --server and --ready need real processes: add --world kernel')
  if ((client === undefined) !== (match === undefined))
    throw usage('--client and --match belong together: give the command, and a pattern for its line of success')
  if (ready !== undefined && server === undefined) throw usage('--ready is of --server: give that too')
  return {
    ...(client !== undefined && { client: { command: words(client), connected: pattern('match', match ?? '') } }),
    ...(server !== undefined && { server: { command: words(server), ready: pattern('ready', ready ?? '') } }),
  }
}

const words = (command: string): string[] => command.split(/\s+/).filter(Boolean)

const pattern = (option: string, text: string): RegExp => {
  try {
    return new RegExp(text)
  } catch (error) {
    throw usage(`--${option}: ${(error as Error).message}: give a JavaScript pattern, like '^hello'`)
  }
}

type Run = {
  worldName: WorldName
  trials: number
  seed: number
  ip: IpVersions
  given: readonly string[] | undefined
  clients: readonly string[]
}

const againLine = (options: Options, { worldName, trials, seed, ip, given, clients }: Run): string => {
  const own = (['client', 'match', 'server', 'ready'] as const).flatMap(name =>
    options[name] === undefined ? [] : [`--${name}`, options[name] as string],
  )
  const profiles = given ? ['--profiles', given.join(',')] : []
  return commandLine([
    'matrix',
    '--world',
    worldName,
    ...profiles,
    ...ipWords(ip),
    '--trials',
    trials,
    '--seed',
    seed,
    ...clients,
    ...own,
  ])
}
