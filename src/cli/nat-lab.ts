// nat-lab: the name of a command in, its own file runs it. Each is loaded only when it is asked for.
import { StageError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import type { Command } from './lab-command.ts'
import { runPrinting, version } from './run.ts'

const help = `Usage: nat-lab COMMAND [options]

Experiments with NATs: the production client and server behind every NAT behavior, in a
simulation, or in network namespaces of this machine's kernel.

Commands:
  matrix           everybody with everybody: who connects, how fast, and what stops the others
  agree            the same matrix in both worlds: are they one?
  why A B          one meeting told as a story: what stopped it, and what would have worked
  ladder FILE      the packets of a real run, recorded with test-client --trace
  run FILE         an experiment out of a file, swept over any of its fields
  figures [NAME]   published figures measured here: ours, theirs and the interval side by side
  check            what kind of NAT this machine is behind
  accuracy         how often check is right, behind every NAT behavior of the lab

nat-lab COMMAND --help says more about each.

Options:
  -h, --help       print this help
      --version    print the version

Exit codes: 0 as expected, 1 not as expected, 2 wrong option or value, 3 check got no answer,
130 interrupted (Ctrl-C)
`

const commands: Readonly<Record<string, () => Promise<{ command: Command }>>> = {
  matrix: () => import('./lab-matrix.ts'),
  agree: () => import('./lab-agree.ts'),
  why: () => import('./lab-why.ts'),
  ladder: () => import('./lab-ladder.ts'),
  run: () => import('./lab-run.ts'),
  figures: () => import('./lab-figures.ts'),
  check: () => import('./lab-check.ts'),
  accuracy: () => import('./lab-accuracy.ts'),
}

export const main = (args: readonly string[]): Promise<never> =>
  runPrinting('nat-lab', async () => {
    const [name = '--help', ...rest] = args
    if (name === '--help' || name === '-h' || name === '--version') {
      process.stdout.write(name === '--version' ? `${version()}\n` : help)
      return 0
    }
    const load = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (!load) throw new StageError('usage', unknown(name))
    const { command } = await load()
    return command(rest)
  })

const unknown = (name: string): string => {
  const names = Object.keys(commands)
  const meant = nearest(name, names)
  const hint = meant === undefined ? '' : `did you mean ${meant}? `
  return `no command ${JSON.stringify(name)}: ${hint}There are ${names.join(', ')}; try nat-lab --help`
}
