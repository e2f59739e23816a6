// Law: a UDP socket inside a world: its life from binding to closed, and its handlers. Addresses, ports and the way out
// are its host's affair.
import type { Endpoint } from '../endpoint.ts'
import type { SendOptions, UdpSocket } from '../host.ts'

export type Outgoing = { readonly bytes: Uint8Array; readonly to: Endpoint; readonly ttl: number }

/** What a socket needs of its host. */
export interface SocketHost {
  after(ms: number, run: () => void): () => void
  transmit(socket: SimSocket, outgoing: Outgoing): void
  release(socket: SimSocket): void
}

export const defaultTtl = 64

export class SimSocket implements UdpSocket {
  local: Endpoint
  /** Reserved while binding, when `local` does not show it yet. */
  readonly port: number
  readonly #host: SocketHost
  #state: 'binding' | 'ready' | 'closed' = 'binding'
  #waiting: Outgoing[] = []
  readonly #datagramHandlers: ((bytes: Uint8Array, from: Endpoint) => void)[] = []
  readonly #readyHandlers: (() => void)[] = []
  readonly #errorHandlers: ((error: Error, fatal: boolean) => void)[] = []

  constructor(host: SocketHost, address: string, port: number) {
    this.#host = host
    this.local = { address, port: 0 }
    this.port = port
  }

  get isReady(): boolean {
    return this.#state === 'ready'
  }

  send(bytes: Uint8Array, { address, port }: Endpoint, { ttl = defaultTtl }: SendOptions = {}): void {
    if (this.#state === 'closed') return
    const outgoing = { bytes: new Uint8Array(bytes), to: { address, port }, ttl }
    if (this.#state === 'ready') this.#host.transmit(this, outgoing)
    else this.#waiting.push(outgoing)
  }

  onDatagram(handler: (bytes: Uint8Array, from: Endpoint) => void): void {
    this.#datagramHandlers.push(handler)
  }

  /** On a socket that is ready already, `handler` runs in a later step of the same time. */
  onReady(handler: () => void): void {
    if (this.#state === 'binding') this.#readyHandlers.push(handler)
    if (this.#state === 'ready') this.#host.after(0, () => this.isReady && handler())
  }

  onError(handler: (error: Error, fatal: boolean) => void): void {
    this.#errorHandlers.push(handler)
  }

  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#waiting = []
    this.#host.release(this)
  }

  /** Its host has bound it. */
  becomeReady(): void {
    if (this.#state !== 'binding') return
    this.#state = 'ready'
    this.local = { address: this.local.address, port: this.port }
    const waiting = this.#waiting
    this.#waiting = []
    for (const outgoing of waiting) this.#host.transmit(this, outgoing)
    this.#emit(this.#readyHandlers, handler => handler())
  }

  receive(bytes: Uint8Array, from: Endpoint): void {
    this.#emit(this.#datagramHandlers, handler => handler(bytes, from))
  }

  /** A fatal error closes the socket. One that nobody handles is thrown out of the running world. */
  fail(error: Error, fatal: boolean): void {
    if (this.#state === 'closed') return
    if (fatal) this.close()
    if (fatal && this.#errorHandlers.length === 0) throw error
    for (const handler of this.#errorHandlers) handler(error, fatal)
  }

  #emit<T>(handlers: readonly T[], call: (handler: T) => void): void {
    for (const handler of handlers) if (this.#state === 'ready') call(handler)
  }
}
