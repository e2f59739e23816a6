// Law: knows no dialect by name. The server's TCP connections: lines come in, lines go out, and each connection has bounds on
// its time, its bytes and its place, so that slow, silent and endless ones cost nobody else anything.
import { type Endpoint, familyOf, prefixOf } from '../endpoint.ts'
import type { Conversation, Desk, Reply } from '../dialects/dialect.ts'
import { type LineReader, createLineReader } from '../dialects/lines.ts'
import type { Host, TcpConnection, TcpListener } from '../host.ts'
import { encodeUtf8 } from '../utf8.ts'
import { type ConnectionCounters, type Parting, partings } from './events.ts'

const longestLine = 512
/** Of a line that never ends. */
const longestSkipped = 64 * 1024
/** Who has no name yet. */
const firstLineMs = 5000
const namelessMs = 120_000
const mostFromAddress = 16
/** Of the descriptors that there are: the rest is for everything else. */
const shareOfDescriptors = 0.8
/** What waits for a slow reader, and for how long. */
const mostUnsent = 256 * 1024
const longestUnsentMs = 10_000
/** What one connection may cause: bytes out, and something for each line in. */
const burst = 1024 * 1024
const perSecond = 64 * 1024
const perLine = 512
/** Who is refused is told why, but only so many at a time. */
const mostFarewells = 64
const sweepMs = 250
/** Many that came at once are not all sent away in one turn of the event loop. */
const mostInASweep = 50

export type ConnectionsOptions = {
  readonly host: Host
  /** Undefined where no dialect has such a half. */
  readonly converse: (from: Endpoint) => Conversation | undefined
  readonly desk: () => Desk
  readonly listensTo: (address: string) => boolean
  /** What a line led to, beside its answer. */
  readonly onReply: (reply: Reply, from: Endpoint) => void
  readonly onParting: (parting: Parting, from: Endpoint, name?: string) => void
  /** A mistake of ours. */
  readonly onInternal: (error: unknown) => void
}

export type Connections = {
  /** Takes connections there as well. */
  listen(at: Endpoint, onReady: () => void, onFailed: (error: Error) => void): void
  /** False where nobody of this name is connected. */
  say(name: string, bytes: Uint8Array): boolean
  counters(): ConnectionCounters
  close(): void
}

type Guest = {
  readonly connection: TcpConnection
  readonly conversation: Conversation
  readonly reader: LineReader
  readonly from: Endpoint
  readonly place: string
  readonly sinceMs: number
  lineMs: number
  credit: number
  creditMs: number
  unsentSinceMs: number
  /** Its conversation is over; what was said last may still be on its way. */
  ended: boolean
}

export const createConnections = (options: ConnectionsOptions): Connections => {
  const { host, desk, onParting } = options
  const most = Math.floor(shareOfDescriptors * host.descriptorLimit())
  const listeners: TcpListener[] = []
  const guests = new Set<Guest>()
  const byName = new Map<string, Guest>()
  const atPlace = new Map<string, number>()
  const parted = Object.fromEntries(partings.map(each => [each, 0])) as Record<Parting, number>
  let accepted = 0
  let linesIn = 0
  let farewells = 0
  let sweeping = false
  let cancelSweep = (): void => {}

  const part = (parting: Parting, from: Endpoint, name?: string): void => {
    parted[parting]++
    onParting(parting, from, name)
  }

  const refuse = (connection: TcpConnection, parting: 'crowded' | 'full'): void => {
    part(parting, connection.remote)
    if (farewells >= mostFarewells) return connection.abort()
    farewells++
    connection.onClose(() => void farewells--)
    connection.send(farewell(refusals[parting]))
    connection.close()
  }

  const accept = (connection: TcpConnection): void => {
    accepted++
    const from = connection.remote
    if (!options.listensTo(from.address)) {
      connection.abort()
      return part('denied', from)
    }
    const conversation = options.converse(from)
    if (!conversation) return connection.abort()
    const place = placeOf(from)
    const there = atPlace.get(place) ?? 0
    if (guests.size >= most) return refuse(connection, 'full')
    if (there >= mostFromAddress) return refuse(connection, 'crowded')
    atPlace.set(place, there + 1)
    const now = host.now()
    const guest: Guest = {
      connection,
      conversation,
      reader: createLineReader(longestLine),
      from,
      place,
      sinceMs: now,
      lineMs: -Infinity,
      credit: burst,
      creditMs: now,
      unsentSinceMs: Infinity,
      ended: false,
    }
    guests.add(guest)
    connection.onData(bytes => receive(guest, bytes))
    connection.onClose(() => leave(guest))
    connection.send(conversation.greeting())
    if (!sweeping) sweep()
  }

  const leave = (guest: Guest): void => {
    if (!guest.ended) end(guest, 'dropped')
    guests.delete(guest)
    const there = (atPlace.get(guest.place) ?? 1) - 1
    if (there > 0) atPlace.set(guest.place, there)
    else atPlace.delete(guest.place)
  }

  /** `words`: the last ones, for who can still hear them. */
  const end = (guest: Guest, parting: Parting, words?: string): void => {
    if (guest.ended) return
    guest.ended = true
    const { connection, conversation } = guest
    const { name } = conversation
    if (name !== undefined) byName.delete(name)
    conversation.close(desk())
    if (words !== undefined) connection.send(farewell(words))
    if (parting === 'left' || words !== undefined) connection.close()
    else if (parting !== 'dropped') connection.abort()
    part(parting, guest.from, name)
  }

  const receive = (guest: Guest, bytes: Uint8Array): void => {
    try {
      for (const line of guest.reader.read(bytes)) {
        if (guest.ended) return
        linesIn++
        guest.lineMs = host.now()
        answer(guest, guest.conversation.receive(line, desk()))
      }
      if (guest.reader.skipped > longestSkipped) end(guest, 'too-long')
    } catch (error) {
      end(guest, 'internal')
      options.onInternal(error)
    }
  }

  const answer = (guest: Guest, reply: Reply): void => {
    const { bytes, ends } = reply
    const { name } = guest.conversation
    if (name !== undefined) byName.set(name, guest)
    if (!affords(guest, perLine + (bytes?.length ?? 0))) return end(guest, 'flood', 'too much at once')
    if (bytes) send(guest, bytes)
    options.onReply(reply, guest.from)
    if (ends) end(guest, ends)
  }

  const affords = (guest: Guest, cost: number): boolean => {
    const now = host.now()
    guest.credit = Math.min(burst, guest.credit + ((now - guest.creditMs) / 1000) * perSecond) - cost
    guest.creditMs = now
    return guest.credit >= 0
  }

  const send = (guest: Guest, bytes: Uint8Array): void => {
    if (guest.connection.unsentBytes + bytes.length > mostUnsent) return end(guest, 'slow')
    guest.connection.send(bytes)
  }

  const problemOf = (guest: Guest, now: number): [Parting, string?] | undefined => {
    const { conversation, connection, sinceMs, lineMs } = guest
    guest.unsentSinceMs = connection.unsentBytes > 0 ? Math.min(guest.unsentSinceMs, now) : Infinity
    if (now - guest.unsentSinceMs >= longestUnsentMs) return ['slow']
    if (conversation.name !== undefined) return undefined
    if (lineMs === -Infinity)
      return now - sinceMs >= firstLineMs ? ['silent', 'a nickname within 5 s, please'] : undefined
    return now - lineMs >= namelessMs ? ['idle', 'no nickname for 120 s'] : undefined
  }

  /** One timer for all of them. */
  const sweep = (): void => {
    sweeping = guests.size > 0
    if (!sweeping) return
    const now = host.now()
    let ends = 0
    for (const guest of guests) {
      const problem = guest.ended ? undefined : problemOf(guest, now)
      if (problem) end(guest, ...problem)
      if (problem && ++ends >= mostInASweep) break
    }
    cancelSweep = host.after(sweepMs, sweep)
  }

  return {
    listen(at, onReady, onFailed) {
      const listener = host.tcpListen(at)
      listeners.push(listener)
      listener.onReady(onReady)
      listener.onError((error, fatal) => fatal && onFailed(error))
      listener.onConnection(accept)
    },
    say(name, bytes) {
      const guest = byName.get(name)
      if (guest) send(guest, bytes)
      return guest !== undefined
    },
    counters: () => ({ open: guests.size, accepted, linesIn, parted: { ...parted } }),
    close() {
      cancelSweep()
      for (const listener of listeners) listener.close()
      for (const guest of guests) end(guest, 'closed')
    },
  }
}

const refusals = { crowded: `at most ${mostFromAddress} connections from one address`, full: 'the server is full' }

const farewell = (reason: string): Uint8Array => encodeUtf8(`ERROR ${reason}\n`)

/** Where IPv6 customers choose addresses from, for one place. */
const placeOf = ({ address }: Endpoint): string => (familyOf(address) === 4 ? address : prefixOf(address, 64))
