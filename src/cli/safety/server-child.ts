// The production server, alone in a process, and what can be seen of it from inside.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createNodeHost } from '../../host/node.ts'
import { createServer } from '../../server/server.ts'
import { answerParent } from './child.ts'

export type ServerReport = {
  readonly rss: number
  readonly delayP99Ms: number
  /** Of the names that begin with `live`. */
  readonly answered: number
  readonly evicted: number
  readonly datagramsIn: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly datagramsOut: number
}

const { port, capacity } = JSON.parse(process.argv[2] ?? '{}') as { port: number; capacity?: number }
const delay = monitorEventLoopDelay({ resolution: 1 })
let answered = 0
let evicted = 0
const server = createServer(createNodeHost(), {
  listen: [{ address: '127.0.0.1', port }],
  ...(capacity !== undefined && { capacity }),
  onEvent(event) {
    if (event.event === 'error') throw event.error
    if (event.event === 'registered' && event.name.startsWith('live')) answered++
    if (event.event === 'displaced' && event.name.startsWith('live')) evicted++
    if (event.event === 'ready') ready()
  },
})
const ready = (): void => {
  delay.enable()
  answerParent({
    begin: () => delay.reset(),
    has: names => (names as string[]).filter(name => server.phonebook.find(name)).length,
    report: (): ServerReport => {
      const { datagramsIn, bytesIn, bytesOut, datagramsOut } = server.counters()
      const { rss } = process.memoryUsage()
      return {
        rss,
        delayP99Ms: delay.percentile(99) / 1e6,
        answered,
        evicted,
        datagramsIn,
        bytesIn,
        bytesOut,
        datagramsOut,
      }
    },
  })
}
