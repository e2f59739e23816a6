// Law: no program knows that it runs here. The `Host` of `../host.ts` inside a world: one machine with its own addresses,
// ports and timers.
import {
  type Endpoint,
  type Family,
  isLoopback,
  familyOf,
  formatEndpoint,
  isCanonical,
  isWildcard,
} from '../endpoint.ts'
import type { Host, TcpConnection, TcpListener } from '../host.ts'
import type { LinkOptions } from './link.ts'
import type { Random } from './random.ts'
import type { Attachment, Box, Datagram, Segment } from './segment.ts'
import { SimSocket, defaultTtl, type Outgoing, type SocketHost } from './socket.ts'
import { Tcp } from './tcp.ts'
import type { TcpPart } from './tcp-end.ts'
import type { World } from './world.ts'

const firstEphemeralPort = 49152 // RFC 6335 s.6
const largestPayload = 65507
const descriptors = 1024

export class SimHost implements Host, Box, SocketHost {
  readonly name: string
  readonly attachment: Attachment
  readonly #world: World
  readonly #numbers: Random
  readonly #secrets: Random
  readonly #timers = new Set<() => void>()
  readonly #byPort = new Map<number, SimSocket[]>()
  #nextEphemeral = firstEphemeralPort
  readonly #tcp: Tcp

  constructor(segment: Segment, name: string, addresses: readonly string[], link?: Partial<LinkOptions>) {
    this.#world = segment.world
    this.name = name
    this.attachment = segment.attach(this, addresses, link)
    this.#numbers = this.#world.random(`numbers ${this.attachment.label}`)
    this.#secrets = this.#world.random(`secrets ${this.attachment.label}`)
    this.#tcp = new Tcp({
      now: () => this.now(),
      after: (ms, run) => this.after(ms, run),
      sourceFor: address => this.#sourceAddress(familyOf(address) === 4 ? '0.0.0.0' : '::', address),
      emit: (from, to, part, bytes) => this.#emit(from, to, bytes, defaultTtl, part),
      isOwn: address => this.#isOwn(address),
    })
  }

  /** The access link; its fields may be changed while the world runs. */
  get link(): LinkOptions {
    return this.attachment.link
  }

  /** Offline, nothing comes in or goes out, and names don't resolve; loopback still works. */
  get online(): boolean {
    return this.attachment.online
  }

  set online(online: boolean) {
    this.attachment.online = online
  }

  /** A crash: closes every socket and cancels every timer without a word to the program. The next one may start at once. */
  stop(): void {
    this.#tcp.stop()
    for (const cancel of this.#timers) cancel()
    for (const socket of Array.from(this.#byPort.values()).flat()) socket.close()
  }

  /** What its programs hold at this moment. */
  get held(): { timers: number; sockets: number } {
    let sockets = 0
    for (const ofPort of this.#byPort.values()) sockets += ofPort.length
    return { timers: this.#timers.size, sockets }
  }

  now(): number {
    return this.#world.now()
  }

  after(ms: number, run: () => void): () => void {
    const cancelInWorld = this.#world.after(ms, () => {
      this.#timers.delete(cancel)
      run()
    })
    const cancel = (): void => {
      this.#timers.delete(cancel)
      cancelInWorld()
    }
    this.#timers.add(cancel)
    return cancel
  }

  random(): number {
    return this.#numbers.next()
  }

  randomBytes(count: number): Uint8Array {
    return this.#secrets.bytes(count)
  }

  addresses(): string[] {
    return [...this.attachment.addresses]
  }

  resolve(name: string, done: (addresses: string[], error?: Error) => void): void {
    if (isCanonical(name)) return void this.after(0, () => done([name]))
    this.after(this.#world.dnsDelayMs, () => {
      const found = this.online ? (this.#world.dns.get(name.toLowerCase()) ?? []) : []
      if (found.length > 0) done([...found])
      else done([], systemError('getaddrinfo', this.online ? 'ENOTFOUND' : 'EAI_AGAIN', name))
    })
  }

  udp({ address = '0.0.0.0', port = 0 }: Partial<Endpoint> = {}): SimSocket {
    const wanted = port === 0 ? this.#freePort(address) : port
    const problem = this.#bindProblem(address, wanted)
    const socket = new SimSocket(this, address, wanted ?? 0)
    if (problem) {
      this.after(0, () => socket.fail(systemError('bind', problem, formatEndpoint({ address, port })), true))
    } else {
      this.#byPort.set(socket.port, [...(this.#byPort.get(socket.port) ?? []), socket])
      this.after(0, () => socket.becomeReady())
    }
    return socket
  }

  tcpListen(at?: Partial<Endpoint>): TcpListener {
    return this.#tcp.listen(at)
  }

  tcpConnect(to: Endpoint): TcpConnection {
    return this.#tcp.connect(to)
  }

  descriptorLimit(): number {
    return descriptors
  }

  release(socket: SimSocket): void {
    const others = this.#byPort.get(socket.port)?.filter(other => other !== socket) ?? []
    if (others.length > 0) this.#byPort.set(socket.port, others)
    else this.#byPort.delete(socket.port)
  }

  transmit(socket: SimSocket, { bytes, to, ttl }: Outgoing): void {
    const problem = sendProblem(socket.local.address, bytes, to, ttl, this.#isOwn(to.address))
    if (problem) return void this.after(0, () => socket.fail(systemError('send', problem, formatEndpoint(to)), false))
    const source = this.#sourceAddress(socket.local.address, to.address)
    this.#emit({ address: source ?? socket.local.address, port: socket.port }, to, bytes, ttl)
  }

  #emit(from: Endpoint, to: Endpoint, bytes: Uint8Array, ttl: number, tcp?: TcpPart): void {
    const datagram = { id: this.#world.nextDatagramId(), from, to, bytes, ttl, ...(tcp && { tcp }) }
    this.#world.trace.add('send', this.name, datagram)
    if (isWildcard(from.address) || familyOf(from.address) !== familyOf(to.address))
      this.#world.trace.add('drop', this.name, datagram, 'family')
    else if (this.#isOwn(to.address)) this.#world.after(0, () => this.receive(datagram))
    else this.attachment.send(datagram)
  }

  receive(datagram: Datagram): void {
    if (datagram.tcp) {
      this.#world.trace.add('deliver', this.name, datagram)
      return this.#tcp.receive(datagram.from, datagram.to, datagram.tcp, datagram.bytes)
    }
    const socket = this.#socketFor(datagram.to)
    if (!socket) return this.#world.trace.add('drop', this.name, datagram, 'port-closed')
    this.#world.trace.add('deliver', this.name, datagram)
    socket.receive(datagram.bytes, datagram.from)
  }

  #isOwn(address: string): boolean {
    return this.attachment.addresses.includes(address) || isLoopback(address)
  }

  /** The exact address before the wildcard, as on Linux. */
  #socketFor({ address, port }: Endpoint): SimSocket | undefined {
    const sockets = (this.#byPort.get(port) ?? []).filter(socket => socket.isReady)
    return (
      sockets.find(socket => socket.local.address === address) ??
      sockets.find(socket => socket.local.address === anyAddress(familyOf(address)))
    )
  }

  #sourceAddress(bound: string, to: string): string | undefined {
    if (familyOf(bound) !== familyOf(to)) return undefined
    if (!isWildcard(bound)) return bound
    if (isLoopback(to)) return familyOf(to) === 4 ? '127.0.0.1' : '::1'
    if (this.attachment.addresses.includes(to)) return to
    return this.attachment.addresses.find(address => familyOf(address) === familyOf(to))
  }

  #bindProblem(address: string, port: number | undefined): string | undefined {
    if (port === undefined) return 'EADDRINUSE'
    if (!isPort(port)) return 'ERR_SOCKET_BAD_PORT'
    if (!isWildcard(address) && !this.#isOwn(address)) return 'EADDRNOTAVAIL'
    return this.#isTaken(address, port) ? 'EADDRINUSE' : undefined
  }

  #isTaken(address: string, port: number): boolean {
    const overlaps = (other: string): boolean =>
      familyOf(other) === familyOf(address) && (isWildcard(other) || isWildcard(address) || other === address)
    return (this.#byPort.get(port) ?? []).some(socket => overlaps(socket.local.address))
  }

  #freePort(address: string): number | undefined {
    for (let tries = firstEphemeralPort; tries <= 65535; tries++) {
      const port = this.#nextEphemeral
      this.#nextEphemeral = port === 65535 ? firstEphemeralPort : port + 1
      if (!this.#isTaken(address, port)) return port
    }
    return undefined
  }
}

const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port <= 65535

const anyAddress = (family: Family): string => (family === 4 ? '0.0.0.0' : '::')

const sendProblem = (
  bound: string,
  bytes: Uint8Array,
  to: Endpoint,
  ttl: number,
  toOwn: boolean,
): string | undefined => {
  if (!isPort(to.port)) return 'ERR_SOCKET_BAD_PORT'
  if (bytes.length > largestPayload) return 'EMSGSIZE'
  if (!Number.isInteger(ttl) || ttl < 1 || ttl > 255 || (isLoopback(bound) && !toOwn)) return 'EINVAL'
  return undefined
}

const systemError = (call: string, code: string, about: string): Error =>
  Object.assign(new Error(`${call} ${code} ${about}`), { code })
