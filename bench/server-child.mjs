// The production server, alone in a process, on a free port of 127.0.0.1, or of another address.
import { createNodeHost } from '../dist/host/node.js'
import { createServer } from '../dist/server/server.js'
import { answerParent, cpuUs } from './children.mjs'

const { address = '127.0.0.1', ...options } = JSON.parse(process.argv[2] ?? '{}')
/** @type {number | undefined} */
let receiveBufferBytes

const server = createServer(createNodeHost(), {
  ...options,
  listen: [{ address, port: 0 }],
  onEvent(event) {
    if (event.event === 'error') throw event.error
    if (event.event === 'listening') receiveBufferBytes = event.receiveBufferBytes
    if (event.event !== 'ready') return
    answerParent(
      { port: event.endpoints[0]?.port, receiveBufferBytes },
      {
        cpu: cpuUs,
        counters: () => server.counters(),
        has: names => names.every((/** @type {string} */ name) => server.phonebook.find(name)),
        memory() {
          globalThis.gc?.()
          globalThis.gc?.()
          return process.memoryUsage()
        },
      },
    )
  },
})
