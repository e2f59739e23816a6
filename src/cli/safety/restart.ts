// R1: the server's process is killed and started again. A hundred clients in two processes, the two of a pair never in the
// same one: a hundred processes of Node would measure the machine.
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../free-port.ts'
import { startChild } from './child.ts'
import type { ClientsReport } from './clients-child.ts'
import type { ProcessFigure } from './figure.ts'

const lookersMs = 5000
/** An interval with its jitter. */
const intervalMs = 20_000 * 1.1
const pollMs = 50

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

export const restart: ProcessFigure = {
  id: 'R1',
  promised:
    'kill -9 and restart: of 100 clients lookers are back <= 5 s, connected ones in one interval, no message lost',
  async measure(size, slack = 1) {
    const [pairs, lookers] = [40, 20]
    const names = (letter: string): string[] => range(pairs).map(i => `${letter}${i}`)
    const alone = range(lookers).map(i => `looker${i}`)
    const port = await freePort()
    let server = await startChild('server-child.js', { port })
    const children = await Promise.all(
      (['a', 'b'] as const).map((letter, half) => {
        const talkers = range(pairs).map(i => [`${letter}${i}`, `${letter === 'a' ? 'b' : 'a'}${i}`])
        const looking = alone.filter((_, i) => i % 2 === half).map(name => [name, `nobody-${name}`])
        return startChild('clients-child.js', { port, pairs: [...talkers, ...looking] })
      }),
    )
    const reports = async (): Promise<ClientsReport[]> =>
      (await Promise.all(children.map(child => child.ask('report')))) as ClientsReport[]
    const sum = (all: readonly ClientsReport[], what: keyof ClientsReport): number =>
      all.reduce((total, report) => total + report[what], 0)
    const tell = (what: string): Promise<unknown> => Promise.all(children.map(child => child.ask(what)))
    /** After how many milliseconds the server has all of these. */
    const allBack = async (wanted: readonly string[], sinceMs: number, withinMs: number): Promise<number> => {
      while (performance.now() - sinceMs < withinMs) {
        if ((await server.ask('has', wanted)) === wanted.length) return performance.now() - sinceMs
        await sleep(pollMs)
      }
      return Infinity
    }
    try {
      for (let i = 0; i < 200 && sum(await reports(), 'connected') < 2 * pairs; i++) await sleep(pollMs)
      const connected = sum(await reports(), 'connected')
      await tell('talk')
      await sleep(1000)
      await server.kill()
      await sleep(size === 'whole' ? 10_000 : 2000)
      server = await startChild('server-child.js', { port })
      const restartedMs = performance.now()
      const lookersBackMs = await allBack(alone, restartedMs, lookersMs * slack + 1000)
      const connectedBackMs = await allBack([...names('a'), ...names('b')], restartedMs, intervalMs * slack + 1000)
      await tell('hush')
      await sleep(500)
      const last = await reports()
      const missing = sum(last, 'sent') - sum(last, 'received')
      const seconds = (ms: number): string => (ms / 1000).toFixed(1)
      return {
        measured: `lookers ${seconds(lookersBackMs)} s, connected ${seconds(connectedBackMs)} s; ${missing} of ${sum(last, 'sent')} messages lost, ${sum(last, 'lost')} sessions`,
        pass:
          connected === 2 * pairs &&
          lookersBackMs <= lookersMs * slack &&
          connectedBackMs <= intervalMs * slack &&
          missing === 0 &&
          sum(last, 'lost') === 0,
      }
    } finally {
      await Promise.all([server, ...children].map(child => child.kill()))
    }
  },
}
