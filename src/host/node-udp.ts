// UDP sockets of a real machine. Under load, what arrives together is answered together.
import { type RemoteInfo, type Socket, createSocket } from 'node:dgram'
import { isIP } from 'node:net'
import { type Endpoint, familyOf, parseAddress } from '../endpoint.ts'
import type { SendOptions, UdpSocket } from '../host.ts'
import { bindPatiently } from './node-bind.ts'

/** A burst of 10,000 registrations stays in a buffer of this size; with the usual 208 KiB, some 250 do. */
const wantedReceiveBuffer = 4 * 1024 * 1024
/** libuv queues without a bound when the network is slower than we are. */
const longestSendQueue = 4 * 1024 * 1024
/** To ask for errors and for the queue's length costs a fifth of the sending: it is done for the first datagrams and samples. */
const closelyAtFirst = 100
const closelyEvery = 256
const defaultTtl = 64
/** To wait for the end of the event loop's turn costs half of an answer. From so many datagrams in one turn on, it pays. */
const manyTogether = 8
/** No power of two: else it might always be the last one of its turn. */
const countedEvery = 50

type Arrived = { readonly message: Buffer; readonly source: RemoteInfo }
type Waiting = { readonly bytes: Uint8Array; readonly to: Endpoint; readonly options: SendOptions | undefined }

export const createUdpSocket = (at: Endpoint): UdpSocket => new NodeUdpSocket(at)

class NodeUdpSocket implements UdpSocket {
  local: Endpoint
  receiveBufferBytes: number | undefined
  readonly #isIPv4: boolean
  #socket: Socket | undefined
  #closed = false
  #received = 0
  #isBusy = false
  #arrived: Arrived[] = []
  #sends = 0
  #isFull = false
  /** The address that was sent to last: an answer of 16 datagrams is checked once. */
  #lastGood = ''
  /** What is sent waits: for the socket, or until all that arrived has been looked at. */
  #holds = true
  #waiting: Waiting[] = []
  #onDatagram: (bytes: Uint8Array, from: Endpoint) => void = () => {}
  #onReady: () => void = () => {}
  #onError: (error: Error, fatal: boolean) => void = () => {}

  constructor(at: Endpoint) {
    this.local = { address: at.address, port: 0 }
    this.#isIPv4 = familyOf(at.address) === 4
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
    if (this.#closed) return
    if (this.#holds) this.#waiting.push({ bytes, to, options })
    else this.#sendNow(bytes, to, options)
  }

  #sendNow(bytes: Uint8Array, to: Endpoint, options: SendOptions | undefined): void {
    const socket = this.#socket
    if (!socket || this.#closed) return
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
    this.#sendWaiting()
    this.#closed = true
    this.#socket?.close()
  }

  /**
   * libuv reads up to 32 datagrams in one turn. To read all of them, then to answer all, then to send all takes a tenth
   * less of the processor than to do so with one after the other: each of the three finds its own code in the caches.
   */
  #arrive(message: Buffer, source: RemoteInfo): void {
    this.#received++
    if (!this.#isBusy && this.#arrived.length === 0 && this.#received % countedEvery !== 0)
      return this.#take(message, source)
    if (this.#arrived.push({ message, source }) === 1) setImmediate(this.#takeAll)
  }

  readonly #takeAll = (): void => {
    const arrived = this.#arrived
    let taken = 0
    this.#isBusy = arrived.length >= manyTogether
    this.#holds = true
    try {
      while (taken < arrived.length && !this.#closed) {
        const { message, source } = arrived[taken++] as Arrived
        this.#take(message, source)
      }
    } finally {
      this.#sendWaiting()
      // There are some left where the handler threw.
      this.#arrived = arrived.slice(taken)
      if (this.#arrived.length > 0 && !this.#closed) setImmediate(this.#takeAll)
    }
  }

  #take({ buffer, byteOffset, length }: Buffer, { address, port }: RemoteInfo): void {
    const from = { address: this.#isIPv4 ? address : canonical(address), port }
    // Not the Buffer: its slice() shares memory, its toJSON() hides the bytes from whoever prints events.
    this.#onDatagram(new Uint8Array(buffer, byteOffset, length), from)
  }

  #sendWaiting(): void {
    if (!this.#socket) return
    const waiting = this.#waiting
    this.#waiting = []
    this.#holds = false
    for (const { bytes, to, options } of waiting) this.#sendNow(bytes, to, options)
  }

  readonly #sent = (error: Error | null): void => {
    if (error && !this.#closed) this.#onError(error, false)
  }

  #bind({ address, port }: Endpoint): Promise<Socket> {
    const family = this.#isIPv4 ? 4 : 6
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
    socket.on('message', (message, source) => this.#arrive(message, source))
    this.#socket = socket
    const { address, port } = socket.address()
    this.local = { address, port }
    this.receiveBufferBytes = socket.getRecvBufferSize()
    this.#onReady()
    this.#sendWaiting()
  }
}

/** An IPv6 address comes with its zone, and in the system's spelling. */
const canonical = (address: string): string => parseAddress(address.split('%', 1)[0] ?? '') ?? address
