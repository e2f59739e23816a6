// Law: types only. Everything the core knows of the outside world: a clock, timers, randomness, datagrams and streams. The same
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

/** A stream of bytes to and from another program. Each event has one handler; for a connection that was accepted, set it at once. */
export interface TcpConnection {
  /** The other end. */
  readonly remote: Endpoint
  /** Bytes that were given to `send` and are still here: what a slow reader costs. */
  readonly unsentBytes: number
  /** Never throws. Before the connection is open, bytes wait; after `close` or `abort`, they are thrown away. */
  send(bytes: Uint8Array): void
  /** Only for one that we make ourselves. */
  onOpen(handler: () => void): void
  /** `bytes` belong to the receiver. Where they are cut says nothing. */
  onData(handler: (bytes: Uint8Array) => void): void
  /**
   * Once, and nothing after it: the connection is over, whoever ended it. When the other end says that it will send no
   * more, we end too, after what was given to `send` by then (there are no half-open connections).
   */
  onClose(handler: (error?: Error) => void): void
  /** What was given to `send` goes out, if the other end takes it soon; nothing comes in any more. */
  close(): void
  /** Ends it here and now; what has not gone out is lost. */
  abort(): void
}

export interface TcpListener {
  /** Where it listens; port 0 until it is ready. */
  readonly local: Endpoint
  onReady(handler: () => void): void
  onConnection(handler: (connection: TcpConnection) => void): void
  /** `fatal`: it could not be bound, and is of no more use. */
  onError(handler: (error: Error, fatal: boolean) => void): void
  /** Takes no more connections; those that there are live on. */
  close(): void
}

export type PortMappingProtocol = 'UPnP-IGD' | 'NAT-PMP'

/** `endpoint`: what the gateway forwards to us now. `problem`: why it forwards nothing, and what to do about it. */
export type PortMappingNews =
  { readonly endpoint: Endpoint; readonly protocol: PortMappingProtocol } | { readonly problem: string }

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
  /** Both return at once, like `udp`. A connection whose other end is silently gone closes within about 40 s. */
  tcpListen(at?: Partial<Endpoint>): TcpListener
  tcpConnect(to: Endpoint): TcpConnection
  /** Files and sockets that one program may have open. */
  descriptorLimit(): number
  /** The IP addresses of a host name, canonical, in the resolver's order. `done` runs later, never inside the call. */
  resolve(name: string, done: (addresses: string[], error?: Error) => void): void
  /** The host's own addresses, loopback left out. */
  addresses(): string[]
  /**
   * Asks the gateway to forward one of its UDP ports to this one of ours, and again before it forgets. `onNews` hears what came of
   * it, and of every change. The returned function takes it back, and calls `done` when that is done or 2 s have passed. A host
   * without a gateway leaves this out.
   */
  mapPort?(port: number, onNews: (news: PortMappingNews) => void): (done: () => void) => void
}
