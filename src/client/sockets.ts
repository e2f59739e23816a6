// The way to the server: looks its host up, opens a socket for each of its address families, and knows when there is no way.
import { type Endpoint, type Family, familyOf, parseAddress } from '../endpoint.ts'
import { StageError, codeOf } from '../errors.ts'
import type { Host, SendOptions, UdpSocket } from '../host.ts'

export type SocketsOptions = {
  readonly host: Host
  /** Name or IP address of the Stage Manager. */
  readonly server: string
  readonly port: number
  readonly onDatagram: (bytes: Uint8Array, from: Endpoint) => void
  /** Families to have a socket of if that can be, whichever the server's are; asked each time that it was found. */
  readonly alsoOpen?: (servers: readonly string[]) => readonly Family[]
  /** The server's addresses, each time that they were looked up. */
  readonly onFound: (servers: readonly Endpoint[]) => void
  /** A server has answered: errors of sending are of no interest any more. */
  readonly hasAnswered: () => boolean
  readonly onFailed: (error: StageError) => void
}

export type Sockets = {
  send(bytes: Uint8Array, to: Endpoint, options?: SendOptions): void
  /** The server's addresses as they were found last. */
  readonly servers: readonly Endpoint[]
  /** Where the socket of this family is bound. */
  local(family: Family): Endpoint | undefined
  /** Finds the server's addresses; may be called again at any time. */
  lookup(): void
  close(): void
}

const unroutable = /^(ENETUNREACH|EHOSTUNREACH|ENETDOWN|EADDRNOTAVAIL|EAFNOSUPPORT|EINVAL)$/
const unroutableAfterMs = 100

export const createSockets = (options: SocketsOptions): Sockets => {
  const { host, server, port } = options
  const sockets = new Map<Family, UdpSocket>()
  const unreachable = new Set<string>()
  let servers: readonly Endpoint[] = []
  let lookingUp = false
  let closed = false
  let cancelUnroutable = (): void => {}

  /** Runs `then` when sockets for all of these families are bound, as far as they can be; of `needed` one has to be. */
  const open = (needed: ReadonlySet<Family>, also: readonly Family[], then: () => void): void => {
    const missing = [...new Set([...needed, ...also])].filter(family => !sockets.has(family))
    let pending = missing.length
    let cause: Error | undefined
    const settle = (): void => {
      if (pending > 0) return
      if ([...needed].some(family => sockets.has(family))) return then()
      if (servers.length > 0) return // it was found elsewhere before
      options.onFailed(new StageError('cannot-bind', `No UDP socket can be opened: ${cause?.message}`, { cause }))
    }
    if (pending === 0) return settle()
    for (const family of missing) {
      const socket = host.udp({ address: family === 4 ? '0.0.0.0' : '::', port: 0 })
      sockets.set(family, socket)
      socket.onDatagram((bytes, from) => {
        if (!closed && from.port !== 0) options.onDatagram(bytes, from)
      })
      socket.onReady(() => {
        pending--
        if (!closed) settle()
      })
      socket.onError((error, fatal) => {
        if (closed) return
        if (!fatal) return noteSendError(error, family)
        sockets.delete(family)
        pending--
        if (needed.has(family)) cause = error
        settle()
      })
    }
  }

  const noteSendError = (error: Error, family: Family): void => {
    const code = codeOf(error)
    if (options.hasAnswered() || !unroutable.test(code)) return
    unreachable.add('address' in error ? String(error.address) : `IPv${family}`)
    const tried = new Set(servers.map(({ address }) => address))
    if (unreachable.size < tried.size) return
    const where = servers.map(({ address }) => address).join(', ')
    cancelUnroutable()
    cancelUnroutable = host.after(unroutableAfterMs, () => {
      if (options.hasAnswered()) return
      const remedy = 'is the network up?'
      options.onFailed(
        new StageError('server-unreachable', `No route to the Stage Manager at ${where} (${code}): ${remedy}`),
      )
    })
  }

  const found = (addresses: readonly string[]): void => {
    // IPv4 first: the peers of a server with both are mostly reached there, and two that choose differently can't meet.
    const ordered = [...addresses].sort((a, b) => familyOf(a) - familyOf(b))
    open(new Set(ordered.map(familyOf)), options.alsoOpen?.(ordered) ?? [], () => {
      servers = ordered.filter(address => sockets.has(familyOf(address))).map(address => ({ address, port }))
      options.onFound(servers)
    })
  }

  return {
    send: (bytes, to, sendOptions) => sockets.get(familyOf(to.address))?.send(bytes, to, sendOptions),
    get servers() {
      return servers
    },
    local: family => sockets.get(family)?.local,
    lookup() {
      const literal = parseAddress(server)
      if (literal) {
        if (servers.length === 0) found([literal])
        return
      }
      if (lookingUp) return
      lookingUp = true
      host.resolve(server, (addresses, error) => {
        lookingUp = false
        if (closed) return
        if (addresses.length > 0) return found(addresses)
        if (servers.length > 0) return // it was known once; it may be known again
        const remedy = 'check the spelling of -s, or give an IP address'
        options.onFailed(new StageError('unknown-host', `No such host: ${server}: ${remedy}`, { cause: error }))
      })
    },
    close() {
      closed = true
      cancelUnroutable()
      for (const socket of sockets.values()) socket.close()
    },
  }
}
