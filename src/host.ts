// Law: types only. Everything the core knows of the outside world: a clock, timers, randomness and datagrams. The same
// server and client run on `host/node.ts` (real sockets) and on `sim/host.ts` (a seeded virtual internet).
import type { Endpoint } from './endpoint.ts'

export type SendOptions = {
  /** IP time to live (hop limit). Default: the system's. */
  ttl?: number
}

export interface UdpSocket {
  /** Where the socket is bound; port 0 until it is ready. */
  readonly local: Endpoint
  /** Bytes that the receive buffer really got; undefined where a host has no such thing. */
  readonly receiveBufferBytes?: number | undefined
  /** Never throws: what can't be sent is reported to `onError`. Before the socket is ready, datagrams wait. */
  send(bytes: Uint8Array, to: Endpoint, options?: SendOptions): void
  /** `bytes` belong to the receiver; `from` is canonical and its port may be 0. */
  onDatagram(handler: (bytes: Uint8Array, from: Endpoint) => void): void
  /** Runs once, when the socket is bound and `local` final. */
  onReady(handler: () => void): void
  /** Errors of binding (then the socket is of no more use: `fatal`) and of sending. */
  onError(handler: (error: Error, fatal: boolean) => void): void
  close(): void
}

export interface Host {
  /** Milliseconds of a monotonic clock with an arbitrary origin. */
  now(): number
  /** Runs `run` once after at least `ms` milliseconds; the returned function cancels. */
  after(ms: number, run: () => void): () => void
  /** In [0, 1): for jitter, never for secrets. */
  random(): number
  /** For cookies, keys, tokens and ids: unpredictable on a real host, seeded in a world. */
  randomBytes(count: number): Uint8Array
  /** Returns at once; readiness and failure arrive as events. Default: any IPv4 address, any port. */
  udp(at?: Partial<Endpoint>): UdpSocket
  /** The IP addresses of a host name, canonical, in the resolver's order. `done` runs later, never inside the call. */
  resolve(name: string, done: (addresses: string[], error?: Error) => void): void
  /** The host's own addresses, loopback left out. */
  addresses(): string[]
}
