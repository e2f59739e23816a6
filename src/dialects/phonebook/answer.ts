// Law: pure. What the Stage Manager answers to a registration, and what it pushes: docs/dialects.md section 1.
import { type Endpoint, canReach, familyOf, isWildcard } from '../../endpoint.ts'
import type { Entry } from '../../entry.ts'
import { isStage, nameProblem } from '../../name.ts'
import { encodeUtf8, utf8Length } from '../../utf8.ts'
import type { Allowance, Answer, Desk, Dialect } from '../dialect.ts'
import {
  type Alternate,
  type LineFields,
  type RegistrationRequest,
  decodeRegistration,
  encodeLine,
  formatLine,
  packedAnswer,
} from './codec.ts'
import { cookieToMove, rightTo } from './ownership.ts'
import { samples } from './samples.ts'

/** The older client reads 30 datagrams between two registrations and never gets out of an answer as long as that. */
const mostToOlder = 16
/**
 * An older client sleeps for a second over each line once it knows its contact, its own line included. When it registers
 * again (it has lost its first datagram by then) and the contact's message may be on its way, its own line lets that pass.
 */
const laterMs = 1200
/** With more lines than this to sleep over it makes no difference. */
const fewOthers = 3
/** Up to here a seeker sees its whole stage; on a larger one, only whom it seeks. */
const smallStage = 16

export const phonebook: Dialect<RegistrationRequest> = {
  door: 'phonebook',
  recognises: () => true, // the last one asked: whatever begins with a legal name
  samples,
  decode: decodeRegistration,

  answer(asked, from, bytesIn, desk) {
    const request = desk.splitStages && !asked.newer ? splitStage(asked) : asked
    const { phonebook: book, via } = desk
    const { name, stage, newer, seek, hosts, nat: hint } = request
    const nowMs = desk.now()
    book.expire(nowMs)
    if (book.isKept(name, stage, 'phonebook')) return 'kept-name'
    const known = book.find(name, stage)
    const right = rightTo(known, request, from, desk)
    if (right === 'later') return 'taken'
    if (right === 'taken' && known) return refusal(known, request, from, bytesIn, desk)
    const { cookie, key } = request
    const claim = right === 'owner' ? request.sig : undefined
    const registration = {
      name,
      stage,
      newer,
      seek,
      hosts,
      hint,
      key,
      claim,
      endpoint: from,
      door: 'phonebook',
      via,
    } as const
    const registered = book.register(registration, nowMs)
    const { entry } = registered
    if (claim !== undefined) entry.cookie = cookie // the one that was signed, so that it need not be signed again
    const echoed = cookie !== undefined && (cookie === entry.cookie || desk.isCookieOf(cookie, from))
    if (echoed) book.prove(entry)
    // Of this request: who forges the source of a proven one gets no more than anybody.
    const standing = !request.newer ? 'older' : echoed ? 'proven' : 'unproven'
    const allowance = desk.allowance(entry, bytesIn, standing)
    if (request.newer) return { datagrams: packed(entry, desk, allowance), payer: entry, standing, registered }
    const datagrams = plain(entry, desk, allowance)
    const [own, ...others] = datagrams
    const hasTime = registered.change === 'refreshed' && others.length > 0 && others.length <= fewOthers
    if (!own || !hasTime) return { datagrams, payer: entry, standing, registered }
    return { datagrams: others, later: [own], laterMs, payer: entry, standing, registered }
  },

  introduce(receiver, entries, desk) {
    const { count } = desk.phonebook
    const reachable = entries.filter(entry => isOfUse(entry, receiver))
    if (!receiver.newer) return reachable.map(entry => cachedOf(entry, count).plain)
    const packer = createPacker(unlimited)
    for (const entry of reachable) packer.add(formatLine(entry, count, shownTo(receiver, entry, desk)))
    return packer.packed().datagrams
  },

  // Without a cookie. After a rebinding of its own it goes nowhere.
  notice: (entry, desk) => encodeLine(entry, desk.phonebook.count),
}

/** The name is somebody else's. An older client gets its answer all the same; a newer one is told, and how to prove that it is his. */
const refusal = (owned: Entry, request: RegistrationRequest, from: Endpoint, bytesIn: number, desk: Desk): Answer => {
  const payer = { ...owned, endpoint: from, newer: request.newer, creditBytes: 0, cached: undefined }
  const standing = request.newer ? 'unproven' : 'older'
  const allowance = desk.allowance(payer, bytesIn, standing)
  if (!request.newer) return { datagrams: plain(payer, desk, allowance), payer, standing, refusal: 'taken' }
  const fields = { newer: true, taken: true, cookie: cookieToMove(owned, from, desk) }
  return { datagrams: [encodeLine(payer, desk.phonebook.count, fields)], payer, standing, refusal: 'taken' }
}

/** `alice@jam` of an older client: alice, on the stage jam. */
const splitStage = (request: RegistrationRequest): RegistrationRequest => {
  const at = request.name.lastIndexOf('@')
  const [name, stage] = [request.name.slice(0, at), request.name.slice(at + 1)]
  return at > 0 && isStage(stage) && nameProblem(name) === undefined ? { ...request, name, stage } : request
}

/** One line a datagram: its own first, for the older client loses the first datagram that it ever gets. */
const plain = (entry: Entry, desk: Desk, allowance: Allowance): Uint8Array[] => {
  const { phonebook: book } = desk
  const others = book.latest(
    entry.stage,
    mostToOlder - 1,
    other => other.name !== entry.name && canReach(entry.endpoint, other.endpoint),
  )
  const datagrams: Uint8Array[] = []
  let bytes = 0
  for (const listed of [entry, ...others]) {
    const line = cachedOf(listed, book.count).plain
    bytes += line.length + allowance.headerBytes
    if (bytes > allowance.bytes || datagrams.length >= allowance.datagrams) break
    datagrams.push(line)
  }
  return datagrams
}

/** Whole lines, several to a datagram; the same ones again, as long as nothing has changed that they show. */
const packed = (entry: Entry, desk: Desk, allowance: Allowance): readonly Uint8Array[] => {
  const { phonebook: book } = desk
  const sought = entry.seek === undefined ? undefined : book.find(entry.seek, entry.stage)
  const isSmall = book.stageSize(entry.stage) <= smallStage
  const rest = isSmall || entry.seek === undefined ? book.inStage(entry.stage) : []
  if (allowance.datagrams < Infinity || !(isSmall || sought))
    return pack(entry, sought, rest, desk, allowance).datagrams
  const cached = cachedOf(entry, book.count)
  const version = isSmall ? book.stageVersion(entry.stage) : (sought?.version ?? 0)
  const { answer } = cached
  const isSame = answer?.sought === sought && answer?.isSmall === isSmall && answer.version === version
  if (answer && isSame && answer.bytes <= allowance.bytes) return answer.datagrams
  const { datagrams, bytes, isCut } = pack(entry, sought, rest, desk, allowance)
  cached.answer = isCut ? undefined : { sought, isSmall, version, datagrams, bytes }
  return datagrams
}

/** Its own line with the cookie, the one it seeks, and the rest as far as that is paid for. */
const pack = (
  entry: Entry,
  sought: Entry | undefined,
  rest: Iterable<Entry>,
  desk: Desk,
  allowance: Allowance,
): Packed => {
  const { count } = desk.phonebook
  const packer = createPacker(allowance)
  const cookie = (entry.cookie ??= desk.cookieFor(entry.endpoint))
  const key = entry.claim === undefined ? undefined : entry.key
  const alternates = alternatesOf(desk)
  packer.add(formatLine(entry, count, { newer: true, proven: entry.proven, key, cookie, alternates }))
  if (sought && sought !== entry && isOfUse(sought, entry)) {
    packer.add(formatLine(sought, count, shownTo(entry, sought, desk)))
  }
  for (const other of rest) {
    if (other === entry || other === sought || !canReach(entry.endpoint, other.endpoint)) continue
    const { listed, listedLength } = cachedOf(other, count)
    if (!packer.add(listed, listedLength)) break
  }
  return packer.packed()
}

/** Another port of the address that was asked, and another address, as far as there are: a client learns from them how its NAT maps. */
const alternatesOf = ({ sockets, via }: Desk): Alternate[] => {
  const here = sockets[via]
  if (!here) return []
  let samePlace: Alternate | undefined
  let elsewhere: Alternate | undefined
  for (const socket of sockets) {
    if (!socket || familyOf(socket.address) !== familyOf(here.address) || socket.port === here.port) continue
    if (socket.address === here.address) samePlace ??= { port: socket.port }
    else if (!isWildcard(socket.address)) elsewhere ??= socket
  }
  return [samePlace, elsewhere].filter(alternate => alternate !== undefined)
}

const unlimited: Allowance = { datagrams: Infinity, bytes: Infinity, headerBytes: 0 }

/** `bytes`: headers counted. `isCut`: something did not fit. */
type Packed = { readonly datagrams: readonly Uint8Array[]; readonly bytes: number; readonly isCut: boolean }
type Packer = { add(line: string, length?: number): boolean; packed(): Packed }

const createPacker = ({ datagrams: most, bytes: mostBytes, headerBytes }: Allowance): Packer => {
  const done: Uint8Array[] = []
  let open = ''
  let openBytes = 0
  let bytes = 0
  let isCut = false
  const flush = (): void => {
    if (openBytes > 0) done.push(encodeUtf8(open))
    open = ''
    openBytes = 0
  }
  return {
    add(line, length = utf8Length(line)) {
      const fits = openBytes > 0 && openBytes + length <= packedAnswer
      const cost = fits ? length : length + headerBytes
      if (bytes + cost > mostBytes || (!fits && done.length + (openBytes > 0 ? 1 : 0) >= most)) isCut = true
      if (isCut) return false
      if (!fits) flush()
      open += line
      openBytes += length
      bytes += cost
      return true
    },
    packed() {
      flush()
      return { datagrams: done, bytes, isCut }
    },
  }
}

/** What stands behind the fifth field, for this receiver: candidates and token are for mutual seekers alone. */
const shownTo = (receiver: Entry, entry: Entry, desk: Desk): LineFields => {
  const mutual = isMutual(receiver, entry)
  return {
    newer: entry.newer,
    proven: entry.proven,
    key: entry.key,
    ...(mutual && receiver.proven && entry.proven && { pair: desk.pairToken(receiver, entry) }),
    ...(mutual && { hosts: entry.hosts.filter(host => reaches(receiver, host)), nat: entry.hint }),
  }
}

const isMutual = (a: Entry, b: Entry): boolean => a.seek === b.name && b.seek === a.name && a.stage === b.stage

/** A newer client has the family that it came over, and one that it offers a candidate of. */
const reaches = (receiver: Entry, { address }: Endpoint): boolean =>
  [receiver.endpoint, ...receiver.hosts].some(own => familyOf(own.address) === familyOf(address))

const isOfUse = (entry: Entry, receiver: Entry): boolean =>
  canReach(receiver.endpoint, entry.endpoint) ||
  (receiver.newer && entry.newer && isMutual(receiver, entry) && reaches(receiver, entry.endpoint))

/** What the same state of an entry and of the book makes again and again. */
type Cached = {
  readonly version: number
  readonly count: number
  /** For older clients. */
  readonly plain: Uint8Array
  /** For newer ones who do not seek it, and its length in bytes. */
  readonly listed: string
  readonly listedLength: number
  /** What it was answered last, and what that depends on: the small stage, or the one it seeks on a large one. */
  answer?: Answered | undefined
}

type Answered = {
  readonly sought: Entry | undefined
  readonly isSmall: boolean
  readonly version: number
  readonly datagrams: readonly Uint8Array[]
  readonly bytes: number
}

const cachedOf = (entry: Entry, count: number): Cached => {
  const known = entry.cached as Cached | undefined
  if (known?.count === count && known.version === entry.version) return known
  const { newer, proven, key, version } = entry
  const listed = formatLine(entry, count, { newer, proven, key })
  const cached = { version, count, plain: encodeLine(entry, count), listed, listedLength: utf8Length(listed) }
  entry.cached = cached
  return cached
}
