// Many production clients in one process, on real sockets: each sends its peer a numbered message twice a second.
import { type Client, connect } from '../../client/client.ts'
import { createNodeHost } from '../../host/node.ts'
import { answerParent } from './child.ts'

export type ClientsReport = {
  readonly sent: number
  readonly received: number
  readonly lost: number
  readonly connected: number
}

const everyMs = 500

const { port, pairs } = JSON.parse(process.argv[2] ?? '{}') as { port: number; pairs: readonly [string, string][] }
const host = createNodeHost()
let sent = 0
let received = 0
let lost = 0
let timer: NodeJS.Timeout | undefined
const clients: Client[] = pairs.map(([name, peer]) =>
  connect(host, {
    server: '127.0.0.1',
    port,
    name,
    peer,
    onEvent({ event }) {
      if (event === 'message') received++
      if (event === 'lost') lost++
    },
  }),
)
answerParent({
  talk() {
    timer = setInterval(() => {
      for (const client of clients) if (client.state === 'connected' && client.send('soak') === 'sent') sent++
    }, everyMs)
  },
  hush: () => clearInterval(timer),
  report: (): ClientsReport => ({
    sent,
    received,
    lost,
    connected: clients.filter(({ state }) => state === 'connected').length,
  }),
})
