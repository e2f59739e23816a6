// The load generator: volleys of registrations at a server in a child process. The child is stopped while a volley is
// sent, so every server that is measured finds the same full queue, whether it is quicker than this process or not.
import { createSocket } from 'node:dgram'

/** @typedef {import('./children.mjs').Child} Child */
/** @typedef {(bytes: Buffer) => boolean} Counts whether a datagram counts */

const quietMs = 40
const givenUpMs = 1000
/** Skbs of small datagrams that a receive buffer of 4 MiB surely holds. */
export const mostInFlight = 2000

/** The datagram that begins the answer to a newer client has the cookie. @type {Counts} */
export const beginsPacked = bytes => bytes.includes('cookie=')

/** @param {number} [sockets] */
export const openLoad = async (sockets = 1) => {
  let received = 0
  /** @type {Counts} */
  let counts = () => true
  /** @type {(bytes: Buffer) => void} */
  let seen = () => {}
  let arrived = () => {}
  const open = Array.from({ length: sockets }, () =>
    createSocket({
      type: 'udp4',
      recvBufferSize: 4 * 1024 * 1024,
      lookup: (name, _options, callback) => callback(null, name, 4),
    }),
  )
  for (const socket of open) {
    socket.on('message', bytes => {
      seen(bytes)
      if (counts(bytes)) received++
      arrived()
    })
    // With a synchronous lookup it may listen before `bind` returns.
    await new Promise(resolve => socket.bind(0, '127.0.0.1', () => resolve(undefined)))
  }

  /** Stops the child, sends all of it, lets the child go on. @param {Child} child @param {readonly Uint8Array[]} messages */
  const fire = (child, messages) => {
    process.kill(child.pid, 'SIGSTOP')
    messages.forEach((bytes, i) => open[i % sockets]?.send(bytes, child.ready.port, '127.0.0.1'))
    process.kill(child.pid, 'SIGCONT')
  }

  /**
   * Resolves with how many datagrams that count came back: `wanted`, or fewer where none came for a second.
   * @param {Child} child @param {readonly Uint8Array[]} messages @param {number} wanted @param {Counts} [which]
   * @returns {Promise<number>}
   */
  const volley = (child, messages, wanted, which = () => true) =>
    new Promise(resolve => {
      received = 0
      counts = which
      let before = -1
      const done = () => {
        clearInterval(watch)
        arrived = () => {}
        resolve(received)
      }
      const watch = setInterval(() => (received === before ? done() : (before = received)), givenUpMs)
      arrived = () => received >= wanted && done()
      fire(child, messages)
    })

  /** Everything that comes back until it is quiet. @param {Child} child @param {Uint8Array} message @returns {Promise<Buffer[]>} */
  const collect = (child, message) =>
    new Promise(resolve => {
      /** @type {Buffer[]} */
      const found = []
      const done = () => {
        seen = () => {}
        resolve(found)
      }
      let timer = setTimeout(done, 10 * quietMs)
      seen = bytes => {
        found.push(bytes)
        clearTimeout(timer)
        timer = setTimeout(done, quietMs)
      }
      open[0]?.send(message, child.ready.port, '127.0.0.1')
    })

  const close = () => open.forEach(socket => socket.close())
  return { fire, volley, collect, close }
}

/** @typedef {Awaited<ReturnType<typeof openLoad>>} Load */
