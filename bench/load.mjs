// The load generator: volleys of registrations at a server in a child process. The child is stopped while a volley is
// sent, so every server that is measured finds the same full queue, whether it is quicker than this process or not.
import { createSocket } from 'node:dgram'

/** @typedef {import('./children.mjs').Child} Child */
/** @typedef {(bytes: Buffer) => boolean} Counts whether a datagram counts */

const quietMs = 40
const givenUpMs = 1000
const napMs = 2
const nobody = new Int32Array(new SharedArrayBuffer(4))
const turn = () => new Promise(resolve => setImmediate(resolve))
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
   * Resolves with how many datagrams that count came back: `wanted`, or fewer where none came for a second. Until then
   * this process sleeps, but never in its event loop: to wake it there would cost the sender, the server, some 5 us.
   * @param {Child} child @param {readonly Uint8Array[]} messages @param {number} wanted @param {Counts} [which]
   * @returns {Promise<number>}
   */
  const volley = async (child, messages, wanted, which = () => true) => {
    received = 0
    counts = which
    fire(child, messages)
    for (let waits = 0; received < wanted && waits * napMs < givenUpMs; waits++) {
      Atomics.wait(nobody, 0, 0, napMs)
      for (let before = -1; before !== received; await turn()) {
        if (received > before) waits = 0
        before = received
      }
    }
    return received
  }

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
