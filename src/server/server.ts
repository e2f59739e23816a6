// Law: bytes and their source come in, datagrams go out, every datagram is counted under one disposition, and nothing
// throws across `receive`. Knows no dialect by name and no clock but its host's.
import { claimHolds } from '../claim.ts'
import type { Endpoint } from '../endpoint.ts'
import { StageError } from '../errors.ts'
import type { Host } from '../host.ts'
import type { Door, Entry, Registered } from '../entry.ts'
import { Phonebook } from '../phonebook.ts'
import type { Answer, Desk, Dialect, Reply } from '../dialects/dialect.ts'
import { createDialects } from '../dialects/index.ts'
import { Admission, type AdmissionOptions, standingOf } from './admission.ts'
import { createBroadcast } from './broadcast.ts'
import { createConnections } from './connections.ts'
import { type Counters, type Disposition, type ServerEvent, dispositions } from './events.ts'
import { type Listen, bindError, createListeners } from './listeners.ts'
import { Pushes, mostPushesPerSecond } from './pushes.ts'
import { createSecrets } from './secrets.ts'

export type ServerOptions = AdmissionOptions & {
  /** Where to listen. */
  listen: readonly Listen[]
  /** What it speaks. Default: every dialect. */
  dialects?: readonly Door[]
  capacity?: number
  /** An entry ends this long after its last refresh. */
  expiryMs?: number
  /** Sends the whole book to everybody in this interval; 0: never. */
  broadcastMs?: number
  /** Splits an older client's `name@stage`. */
  splitStages?: boolean
  /** Where clients dial it, besides its own addresses: a name is owned only where the server knows itself. Port 0: those it listens on. */
  publicEndpoints?: readonly Endpoint[]
  /** Whoever listens here sees every event, in order and at once. */
  onEvent?: (event: ServerEvent) => void
}

const defaultExpiryMs = 120_000
/** Answers whose second half waits for its time. */
const mostHeld = 1000
const none: readonly never[] = []

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
  const dialects = createDialects(options.dialects)
  const counts = { datagramsIn: 0, bytesIn: 0, datagramsOut: 0, bytesOut: 0, pushed: 0, sendErrors: 0 }
  const counted = Object.fromEntries(dispositions.map(each => [each, 0])) as Record<Disposition, number>
  let held = 0
  let readMs: number | undefined
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
    listeners.send(bytes, to, via)
  }

  const dialectOf = (door: Door) => dialects.find(dialect => dialect.door === door)

  const clock = (): number => host.now()
  /** The same however often it is asked about one datagram. */
  const now = (): number => (readMs ??= clock())

  /** One for all, as it is asked for every datagram: nobody may keep it. */
  const deskAt = (via: number): Desk => {
    desk.via = via
    readMs = undefined
    return desk
  }

  const introduce = (receiver: Entry, entries: readonly Entry[]): void => {
    if (pushes.isSpent()) return // before anything is made or paid for
    const dialect = dialectOf(receiver.door)
    for (const bytes of dialect?.introduce(receiver, entries, deskAt(receiver.via)) ?? []) {
      if (dialect?.converse) {
        if (!pushes.spend()) return
        if (!connections.say(receiver.name, bytes)) continue
        counts.pushed++
        tell({ event: 'pushed', to: receiver.name, endpoint: receiver.endpoint, sent: bytes })
        continue
      }
      if (!admission.pay(receiver, bytes.length, 1, standingOf(receiver), now)) continue
      if (!pushes.spend()) return
      counts.pushed++
      send(bytes, receiver.endpoint, receiver.via)
      tell({ event: 'pushed', to: receiver.name, endpoint: receiver.endpoint, sent: bytes })
    }
  }

  const pushes = new Pushes({ phonebook, clock: host, introduce })
  const mayTell = (receiver: Entry, datagrams: number): 'yes' | 'never' | 'later' => {
    if (!admission.mayAfford(receiver, datagrams, clock)) return 'never'
    return pushes.left >= Math.min(datagrams, mostPushesPerSecond) ? 'yes' : 'later'
  }
  const broadcast = createBroadcast({ phonebook, host, intervalMs: broadcastMs, mayTell, introduce })

  const isPaid = ({ datagrams, later = none, payer, standing }: Answer): boolean => {
    let bytes = 0
    for (const { length } of datagrams) bytes += length
    for (const { length } of later) bytes += length
    return admission.pay(payer, bytes, datagrams.length + later.length, standing, now)
  }

  const sendLater = (datagrams: readonly Uint8Array[], to: Endpoint, via: number, laterMs: number): void => {
    const sendAll = (): void => datagrams.forEach(bytes => send(bytes, to, via))
    if (held >= mostHeld) return sendAll()
    held++
    host.after(laterMs, () => {
      held--
      if (!closed) sendAll()
    })
  }

  const settle = (answer: Answer, door: Door, from: Endpoint, requestVia: number): void => {
    if (!isPaid(answer)) return
    const { datagrams, by, later, laterMs = 0, told } = answer
    const endpoint = by ? by.endpoint : from
    const via = by ? by.via : requestVia
    for (const bytes of datagrams) send(bytes, endpoint, via)
    if (later) sendLater(later, endpoint, via, laterMs)
    if (told) connections.say(told.name, told.bytes)
    followUp(answer, door, from)
    if (answer.registered) enter(answer.registered, told ? [told.bytes] : datagrams)
  }

  const followUp = ({ introductions = [], asked }: Reply, door: Door, from: Endpoint): void => {
    for (const [receiver, entry] of introductions) introduce(receiver, [entry])
    if (asked) tell({ event: 'asked', door, from, ...asked })
  }

  const enter = ({ entry, change, displaced, formerly }: Registered, sent: readonly Uint8Array[]): void => {
    const { door, name, stage, endpoint, slot } = entry
    const notice = formerly && dialectOf(formerly.door)?.notice?.(entry, deskAt(formerly.via))
    if (notice && pushes.spend()) send(notice, formerly.endpoint, formerly.via)
    tell({ event: 'registered', door, name, stage, endpoint, slot, change, sent })
    if (displaced) tell({ event: 'displaced', name: displaced.name, slot, by: name })
    if (change === 'refreshed') pushes.remind(entry)
    else pushes.announce(entry)
  }

  const recognise = (bytes: Uint8Array): Dialect<object> | undefined => {
    for (const dialect of dialects) if (dialect.recognises(bytes)) return dialect
    return undefined
  }

  const handle = (bytes: Uint8Array, from: Endpoint, via: number): Disposition => {
    if (from.port === 0) return 'bad-source'
    if (listeners.isOwn(from)) return 'own-echo'
    if (!admission.listensTo(from.address)) return 'denied'
    const dialect = recognise(bytes)
    if (!dialect || (options.listen[via]?.stunOnly && dialect.door !== 'stun')) return 'unrecognised'
    const request = dialect.decode(bytes)
    if (typeof request === 'string') return request
    const answer = dialect.answer(request, from, bytes.length, deskAt(via))
    if (typeof answer === 'string') return answer
    settle(answer, dialect.door, from, via)
    return answer.refusal ?? 'answered'
  }

  /** A mistake of ours costs the datagram that showed it, and nobody else anything. */
  const safely = (bytes: Uint8Array, from: Endpoint, via: number): Disposition => {
    try {
      return handle(bytes, from, via)
    } catch (error) {
      tellInternal(error)
      return 'internal'
    }
  }

  const tellInternal = (error: unknown): void => {
    const message = error instanceof Error ? error.message : String(error)
    tell({ event: 'internal-error', error: new StageError('internal', message, { cause: error }) })
  }

  const receive = (bytes: Uint8Array, from: Endpoint, via: number): void => {
    counts.datagramsIn++
    counts.bytesIn += bytes.length
    const disposition = safely(bytes, from, via)
    counted[disposition]++
    if (disposition !== 'answered') tell({ event: 'dropped', disposition, from, length: bytes.length })
  }

  const counters = (): Counters => {
    phonebook.expire(host.now())
    return {
      dispositions: { ...counted },
      ...counts,
      pushesSuppressed: pushes.suppressed,
      unpaid: admission.unpaid,
      entries: phonebook.size,
      connections: connections.counters(),
    }
  }

  const endpoints = (): Endpoint[] => listeners.bound.filter(endpoint => endpoint !== undefined)

  const close = (): void => {
    if (closed) return
    closed = true
    pushes.close()
    broadcast.close()
    connections.close()
    listeners.close()
    tell({ event: 'closed', counters: counters() })
  }

  const talkative = dialects.find(dialect => dialect.converse)
  const connections = createConnections({
    host,
    converse: from => talkative?.converse?.(from),
    desk: () => deskAt(0),
    listensTo: address => admission.listensTo(address),
    onReply: (reply, from) => talkative && followUp(reply, talkative.door, from),
    onParting: (parting, from, name) => tell({ event: 'parted', parting, from, ...(name !== undefined && { name }) }),
    onInternal: tellInternal,
  })

  /** TCP of the same numbers; without it the server runs all the same. */
  const openConnections = (done: () => void): void => {
    const places = listeners.bound.filter((at, via) => at && !options.listen[via]?.stunOnly) as Endpoint[]
    let pending = places.length
    const settled = (): void => {
      if (--pending === 0 && !closed) done()
    }
    if (!talkative || pending === 0) return done()
    for (const at of places) {
      connections.listen(at, settled, error => {
        tell({ event: 'unserved', door: talkative.door, error: bindError(at, error, 'TCP') })
        settled()
      })
    }
  }

  const forStun = (): Endpoint[] =>
    options.listen.flatMap(({ stunOnly }, via) => (stunOnly && listeners.bound[via]) || [])

  const listeners = createListeners({
    host,
    listen: options.listen,
    publicEndpoints: options.publicEndpoints ?? [],
    onDatagram: receive,
    onListening: ({ local, receiveBufferBytes }) => tell({ event: 'listening', endpoint: local, receiveBufferBytes }),
    onReady: () => openConnections(() => tell({ event: 'ready', endpoints: endpoints(), forStun: forStun() })),
    onSendError: () => void counts.sendErrors++,
    onFailed(error) {
      tell({ event: 'error', error })
      close()
    },
  })

  /** Without a getter: V8 would look up everything in it as in a Map, some ten times for every datagram. */
  const desk = {
    phonebook,
    now,
    via: 0,
    sockets: dialectOf('stun') ? listeners.bound : none,
    splitStages,
    randomBytes: count => host.randomBytes(count),
    cookieFor: (from, placement) => secrets.cookie(from, now(), placement),
    isCookieOf: (cookie, from, placement) => secrets.isCookieOf(cookie, from, now(), placement),
    claimHolds(claim, sig, from) {
      if (options.classic) return 'no' // as the older server: names have no owners
      if (!listeners.isOursFrom(from, claim.to)) {
        tell({ event: 'dialled-elsewhere', name: claim.name, from, to: claim.to })
        return 'no'
      }
      if (!admission.mayVerify(from.address, now)) return 'later'
      return claimHolds(claim, sig) ? 'yes' : 'no'
    },
    pairToken: secrets.pairToken,
    allowance: (payer, bytesIn, standing) => admission.allowance(payer, bytesIn, standing, now),
  } satisfies Desk as Desk & { via: number }

  return {
    get endpoints() {
      return endpoints()
    },
    phonebook,
    counters,
    close,
  }
}
