// npm run soak: days of virtual time; a failure is one line that can be run again.
import { StageError } from '../errors.ts'
import { type SoakResult, soak } from '../lab/soak.ts'
import { parseOptions } from './options.ts'
import { createProgress } from './progress.ts'
import { runPrinting } from './run.ts'

const help = `Usage: npm run soak -- [--clients N] [--hours H] [--seed S] [--json]

Pairs of the production client talk for hours of virtual time, through the production server,
with 1 % loss. Every client is rebound once an hour, the server dies twice and comes back. Nobody
may lose more than the link and the rebindings excuse, and nothing may grow.

Options:
  --clients N    an even number (50)
  --hours H      of virtual time (24); 24 hours of 50 clients take some 25 s, of 1000 some 10 min
  --seed S       the same seed makes the same run (1)
  --json         one JSON object, and nothing else

Exit codes: 0 nothing failed, 1 something did (the line printed says how to see it again), 2 usage
`

const table = {
  clients: { kind: 'count' },
  hours: { kind: 'count' },
  seed: { kind: 'count' },
  json: { kind: 'switch' },
  help: { kind: 'switch', short: 'h' },
} as const

const mostClients = 4096

const replay = ({ clients, hours, seed }: SoakResult): string =>
  `npm run soak -- --clients ${clients} --hours ${hours} --seed ${seed}`

const summary = (result: SoakResult): object => (result.failed > 0 ? { ...result, replay: replay(result) } : result)

const describe = (result: SoakResult): string => {
  const { clients, hours, sent, lostOnLink, lostInWindows, rebindings, restarts, longestOutageMs, held } = result
  const last = held.at(-1) ?? { timers: 0, sockets: 0 }
  const lines = [
    `${clients} clients, ${hours} h: ${sent} messages, ${lostOnLink} lost on the link, ${lostInWindows} in windows; ` +
      `${rebindings} rebindings, ${restarts} restarts; ${last.sockets} sockets and ${last.timers} timers held; ` +
      `longest time apart ${(longestOutageMs / 1000).toFixed(1)} s; ${result.failed} failures`,
  ]
  if (result.failed > 0) lines.push(`${result.failures[0]}: ${replay(result)}`, ...result.failures.slice(1))
  return lines.join('\n')
}

await runPrinting('soak', async () => {
  const options = parseOptions('npm run soak --', process.argv.slice(2), table, {})
  if (options['help']) {
    process.stdout.write(help)
    return 0
  }
  const clients = (options['clients'] as number | undefined) ?? 50
  const hours = (options['hours'] as number | undefined) ?? 24
  const seed = (options['seed'] as number | undefined) ?? 1
  if (clients % 2 === 1 || clients > mostClients)
    throw new StageError('usage', `--clients: an even number up to ${mostClients}, not ${clients}`)
  const progress = createProgress('soak, virtual minutes', hours * 60)
  const result = soak({ clients, hours, seed, onProgress: progress.update })
  progress.end()
  process.stdout.write(`${options['json'] ? JSON.stringify(summary(result)) : describe(result)}\n`)
  return result.failed > 0 ? 1 : 0
})
