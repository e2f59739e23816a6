// S2, S6, S9 and S10 on loopback: what a flood does to a server in a process of its own, and to its clients.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, connect } from '../../client/client.ts'
import { createNodeHost } from '../../host/node.ts'
import { freePort } from '../free-port.ts'
import { type Child, startChild } from './child.ts'
import type { ProcessFigure } from './figure.ts'
import { type Flood, openFlood } from './flood.ts'
import type { ServerReport } from './server-child.ts'

const mebibyte = 1024 * 1024
/** Datagrams a second that the rate may fall short by, on a busy machine. */
const nearly = 0.9

type Rig = { readonly server: Child; readonly flood: Flood; readonly port: number; report(): Promise<ServerReport> }

const withFlood = async <T>(
  options: { capacity?: number; fresh?: boolean },
  story: (rig: Rig) => Promise<T>,
): Promise<T> => {
  const port = await freePort()
  const server = await startChild('server-child.js', { port, capacity: options.capacity })
  const flood = await openFlood(port, options.fresh)
  try {
    return await story({ server, flood, port, report: async () => (await server.ask('report')) as ServerReport })
  } finally {
    flood.close()
    await server.kill()
  }
}

const host = createNodeHost()

/** Resolves after how many milliseconds each of two clients had the other; Infinity after a while. */
const meet = (port: number): Promise<number> =>
  new Promise(resolve => {
    const startedMs = performance.now()
    const clients: Client[] = []
    const end = (ms: number): void => {
      clearTimeout(timer)
      for (const client of clients) client.close()
      resolve(ms)
    }
    const timer = setTimeout(() => end(Infinity), 20_000)
    const start = (name: string, peer: string): void => {
      const onEvent = ({ event }: { event: string }): void => {
        if (event === 'connected' && clients.every(({ state }) => state === 'connected'))
          end(performance.now() - startedMs)
      }
      clients.push(connect(host, { server: '127.0.0.1', port, name, peer, onEvent }))
    }
    start('alice', 'bob')
    start('bob', 'alice')
  })

export const meetingOnSockets: ProcessFigure = {
  id: 'S2',
  promised: '10000 registrations/s on sockets: newer clients meet <= 2 s',
  measure: (size, slack = 1) =>
    withFlood({}, async ({ flood, port, report }) => {
      const seconds = size === 'whole' ? 20 : 3
      const flooding = flood.run(10_000, seconds)
      await sleep(1000)
      const metMs = await meet(port)
      const rate = await flooding
      const { bytesIn, bytesOut, datagramsIn, datagramsOut } = await report()
      const factor = (bytesOut + 28 * datagramsOut) / (bytesIn + 28 * datagramsIn)
      return {
        measured: `met in ${metMs.toFixed(0)} ms at ${rate.toFixed(0)}/s; bytes out ${factor.toFixed(2)} x bytes in`,
        pass: metMs <= 2000 * slack && rate >= nearly * 10_000,
      }
    }),
}

const live = 8

export const evictionOnSockets: ProcessFigure = {
  id: 'S6',
  promised: `5000 registrations/s on sockets: 0 of ${live} proven clients evicted, >= 99 % of refreshes answered`,
  measure: size =>
    withFlood({ capacity: 1024 }, async ({ flood, port, report }) => {
      let asked = 0
      const onEvent = ({ event }: { event: string }): void => void (asked += event === 'registering' ? 1 : 0)
      const clients = Array.from({ length: live }, (_, i) =>
        connect(host, { server: '127.0.0.1', port, name: `live${i}`, peer: `nobody${i}`, onEvent }),
      )
      await sleep(500)
      const rate = await flood.run(5000, size === 'whole' ? 20 : 3)
      for (const client of clients) client.close()
      await sleep(100)
      const { answered, evicted } = await report()
      return {
        measured: `${evicted} evicted, ${answered} of ${asked} refreshes answered at ${rate.toFixed(0)}/s`,
        pass: evicted === 0 && answered >= 0.99 * asked && asked >= 3 * live && rate >= nearly * 5000,
      }
    }),
}

const mostGrowth = 16 * mebibyte

export const memory: ProcessFigure = {
  id: 'S9',
  promised: 'RSS growth <= 16 MiB between second 10 and 70 of a flood of new names and sources',
  measure: size =>
    withFlood({ fresh: true }, async ({ flood, report }) => {
      // What comes before fills the book and lets the collector find its size.
      const [before, during] = size === 'whole' ? [10, 60] : [6, 6]
      await flood.run(10_000, before)
      const first = await report()
      const rate = await flood.run(10_000, during)
      const last = await report()
      const growth = last.rss - first.rss
      const count = last.datagramsIn - first.datagramsIn
      return {
        measured: `${(growth / mebibyte).toFixed(1)} MiB in ${during} s (${count} datagrams, RSS ${(last.rss / mebibyte).toFixed(0)} MiB)`,
        pass: growth <= mostGrowth && rate >= 0.5 * 10_000,
      }
    }),
}

export const delay: ProcessFigure = {
  id: 'S10',
  promised: 'event-loop delay p99 <= 20 ms at 20000 datagrams/s; after a burst of 20000 a client is served <= 1 s',
  measure: (size, slack = 1) =>
    withFlood({}, async ({ server, flood, port, report }) => {
      await flood.run(20_000, 1)
      await server.ask('begin')
      const rate = await flood.run(20_000, size === 'whole' ? 20 : 3)
      const { delayP99Ms } = await report()
      flood.burst(20_000)
      const metMs = await meet(port)
      return {
        measured: `p99 ${delayP99Ms.toFixed(1)} ms at ${rate.toFixed(0)}/s; after the burst met in ${metMs.toFixed(0)} ms`,
        pass: delayP99Ms <= 20 * slack && metMs <= 1000 * slack && rate >= nearly * 20_000,
      }
    }),
}
