// What every command of nat-lab begins with: its options read, `--help` answered, and its files found fit to be written
// before the work rather than after it.
import { checkOutputs } from './lab-outputs.ts'
import { type OptionTable, type Options, parseOptions } from './options.ts'

export type LabCommand = {
  readonly name: string
  readonly help: string
  /** Beside `--json` and `--help`, which all have. */
  readonly table: OptionTable
  /** So many words that are no options. */
  readonly mostOperands?: number
  run(options: Options): Promise<number>
}

const everywhere = {
  json: { kind: 'switch' },
  help: { kind: 'switch', short: 'h' },
} as const satisfies OptionTable

/** Resolves with the exit code. */
export type Command = (args: readonly string[]) => Promise<number>

export const labCommand =
  ({ name, help, table, mostOperands, run }: LabCommand): Command =>
  async args => {
    const options = parseOptions(`nat-lab ${name}`, args, { ...table, ...everywhere }, {}, mostOperands)
    if (options['help']) {
      process.stdout.write(help)
      return 0
    }
    checkOutputs(options)
    return run(options)
  }
