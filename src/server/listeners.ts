// The server's UDP sockets: opened all together, an optional one may be missing, port 0 means any but the same everywhere.
import { type Endpoint, classifyAddress, endpointKey, isWildcard } from '../endpoint.ts'
import { StageError, codeOf } from '../errors.ts'
import type { Host, UdpSocket } from '../host.ts'

export type Listen = Endpoint & {
  /** Without this one the server runs all the same, if the machine has no such address. */
  readonly optional?: boolean
  /** Without this one it runs even if another program has the port. */
  readonly spare?: boolean
  /** For RFC 5780's other address and port. */
  readonly stunOnly?: boolean
}

/** Where a server listens that is not told where: every IPv4 and, where there is IPv6, every IPv6 address. */
export const everywhere: readonly { readonly address: string; readonly optional?: boolean }[] = [
  { address: '0.0.0.0' },
  { address: '::', optional: true },
]

export type ListenersOptions = {
  readonly host: Host
  readonly listen: readonly Listen[]
  /** Our own too, by which others know us; port 0: those that are bound. */
  readonly publicEndpoints: readonly Endpoint[]
  readonly onDatagram: (bytes: Uint8Array, from: Endpoint, via: number) => void
  readonly onListening: (socket: UdpSocket) => void
  /** All are bound. */
  readonly onReady: () => void
  readonly onSendError: () => void
  /** One that is needed can't be had. */
  readonly onFailed: (error: StageError) => void
}

export type Listeners = {
  /** In the order of `listen`; not there: one that is not bound, or could not be had. */
  readonly bound: readonly (Endpoint | undefined)[]
  send(bytes: Uint8Array, to: Endpoint, via: number): void
  /** Whether it is one of our own sockets, under any of its addresses: such a datagram is an echo of ours. */
  isOwn(endpoint: Endpoint): boolean
  /** Whether that is us to somebody who is seen at `from`. Others have 127.0.0.1 and 192.168.0.10 too, and relay what was said there. */
  isOursFrom(from: Endpoint, endpoint: Endpoint): boolean
  close(): void
}

export const createListeners = (options: ListenersOptions): Listeners => {
  const { host, listen } = options
  const sockets: (UdpSocket | undefined)[] = []
  const bound: (Endpoint | undefined)[] = listen.map(() => undefined)
  let own = new Set<string>()
  let published = new Set<string>()
  /** Asked first, of every datagram: it is hardly ever one of these. */
  let ports = new Set<number>()
  let closed = false
  let pending = listen.length

  const settled = (): void => {
    if (--pending > 0 || closed) return
    const endpoints = bound.filter(endpoint => endpoint !== undefined)
    published = publishedOf(endpoints, options.publicEndpoints)
    own = new Set([...published, ...spellings(endpoints, host.addresses())])
    ports = new Set([...endpoints, ...options.publicEndpoints].map(({ port }) => port))
    if (endpoints.length > 0) options.onReady()
  }

  const open = (at: Listen, via: number): void => {
    const socket = host.udp({ address: at.address, port: at.port })
    sockets[via] = socket
    let ready = false
    socket.onReady(() => {
      if (closed) return
      ready = true
      bound[via] = socket.local
      if (at === first) for (const other of waiting) open({ ...other, port: socket.local.port }, listen.indexOf(other))
      options.onListening(socket)
      settled()
    })
    socket.onError((error, fatal) => {
      if (closed) return
      if (!fatal || ready) return options.onSendError()
      sockets[via] = undefined
      if (at.spare || (at.optional && !/EADDRINUSE/.test(codeOf(error)))) return settled()
      options.onFailed(bindError(at, error))
    })
    socket.onDatagram((bytes, from) => {
      if (!closed) options.onDatagram(bytes, from, via)
    })
  }

  // Port 0 means any, but the same one everywhere: the others wait until the first one has it.
  const [first, ...waiting] = listen.filter(({ port }) => port === 0)
  for (const [via, at] of listen.entries()) if (!waiting.includes(at)) open(at, via)

  const isOwn = (endpoint: Endpoint): boolean => ports.has(endpoint.port) && own.has(endpointKey(endpoint))

  return {
    bound,
    send: (bytes, to, via) => sockets[via]?.send(bytes, to),
    isOwn,
    isOursFrom: (from, endpoint) =>
      isOwn(endpoint) &&
      (published.has(endpointKey(endpoint)) || distanceTo(from.address) <= distanceTo(endpoint.address)),
    close() {
      closed = true
      for (const socket of sockets) socket?.close()
    },
  }
}

/** How far off somebody can be who means the same host by the address: on it, in its network, anywhere. */
const distanceTo = (address: string): number => {
  const kind = classifyAddress(address)
  return kind === 'loopback' ? 0 : kind === 'private' || kind === 'link-local' ? 1 : 2
}

const publishedOf = (bound: readonly Endpoint[], publicEndpoints: readonly Endpoint[]): Set<string> =>
  new Set(
    publicEndpoints.flatMap(({ address, port }) =>
      (port === 0 ? bound : [{ port }]).map(at => endpointKey({ address, port: at.port })),
    ),
  )

const spellings = (bound: readonly Endpoint[], addresses: readonly string[]): Set<string> => {
  const all = new Set(bound.map(endpointKey))
  for (const { address: at, port } of bound) {
    if (!isWildcard(at)) continue
    for (const address of [...addresses, '127.0.0.1', '::1']) all.add(endpointKey({ address, port }))
  }
  return all
}

export const bindError = (at: Endpoint, cause: Error, protocol: 'UDP' | 'TCP' = 'UDP'): StageError => {
  const where = `${protocol} port ${at.port}${isWildcard(at.address) ? '' : ` of ${at.address}`}`
  const reasons: Record<string, string> = {
    EADDRINUSE: `${where} is already in use: another server may be running; stop it, or choose another port (-p)`,
    EACCES: `${where} may not be opened by this user: choose one above 1023 (-p)`,
    EADDRNOTAVAIL: `${at.address} is not an address of this machine: give one that is (--host, --alt-address), or leave it out`,
  }
  return new StageError('cannot-bind', reasons[codeOf(cause)] ?? `${where} cannot be opened: ${cause.message}`, {
    cause,
  })
}
