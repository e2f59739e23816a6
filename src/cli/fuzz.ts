// npm run fuzz: mutated datagrams against the production code; a crash is one line that can be run again.
import { type FuzzResult, type FuzzTarget, fuzz, fuzzTargets } from '../lab/fuzz.ts'
import { StageError } from '../errors.ts'
import { parseOptions } from './options.ts'
import { createProgress } from './progress.ts'
import { runPrinting } from './run.ts'

const help = `Usage: npm run fuzz -- [--count N] [--seed S] [--target NAME]... [--json]

Sends mutated datagrams (most of them one to three mutations away from a valid one) to the
production server and client, in a virtual internet, and checks that nothing throws, that every
datagram is counted, and that honest peers still meet.

Options:
  --count N      datagrams for each target (100000; 1000000 takes some 20 s)
  --seed S       the same seed makes the same run (1)
  --target NAME  ${fuzzTargets.join(', ')}; may be repeated (all)
  --json         one JSON object a target, and nothing else

Exit codes: 0 no crash, 1 a crash (the line printed says how to see it again), 2 usage
`

const table = {
  count: { kind: 'count' },
  seed: { kind: 'count' },
  target: { kind: 'text', many: true },
  json: { kind: 'switch' },
  help: { kind: 'switch', short: 'h' },
} as const

const isTarget = (text: string): text is FuzzTarget => (fuzzTargets as readonly string[]).includes(text)

const replay = ({ target, seed, done }: FuzzResult): string =>
  `npm run fuzz -- --target ${target} --seed ${seed} --count ${done + 1}`

const summary = (result: FuzzResult): object => {
  const { crash, ...rest } = result
  return crash ? { ...rest, crash: crash.error.message, replay: replay(result) } : rest
}

const describe = (result: FuzzResult): string => {
  const outcomes = Object.entries(result.outcomes).map(([outcome, times]) => `${times} ${outcome}`)
  if (!result.crash) return `${result.target}: ${result.done} datagrams, no crash (${outcomes.join(', ')})`
  const { error, datagram } = result.crash
  return `${result.target}: ${error.message} after datagram ${result.done}: ${replay(result)}\n  last: ${Buffer.from(datagram).toString('hex')}\n${error.stack}`
}

await runPrinting('fuzz', async () => {
  const options = parseOptions('npm run fuzz --', process.argv.slice(2), table, {})
  if (options['help']) {
    process.stdout.write(help)
    return 0
  }
  const asked = options['target'] as string[]
  const targets = asked.length > 0 ? asked.filter(isTarget) : fuzzTargets
  if (targets.length < asked.length) throw new StageError('usage', `--target: choose from ${fuzzTargets.join(', ')}`)
  const count = (options['count'] as number | undefined) ?? 100_000
  const seed = (options['seed'] as number | undefined) ?? 1
  let crashed = false
  for (const target of targets) {
    const progress = createProgress(`fuzz ${target}`, count)
    const result = fuzz({ target, count, seed, onProgress: progress.update })
    progress.end()
    crashed ||= result.crash !== undefined
    process.stdout.write(`${options['json'] ? JSON.stringify(summary(result)) : describe(result)}\n`)
  }
  return crashed ? 1 : 0
})
