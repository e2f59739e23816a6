// Streams of a real machine: node:net behind the interfaces of `../host.ts`.
import { type Server, type Socket, createConnection, createServer } from 'node:net'
import { type Endpoint, familyOf, parseAddress } from '../endpoint.ts'
import type { TcpConnection, TcpListener } from '../host.ts'
import { bindPatiently } from './node-bind.ts'

/** Waiting to be accepted: as many clients may come back at once after a restart. */
const backlog = 1024
const connectMs = 10_000
/** A silent connection is probed from here on; libuv then gives it ten probes, one a second. */
const keepaliveMs = 30_000
/** After `close`, the other end has so long to take the rest. */
const lingerMs = 2000

export const listenTcp = (at: Endpoint): TcpListener => new NodeTcpListener(at)

export const connectTcp = (to: Endpoint): TcpConnection => {
  const family = familyOf(to.address)
  const socket = createConnection({
    host: to.address,
    port: to.port,
    family,
    // As for datagrams: an address is an address, and is not looked up.
    lookup: (name, _options, callback) => callback(null, name, family),
    noDelay: true,
  })
  socket.setTimeout(connectMs, () => socket.destroy(timedOut(to)))
  socket.once('connect', () => socket.setTimeout(0))
  return new NodeTcpConnection(socket, to)
}

const timedOut = ({ address, port }: Endpoint): Error =>
  Object.assign(new Error(`connect ETIMEDOUT ${address}:${port}`), { code: 'ETIMEDOUT' })

class NodeTcpListener implements TcpListener {
  local: Endpoint
  #server: Server | undefined
  #closed = false
  #onReady: () => void = () => {}
  #onConnection: (connection: TcpConnection) => void = connection => connection.abort()
  #onError: (error: Error, fatal: boolean) => void = () => {}

  constructor(at: Endpoint) {
    this.local = { address: at.address, port: 0 }
    bindPatiently(
      () => this.#bind(at),
      at.port,
      () => this.#closed,
    ).then(
      server => this.#ready(server),
      (error: Error) => this.#closed || this.#onError(error, true),
    )
  }

  onReady(handler: () => void): void {
    this.#onReady = handler
  }

  onConnection(handler: (connection: TcpConnection) => void): void {
    this.#onConnection = handler
  }

  onError(handler: (error: Error, fatal: boolean) => void): void {
    this.#onError = handler
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#server?.close()
  }

  #bind({ address, port }: Endpoint): Promise<Server> {
    return new Promise((resolve, reject) => {
      const server = createServer({ noDelay: true }, socket => this.#accept(socket))
      server.once('error', reject)
      server.listen({ host: address, port, backlog, ipv6Only: familyOf(address) === 6, exclusive: true }, () =>
        resolve(server),
      )
    })
  }

  #ready(server: Server): void {
    if (this.#closed) return void server.close()
    server.removeAllListeners('error')
    server.on('error', error => this.#onError(error, false))
    this.#server = server
    const bound = server.address()
    if (typeof bound === 'object' && bound) this.local = { address: bound.address, port: bound.port }
    this.#onReady()
  }

  #accept(socket: Socket): void {
    // Not known where the other end has gone already.
    const address = parseAddress(socket.remoteAddress?.split('%', 1)[0] ?? '')
    if (this.#closed || address === undefined) return void socket.destroy()
    this.#onConnection(new NodeTcpConnection(socket, { address, port: socket.remotePort ?? 0 }))
  }
}

class NodeTcpConnection implements TcpConnection {
  readonly remote: Endpoint
  readonly #socket: Socket
  #closed = false
  #cancelLinger = (): void => {}
  #onOpen: () => void = () => {}
  #onData: (bytes: Uint8Array) => void = () => {}
  #onClose: (error?: Error) => void = () => {}

  constructor(socket: Socket, remote: Endpoint) {
    this.#socket = socket
    this.remote = remote
    let failure: Error | undefined
    socket.setKeepAlive(true, keepaliveMs)
    socket.once('connect', () => this.#closed || this.#onOpen())
    socket.on('data', bytes => {
      if (!this.#closed) this.#onData(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length))
    })
    socket.on('error', error => (failure = error))
    // Both ways: node ends our side by itself, but not if what we still had to say is never taken.
    socket.once('end', () => this.#linger())
    socket.once('close', () => {
      this.#cancelLinger()
      this.#onClose(failure)
    })
  }

  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  send(bytes: Uint8Array): void {
    if (!this.#closed && this.#socket.writable) this.#socket.write(bytes)
  }

  onOpen(handler: () => void): void {
    this.#onOpen = handler
  }

  onData(handler: (bytes: Uint8Array) => void): void {
    this.#onData = handler
  }

  onClose(handler: (error?: Error) => void): void {
    this.#onClose = handler
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket.end()
    this.#linger()
  }

  abort(): void {
    this.#closed = true
    this.#socket.destroy()
  }

  #linger(): void {
    this.#cancelLinger()
    const timer = setTimeout(() => this.#socket.destroy(), lingerMs)
    this.#cancelLinger = () => clearTimeout(timer)
  }
}
