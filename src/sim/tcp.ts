// Law: a host's TCP inside a world: which of its connections and listeners a part is for. A NAT box that rewrites datagrams
// rewrites these too; whether it treats streams in another way (RFC 5382) is its affair, and none does yet.
import { type Endpoint, endpointKey, familyOf, formatEndpoint, isWildcard } from '../endpoint.ts'
import type { TcpConnection, TcpListener } from '../host.ts'
import { TcpEnd, type TcpPart } from './tcp-end.ts'

/** What TCP needs of its host. */
export type TcpHost = {
  now(): number
  after(ms: number, run: () => void): () => void
  /** The address that it sends from to this one; undefined where there is none of that family. */
  sourceFor(address: string): string | undefined
  emit(from: Endpoint, to: Endpoint, part: TcpPart, bytes: Uint8Array): void
  isOwn(address: string): boolean
}

const [firstPort, lastPort] = [49_152, 65_535] // RFC 6335 s.6
const nothing = new Uint8Array()

export class Tcp {
  readonly #host: TcpHost
  readonly #ends = new Map<string, TcpEnd>()
  readonly #listeners = new Set<SimListener>()
  #nextPort = firstPort

  constructor(host: TcpHost) {
    this.#host = host
  }

  listen({ address = '0.0.0.0', port = 0 }: Partial<Endpoint> = {}): TcpListener {
    const local = { address, port: port === 0 ? this.#freePort() : port }
    const listener = new SimListener(address, () => this.#listeners.delete(listener))
    const problem = this.#bindProblem(local)
    if (problem) this.#host.after(0, () => listener.fail(systemError('listen', problem, local)))
    else {
      this.#listeners.add(listener)
      listener.port = local.port
      this.#host.after(0, () => listener.becomeReady())
    }
    return listener
  }

  connect(to: Endpoint): TcpConnection {
    const address = this.#host.sourceFor(to.address)
    const from = { address: address ?? '', port: this.#freePort() }
    const end = this.#createEnd(from, to)
    if (address === undefined) this.#host.after(0, () => end.fail(systemError('connect', 'ENETUNREACH', to)))
    else end.begin()
    return end
  }

  receive(from: Endpoint, to: Endpoint, part: TcpPart, bytes: Uint8Array): void {
    const known = this.#ends.get(keyOf(to, from))
    if (known) return known.receive(part, bytes)
    if (part.kind === 'rst') return
    const listener = part.kind === 'syn' ? this.#listenerAt(to) : undefined
    if (!listener) return this.#host.emit(to, from, { kind: 'rst', number: 0, acknowledges: 0 }, nothing)
    const end = this.#createEnd(to, from, () => listener.accept(end))
    end.receive(part, bytes)
    end.begin()
  }

  /** The host crashes: its system ends every connection, and tells no program of its own. */
  stop(): void {
    for (const end of this.#ends.values()) end.vanish()
    for (const listener of this.#listeners) listener.close()
  }

  #createEnd(local: Endpoint, remote: Endpoint, opened = (): void => {}): TcpEnd {
    const key = keyOf(local, remote)
    const end = new TcpEnd(
      {
        now: () => this.#host.now(),
        after: (ms, run) => this.#host.after(ms, run),
        emit: (part, bytes) => this.#host.emit(local, remote, part, bytes),
        opened,
        release: () => this.#ends.delete(key),
      },
      remote,
    )
    this.#ends.set(key, end)
    return end
  }

  #listenerAt({ address, port }: Endpoint): SimListener | undefined {
    const there = [...this.#listeners].filter(listener => listener.local.port === port)
    const wildcard = familyOf(address) === 4 ? '0.0.0.0' : '::'
    return there.find(({ local }) => local.address === address) ?? there.find(({ local }) => local.address === wildcard)
  }

  #bindProblem({ address, port }: Endpoint): string | undefined {
    if (!isWildcard(address) && !this.#host.isOwn(address)) return 'EADDRNOTAVAIL'
    const overlaps = ({ local: other, port: taken }: SimListener): boolean =>
      taken === port &&
      familyOf(other.address) === familyOf(address) &&
      (isWildcard(other.address) || isWildcard(address) || other.address === address)
    return [...this.#listeners].some(overlaps) ? 'EADDRINUSE' : undefined
  }

  #freePort(): number {
    const port = this.#nextPort
    this.#nextPort = port === lastPort ? firstPort : port + 1
    return port
  }
}

class SimListener implements TcpListener {
  local: Endpoint
  /** Reserved while binding, when `local` does not show it yet. */
  port = 0
  readonly #release: () => void
  #closed = false
  #onReady = (): void => {}
  #onConnection: (connection: TcpConnection) => void = connection => connection.abort()
  #onError: (error: Error, fatal: boolean) => void = () => {}

  constructor(address: string, release: () => void) {
    this.local = { address, port: 0 }
    this.#release = release
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
    this.#closed = true
    this.#release()
  }

  becomeReady(): void {
    if (this.#closed) return
    this.local = { address: this.local.address, port: this.port }
    this.#onReady()
  }

  fail(error: Error): void {
    if (this.#closed) return
    this.close()
    this.#onError(error, true)
  }

  accept(end: TcpEnd): void {
    if (this.#closed) end.abort()
    else this.#onConnection(end)
  }
}

const keyOf = (local: Endpoint, remote: Endpoint): string => `${endpointKey(local)} ${endpointKey(remote)}`

const systemError = (call: string, code: string, at: Endpoint): Error =>
  Object.assign(new Error(`${call} ${code} ${formatEndpoint(at)}`), { code })
