// Ten thousand clients that come at once, while the server is busy with something else.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { startServer } from './children.mjs'
import { openLoad } from './load.mjs'
import { figure } from './stats.mjs'

const clients = 10_000
const wantedBuffer = 4 * 1024 * 1024
const sockets = 50

const bursts = [
  { what: 'name alone', atLeast: clients, text: (/** @type {number} */ i) => `burst${i}` },
  {
    what: 'v=2 seek=',
    atLeast: clients,
    text: (/** @type {number} */ i) => `burst${i} v=2 seek=burst${i ^ 1}`,
  },
  {
    what: 'v=2 seek=, padded to 1000 bytes',
    text: (/** @type {number} */ i) => `burst${i} v=2 seek=burst${i ^ 1}`.padEnd(1000),
  },
]

/** @param {(text: string) => void} progress */
export const run = async progress => {
  const figures = []
  let receiveBufferBytes = 0
  for (const { what, atLeast, text } of bursts) {
    progress(`burst: ${clients} registrations, ${what}`)
    const load = await openLoad(sockets)
    const server = await startServer()
    receiveBufferBytes = server.ready.receiveBufferBytes
    const messages = Array.from({ length: clients }, (_, i) => Buffer.from(text(i)))
    load.fire(server, messages)
    const answered = await untilQuiet(server)
    const note = answered < clients ? `of ${clients}; the rest did not fit into the receive buffer` : `of ${clients}`
    figures.push(figure(`burst: ${what}`, answered, 'answered', { ...(atLeast && { atLeast }), note }))
    server.stop()
    load.close()
  }
  const note = bufferNote(receiveBufferBytes)
  figures.push(figure('burst: receiveBufferBytes', receiveBufferBytes, 'bytes', { atLeast: wantedBuffer, note }))
  return figures
}

/** @param {import('./children.mjs').Child} server @returns {Promise<number>} */
const untilQuiet = async server => {
  let before = -1
  for (;;) {
    await sleep(150)
    const { dispositions } = await server.ask('counters')
    if (dispositions.answered === before) return before
    before = dispositions.answered
  }
}

/** @param {number} bytes */
const bufferNote = bytes => {
  let most = Infinity
  try {
    most = Number(readFileSync('/proc/sys/net/core/rmem_max', 'utf8'))
  } catch {
    return 'net.core.rmem_max is not known here'
  }
  const clamped = most < wantedBuffer ? `; CLAMPED: the server asks for ${wantedBuffer}, set net.core.rmem_max` : ''
  return `net.core.rmem_max ${most}${bytes === 2 * most ? ', which Linux doubles' : ''}${clamped}`
}
