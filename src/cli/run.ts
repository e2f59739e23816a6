// What all programs begin and end with. Imports little: `--help` has to be quick.
import { readFileSync } from 'node:fs'
import { setImmediate as breathe } from 'node:timers/promises'
import { StageError, codeOf } from '../errors.ts'

/** Runs a program; whatever it throws becomes one line on stderr and an exit code. */
export const run = async (program: string, main: () => Promise<number>): Promise<never> => {
  // Whoever read our warnings may be gone (EPIPE): a stranger who causes one is not to end us by that.
  process.stderr.on('error', () => {})
  try {
    process.exit(await main())
  } catch (error) {
    process.exit(report(program, error))
  }
}

/** The same for programs that print with process.stdout. Whoever read the pipe and has gone has what he wanted. */
export const runPrinting = (program: string, main: () => Promise<number>): Promise<never> => {
  process.stdout.on('error', error => {
    if (codeOf(error) === 'EPIPE') process.exit(0)
    process.exit(report(program, new StageError('internal', `standard output cannot be written: ${error.message}`)))
  })
  return run(program, async () => {
    const code = await main()
    await breathe() // what became of the last line is only told now
    return code
  })
}

/** One line for people; a stack trace only for what is our own mistake, and only on request. */
export const report = (program: string, error: unknown): number => {
  if (error instanceof StageError) {
    process.stderr.write(`${program}: ${error.message}\n`)
    return error.exitCode
  }
  const wantsStack = /(^|,)stage:/.test(process.env['DEBUG'] ?? '')
  const text = error instanceof Error ? error.message : String(error)
  const stack = error instanceof Error && wantsStack ? `\n${error.stack}` : ''
  process.stderr.write(`${program}: internal error: ${text} (DEBUG=stage:* shows more)${stack}\n`)
  return 1
}

export const version = (): string => {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
