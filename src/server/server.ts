// Law: bytes and their source come in, datagrams go out, every datagram is counted under one disposition, and nothing
// throws across `receive`. Knows no dialect by name and no clock but its host's.
import { type Endpoint, endpointKey, isWildcard } from '../endpoint.ts'
import { StageError, codeOf } from '../errors.ts'
import type { Host, UdpSocket } from '../host.ts'
import { type Entry, Phonebook } from '../phonebook.ts'
import type { Answer, Desk, Standing } from '../dialects/dialect.ts'
import { dialects, recognise } from '../dialects/index.ts'
import { Admission, type AdmissionOptions, standingOf } from './admission.ts'
import { createBroadcast } from './broadcast.ts'
import type { Counters, Disposition, ServerEvent } from './events.ts'
import { Pushes, mostPushesPerSecond } from './pushes.ts'
import { createSecrets } from './secrets.ts'

export type ServerOptions = AdmissionOptions & {
  /** Where to listen; `optional`: without this one the server runs all the same. */
  listen: readonly (Endpoint & { readonly optional?: boolean })[]
  capacity?: number
  /** An entry ends this long after its last refresh. */
  expiryMs?: number
  /** Sends the whole book to everybody in this interval; 0: never. */
  broadcastMs?: number
  /** Splits an older client's `name@stage`. */
  splitStages?: boolean
  /** Whoever listens here sees every event, in order and at once. */
  onEvent?: (event: ServerEvent) => void
}

const defaultExpiryMs = 120_000
/** Answers whose second half waits for its time. */
const mostHeld = 1000

/** Where a server listens that is not told where: every IPv4 and, where there is IPv6, every IPv6 address. */
export const everywhere: readonly { readonly address: string; readonly optional?: boolean }[] = [
  { address: '0.0.0.0' },
  { address: '::', optional: true },
]

export type Server = {
  /** Where it listens; complete at the event `ready`. */
  readonly endpoints: readonly Endpoint[]
  readonly phonebook: Phonebook
  counters(): Counters
  close(): void
}

export const createServer = (host: Host, options: ServerOptions): Server => {
  const { onEvent, broadcastMs = 0, splitStages = false } = options
  const expiryMs = options.expiryMs ?? (options.classic ? Infinity : defaultExpiryMs)
  const phonebook = new Phonebook({ ...options, expiryMs, plainRing: options.classic ?? false })
  const admission = new Admission(options, new DataView(host.randomBytes(4).buffer).getUint32(0))
  const secrets = createSecrets(host.randomBytes(32))
  const counts = { datagramsIn: 0, bytesIn: 0, datagramsOut: 0, bytesOut: 0, pushed: 0, sendErrors: 0 }
  const dispositions: Record<Disposition, number> = {
    answered: 0,
    empty: 0,
    'too-long': 0,
    'not-utf8': 0,
    'bad-name': 0,
    'reserved-name': 0,
    'bad-stage': 0,
    unrecognised: 0,
    'bad-source': 0,
    'own-echo': 0,
    denied: 0,
    internal: 0,
  }
  const sockets: (UdpSocket | undefined)[] = []
  /** In the order of `listen`; not there: an optional one that could not be had. */
  const bound: (Endpoint | undefined)[] = []
  let own = new Set<string>()
  let closed = false

  /** Whoever listens may throw; that is not to hit the one whose datagram it was. */
  const tell = (event: ServerEvent): void => {
    try {
      onEvent?.(event)
    } catch (error) {
      host.after(0, () => {
        throw error
      })
    }
  }

  const send = (bytes: Uint8Array, to: Endpoint, via: number): void => {
    counts.datagramsOut++
    counts.bytesOut += bytes.length
    sockets[via]?.send(bytes, to)
  }

  const deskAt = (via: number, nowMs: number): Desk => ({
    phonebook,
    nowMs,
    via,
    splitStages,
    cookieFor: from => secrets.cookie(from, nowMs),
    isCookieOf: (cookie, from) => secrets.isCookieOf(cookie, from, nowMs),
    pairToken: secrets.pairToken,
    allowance: (entry, bytesIn, standing) => admission.allowance(entry, bytesIn, standing, nowMs),
  })

  const introduce = (receiver: Entry, entries: readonly Entry[]): boolean => {
    if (pushes.isSpent()) return false // before anything is made or paid for
    const dialect = dialects.find(({ door }) => door === receiver.door)
    for (const bytes of dialect?.introduce(receiver, entries, deskAt(receiver.via, host.now())) ?? []) {
      if (!admission.pay(receiver, bytes.length, 1, standingOf(receiver), host.now())) continue
      if (!pushes.spend()) return false
      counts.pushed++
      send(bytes, receiver.endpoint, receiver.via)
      tell({ event: 'pushed', to: receiver.name, endpoint: receiver.endpoint, sent: bytes })
    }
    return true
  }

  const pushes = new Pushes({ phonebook, clock: host, introduce })
  const mayTell = (receiver: Entry, datagrams: number): 'yes' | 'never' | 'later' => {
    if (!admission.mayAfford(receiver, datagrams, host.now())) return 'never'
    return pushes.left >= Math.min(datagrams, mostPushesPerSecond) ? 'yes' : 'later'
  }
  const broadcast = createBroadcast({ phonebook, host, intervalMs: broadcastMs, mayTell, introduce })

  const paid = (datagrams: readonly Uint8Array[], entry: Entry, standing: Standing): boolean => {
    let bytes = 0
    for (const { length } of datagrams) bytes += length
    return admission.pay(entry, bytes, datagrams.length, standing, host.now())
  }

  let held = 0
  const sendLater = (datagrams: readonly Uint8Array[], from: Endpoint, via: number, laterMs: number): void => {
    const sendAll = (): void => datagrams.forEach(bytes => send(bytes, from, via))
    if (held >= mostHeld) return sendAll()
    held++
    host.after(laterMs, () => {
      held--
      if (!closed) sendAll()
    })
  }

  const settle = (answer: Answer, from: Endpoint, via: number): void => {
    const { later = [], laterMs = 0, elsewhere, registered, standing } = answer
    const datagrams = later.length === 0 ? answer.datagrams : [...answer.datagrams, ...later]
    if (registered && !paid(datagrams, registered.entry, standing)) return
    for (const bytes of answer.datagrams) send(bytes, from, via)
    if (later.length > 0) sendLater(later, from, via, laterMs)
    for (const other of elsewhere) if (pushes.spend()) send(other.bytes, other.endpoint, other.via)
    if (!registered) return
    const { entry, change, displaced } = registered
    const { door, name, stage, endpoint, slot } = entry
    tell({ event: 'registered', door, name, stage, endpoint, slot, change, sent: datagrams })
    if (displaced) tell({ event: 'displaced', name: displaced.name, slot, by: name })
    if (change === 'refreshed') pushes.remind(entry)
    else pushes.announce(entry)
  }

  const handle = (bytes: Uint8Array, from: Endpoint, via: number): Disposition => {
    if (from.port === 0) return 'bad-source'
    if (own.has(endpointKey(from))) return 'own-echo'
    if (!admission.listensTo(from.address)) return 'denied'
    const dialect = recognise(bytes)
    if (!dialect) return 'unrecognised'
    const request = dialect.decode(bytes)
    if (typeof request === 'string') return request
    settle(dialect.answer(request, from, bytes.length, deskAt(via, host.now())), from, via)
    return 'answered'
  }

  /** A mistake of ours costs the datagram that showed it, and nobody else anything. */
  const safely = (bytes: Uint8Array, from: Endpoint, via: number): Disposition => {
    try {
      return handle(bytes, from, via)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      tell({ event: 'internal-error', error: new StageError('internal', message, { cause: error }) })
      return 'internal'
    }
  }

  const receive = (bytes: Uint8Array, from: Endpoint, via: number): void => {
    counts.datagramsIn++
    counts.bytesIn += bytes.length
    const disposition = safely(bytes, from, via)
    dispositions[disposition]++
    if (disposition !== 'answered') tell({ event: 'dropped', disposition, from, length: bytes.length })
  }

  const counters = (): Counters => {
    phonebook.expire(host.now())
    return {
      dispositions: { ...dispositions },
      ...counts,
      pushesSuppressed: pushes.suppressed,
      unpaid: admission.unpaid,
      entries: phonebook.size,
    }
  }

  const close = (): void => {
    if (closed) return
    closed = true
    pushes.close()
    broadcast.close()
    for (const socket of sockets) socket?.close()
    tell({ event: 'closed', counters: counters() })
  }

  let pending = options.listen.length
  const settled = (): void => {
    if (--pending > 0 || closed) return
    const endpoints = bound.filter(endpoint => endpoint !== undefined)
    own = ownEndpoints(endpoints, host.addresses())
    if (endpoints.length > 0) tell({ event: 'ready', endpoints })
  }

  const open = ({ optional, ...at }: ServerOptions['listen'][number], via: number): void => {
    const socket = host.udp(at)
    sockets[via] = socket
    let ready = false
    socket.onReady(() => {
      if (closed) return
      ready = true
      bound[via] = socket.local
      if (at.port === 0 && via === 0) rest.forEach((other, i) => open({ ...other, port: socket.local.port }, i + 1))
      tell({ event: 'listening', endpoint: socket.local, receiveBufferBytes: socket.receiveBufferBytes })
      settled()
    })
    socket.onError((error, fatal) => {
      if (closed) return
      if (!fatal || ready) {
        counts.sendErrors++
        return
      }
      sockets[via] = undefined
      if (optional && !/EADDRINUSE/.test(codeOf(error))) return settled()
      tell({ event: 'error', error: bindError(at, error) })
      close()
    })
    socket.onDatagram((bytes, from) => {
      if (!closed) receive(bytes, from, via)
    })
  }

  // Port 0 means any, but the same one everywhere: the others wait until the first one has it.
  const [first, ...rest] = options.listen
  if (first) open(first, 0)
  if (first?.port !== 0) rest.forEach((other, i) => open(other, i + 1))

  return {
    get endpoints() {
      return bound.filter(endpoint => endpoint !== undefined)
    },
    phonebook,
    counters,
    close,
  }
}

/** Every spelling of our own sockets as a source: a datagram that claims to come from there is an echo of ours. */
const ownEndpoints = (bound: readonly Endpoint[], addresses: readonly string[]): Set<string> => {
  const own = new Set<string>()
  for (const endpoint of bound) {
    own.add(endpointKey(endpoint))
    for (const address of [...addresses, '127.0.0.1', '::1']) {
      if (isWildcard(endpoint.address)) own.add(endpointKey({ address, port: endpoint.port }))
    }
  }
  return own
}

const bindError = (at: Endpoint, cause: Error): StageError => {
  const where = `UDP port ${at.port}${isWildcard(at.address) ? '' : ` of ${at.address}`}`
  const reasons: Record<string, string> = {
    EADDRINUSE: `${where} is already in use: another server may be running; stop it, or choose another port (-p)`,
    EACCES: `${where} may not be opened by this user: choose one above 1023 (-p)`,
    EADDRNOTAVAIL: `${at.address} is not an address of this machine: give --host one that is, or leave it out`,
  }
  return new StageError('cannot-bind', reasons[codeOf(cause)] ?? `${where} cannot be opened: ${cause.message}`, {
    cause,
  })
}
