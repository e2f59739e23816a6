// The host that is a real machine: node:dgram (streams are in `node-tcp.ts`), the monotonic clock, the system's randomness and resolver.
import { randomBytes } from 'node:crypto'
import { type Socket, createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import pRetry from 'p-retry'
import { type Endpoint, familyOf, parseAddress } from '../endpoint.ts'
import { codeOf } from '../errors.ts'
import type { Host, SendOptions, UdpSocket } from '../host.ts'
import { bindPatiently } from './node-bind.ts'
import { connectTcp, listenTcp } from './node-tcp.ts'
import { keepPortMapped } from './port-mapping.ts'

/** A burst of 10,000 registrations stays in a buffer of this size; with the usual 208 KiB, some 250 do. */
const wantedReceiveBuffer = 4 * 1024 * 1024
/** libuv queues without a bound when the network is slower than we are. */
const longestSendQueue = 4 * 1024 * 1024
/** To ask for errors and for the queue's length costs a fifth of the sending: it is done for the first datagrams and samples. */
const closelyAtFirst = 100
const closelyEvery = 64
const lookupRetries = 2
const defaultTtl = 64

export const createNodeHost = (): Host => ({
  now: () => performance.now(),
  after(ms, run) {
    if (ms === Infinity) return () => {}
    // Longer ones would overflow and run at once.
    const timer = setTimeout(run, Math.min(ms, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
  random: Math.random,
  randomBytes: count => new Uint8Array(randomBytes(count)),
  udp: at => new NodeUdpSocket({ address: at?.address ?? '0.0.0.0', port: at?.port ?? 0 }),
  tcpListen: at => listenTcp({ address: at?.address ?? '0.0.0.0', port: at?.port ?? 0 }),
  tcpConnect: connectTcp,
  descriptorLimit,
  resolve(name, done) {
    const once = (): Promise<{ address: string }[]> => lookup(name, { all: true, verbatim: true })
    pRetry(once, {
      retries: lookupRetries,
      minTimeout: 300,
      shouldRetry: ({ error }) => codeOf(error) === 'EAI_AGAIN',
    }).then(
      found =>
        done([...new Set(found.map(({ address }) => parseAddress(address)).filter(address => address !== undefined))]),
      (error: Error) => done([], error),
    )
  },
  addresses: () =>
    Object.values(networkInterfaces())
      .flatMap(infos => infos ?? [])
      .filter(({ internal, scopeid }) => !internal && !scopeid)
      .map(({ address }) => parseAddress(address))
      .filter(address => address !== undefined),
  mapPort: (port, onNews) => keepPortMapped(port, onNews),
})

/** What other systems usually give. Node itself raises the soft limit to the hard one when it starts. */
const usualDescriptors = 1024

const descriptorLimit = (): number => {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return Number(soft ?? usualDescriptors)
  } catch {
    return usualDescriptors
  }
}

class NodeUdpSocket implements UdpSocket {
  local: Endpoint
  receiveBufferBytes: number | undefined
  #socket: Socket | undefined
  #closed = false
  #sends = 0
  #isFull = false
  /** The address that was sent to last: an answer of 16 datagrams is checked once. */
  #lastGood = ''
  #waiting: [Uint8Array, Endpoint, SendOptions | undefined][] = []
  #onDatagram: (bytes: Uint8Array, from: Endpoint) => void = () => {}
  #onReady: () => void = () => {}
  #onError: (error: Error, fatal: boolean) => void = () => {}

  constructor(at: Endpoint) {
    this.local = { address: at.address, port: 0 }
    bindPatiently(
      () => this.#bind(at),
      at.port,
      () => this.#closed,
    ).then(
      socket => this.#ready(socket),
      (error: Error) => this.#closed || this.#onError(error, true),
    )
  }

  send(bytes: Uint8Array, to: Endpoint, options?: SendOptions): void {
    const socket = this.#socket
    if (this.#closed) return
    if (!socket) {
      this.#waiting.push([bytes, to, options])
      return
    }
    if (!this.#isSendable(to)) {
      return this.#onError(new RangeError(`not an endpoint to send to: ${to.address} ${to.port}`), false)
    }
    const looksClosely = this.#sends < closelyAtFirst || this.#sends % closelyEvery === 0
    this.#sends++
    if (looksClosely) this.#isFull = socket.getSendQueueSize() > longestSendQueue
    if (this.#isFull) return looksClosely ? this.#onError(new Error('the send queue is full'), false) : undefined
    try {
      // With the synchronous lookup below a send takes the TTL that holds at its call.
      if (options?.ttl !== undefined) socket.setTTL(options.ttl)
      if (looksClosely) socket.send(bytes, to.port, to.address, this.#sent)
      else socket.send(bytes, to.port, to.address)
      if (options?.ttl !== undefined) socket.setTTL(defaultTtl)
    } catch (error) {
      this.#onError(error as Error, false)
    }
  }

  #isSendable({ address, port }: Endpoint): boolean {
    if (!(port > 0 && port < 65536)) return false
    if (address !== this.#lastGood && isIP(address) === 0) return false
    this.#lastGood = address
    return true
  }

  onDatagram(handler: (bytes: Uint8Array, from: Endpoint) => void): void {
    this.#onDatagram = handler
  }

  onReady(handler: () => void): void {
    this.#onReady = handler
  }

  onError(handler: (error: Error, fatal: boolean) => void): void {
    this.#onError = handler
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket?.close()
  }

  readonly #sent = (error: Error | null): void => {
    if (error && !this.#closed) this.#onError(error, false)
  }

  #bind({ address, port }: Endpoint): Promise<Socket> {
    const family = familyOf(address)
    return new Promise((resolve, reject) => {
      const socket = createSocket({
        type: family === 4 ? 'udp4' : 'udp6',
        ipv6Only: family === 6,
        recvBufferSize: wantedReceiveBuffer,
        lookup: (name, _options, callback) => callback(null, name, family),
      })
      socket.once('error', error => {
        socket.close()
        reject(error)
      })
      socket.bind({ address, port, exclusive: true }, () => resolve(socket))
    })
  }

  #ready(socket: Socket): void {
    if (this.#closed) {
      socket.close()
      return
    }
    socket.removeAllListeners('error')
    socket.on('error', error => this.#onError(error, false))
    socket.on('message', (message, { address, port }) => {
      const from = {
        address: address.includes(':') ? (parseAddress(address.split('%', 1)[0] ?? '') ?? address) : address,
        port,
      }
      // Not the Buffer: its slice() shares memory, its toJSON() hides the bytes from whoever prints events.
      this.#onDatagram(new Uint8Array(message.buffer, message.byteOffset, message.length), from)
    })
    this.#socket = socket
    const { address, port } = socket.address()
    this.local = { address, port }
    this.receiveBufferBytes = socket.getRecvBufferSize()
    this.#onReady()
    for (const [bytes, to, options] of this.#waiting.splice(0)) this.send(bytes, to, options)
  }
}
