// Law: pure. What the Stage Manager answers to a registration, and what it pushes: docs/dialects.md section 1.
import { type Endpoint, familyOf } from '../../endpoint.ts'
import type { Entry, Registered } from '../../phonebook.ts'
import { isStage, nameProblem } from '../../name.ts'
import { encodeUtf8, utf8Length } from '../../utf8.ts'
import type { Allowance, Answer, Desk, Dialect } from '../dialect.ts'
import {
  type LineFields,
  type RegistrationRequest,
  decodeRegistration,
  encodeLine,
  formatLine,
  packedAnswer,
} from './codec.ts'
import { samples } from './samples.ts'

/** The older client reads 30 datagrams between two registrations and never gets out of an answer as long as that. */
const mostToOlder = 16
/** Up to here a seeker sees its whole stage; on a larger one, only whom it seeks. */
const smallStage = 16

export const phonebook: Dialect<RegistrationRequest> = {
  door: 'phonebook',
  recognises: () => true, // the last one asked: whatever begins with a legal name
  samples,
  decode: decodeRegistration,

  answer(asked, from, bytesIn, desk) {
    const request = desk.splitStages && !asked.newer ? splitStage(asked) : asked
    const { phonebook: book, nowMs, via } = desk
    const { name, stage, newer, seek, hosts } = request
    const registration = { name, stage, newer, seek, hosts, endpoint: from, door: 'phonebook', via } as const
    const registered = book.register(registration, nowMs)
    const { entry } = registered
    const { cookie } = request
    const echoed = cookie !== undefined && (cookie === entry.cookie || desk.isCookieOf(cookie, from))
    if (echoed) book.prove(entry)
    // Of this request: who forges the source of a proven one gets no more than anybody.
    const standing = !request.newer ? 'older' : echoed ? 'proven' : 'unproven'
    const allowance = desk.allowance(entry, bytesIn, standing)
    const datagrams = request.newer ? packed(entry, desk, allowance) : plain(entry, desk, allowance)
    return { datagrams, elsewhere: notice(registered, desk), registered, standing }
  },

  introduce(receiver, entries, desk) {
    const { count } = desk.phonebook
    const reachable = entries.filter(entry => canReach(receiver, entry.endpoint))
    if (!receiver.newer) return reachable.map(entry => linesOf(entry, count).plain)
    const packer = createPacker(unlimited)
    for (const entry of reachable) packer.add(formatLine(entry, count, shownTo(receiver, entry, desk)))
    return packer.datagrams()
  },
}

/** Whoever held the name is told, without a cookie, who holds it now. After a rebinding of its own that goes nowhere. */
const notice = ({ entry, formerly }: Registered, desk: Desk): NonNullable<Answer['elsewhere']> =>
  formerly ? [{ ...formerly, bytes: encodeLine(entry, desk.phonebook.count) }] : []

/** `alice@jam` of an older client: alice, on the stage jam. */
const splitStage = (request: RegistrationRequest): RegistrationRequest => {
  const at = request.name.lastIndexOf('@')
  const [name, stage] = [request.name.slice(0, at), request.name.slice(at + 1)]
  return at > 0 && isStage(stage) && nameProblem(name) === undefined ? { ...request, name, stage } : request
}

/** One line a datagram: its own first, for the older client loses the first datagram that it ever gets. */
const plain = (entry: Entry, desk: Desk, allowance: Allowance): Uint8Array[] => {
  const { phonebook: book } = desk
  const others = book.latest(entry.stage, mostToOlder - 1, other => other !== entry && canReach(entry, other.endpoint))
  const datagrams: Uint8Array[] = []
  let bytes = 0
  for (const listed of [entry, ...others]) {
    const line = linesOf(listed, book.count).plain
    bytes += line.length + allowance.headerBytes
    if (bytes > allowance.bytes || datagrams.length >= allowance.datagrams) break
    datagrams.push(line)
  }
  return datagrams
}

/** Whole lines, several to a datagram: its own with the cookie, the one it seeks, and the rest where that is wanted. */
const packed = (entry: Entry, desk: Desk, allowance: Allowance): Uint8Array[] => {
  const { phonebook: book } = desk
  const cookie = (entry.cookie ??= desk.cookieFor(entry.endpoint))
  const sought = entry.seek === undefined ? undefined : book.find(entry.seek, entry.stage)
  const packer = createPacker(allowance)
  packer.add(formatLine(entry, book.count, { newer: true, proven: entry.proven, cookie }))
  if (sought && sought !== entry && canReach(entry, sought.endpoint)) {
    packer.add(formatLine(sought, book.count, shownTo(entry, sought, desk)))
  }
  if (entry.seek === undefined || book.stageSize(entry.stage) <= smallStage) {
    for (const other of book.inStage(entry.stage)) {
      if (other === entry || other === sought || !canReach(entry, other.endpoint)) continue
      const { listed, listedLength } = linesOf(other, book.count)
      if (!packer.add(listed, listedLength)) break
    }
  }
  return packer.datagrams()
}

const unlimited: Allowance = { datagrams: Infinity, bytes: Infinity, headerBytes: 0 }

type Packer = { add(line: string, length?: number): boolean; datagrams(): Uint8Array[] }

const createPacker = ({ datagrams: most, bytes: mostBytes, headerBytes }: Allowance): Packer => {
  const done: Uint8Array[] = []
  let open = ''
  let openBytes = 0
  let spent = 0
  const flush = (): void => {
    if (openBytes > 0) done.push(encodeUtf8(open))
    open = ''
    openBytes = 0
  }
  return {
    add(line, length = utf8Length(line)) {
      const fits = openBytes > 0 && openBytes + length <= packedAnswer
      const cost = fits ? length : length + headerBytes
      if (spent + cost > mostBytes || (!fits && done.length + (openBytes > 0 ? 1 : 0) >= most)) return false
      if (!fits) flush()
      open += line
      openBytes += length
      spent += cost
      return true
    },
    datagrams() {
      flush()
      return done
    },
  }
}

/** What stands behind the fifth field, for this receiver: candidates and token are for mutual seekers alone. */
const shownTo = (receiver: Entry, entry: Entry, desk: Desk): LineFields => {
  const mutual = receiver.seek === entry.name && entry.seek === receiver.name && receiver.stage === entry.stage
  return {
    newer: entry.newer,
    proven: entry.proven,
    ...(mutual && receiver.proven && entry.proven && { pair: desk.pairToken(receiver, entry) }),
    ...(mutual && { hosts: entry.hosts.filter(host => canReach(receiver, host)) }),
  }
}

/** IPv6 endpoints are of no use to a client that registered over IPv4. */
const canReach = (receiver: Entry, endpoint: Endpoint): boolean =>
  familyOf(receiver.endpoint.address) === 6 || familyOf(endpoint.address) === 4

type Cached = {
  readonly endpoint: Endpoint
  readonly count: number
  readonly newer: boolean
  readonly proven: boolean
  /** For older clients. */
  readonly plain: Uint8Array
  /** For newer ones who do not seek it, and its length in bytes. */
  readonly listed: string
  readonly listedLength: number
}

/** The lines that are the same for everybody, until the entry changes or the book grows. */
const linesOf = (entry: Entry, count: number): Cached => {
  const { endpoint, newer, proven } = entry
  const cached = entry.cached as Cached | undefined
  if (cached?.count === count && cached.endpoint === endpoint && cached.newer === newer && cached.proven === proven) {
    return cached
  }
  const listed = formatLine(entry, count, { newer, proven })
  const lines = {
    endpoint,
    count,
    newer,
    proven,
    plain: encodeLine(entry, count),
    listed,
    listedLength: utf8Length(listed),
  }
  entry.cached = lines
  return lines
}
