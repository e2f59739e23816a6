// Law: pure. What the Stage Manager answers in the stun dialect: docs/dialects.md section 3, RFC 8489, 5780 and 3489.
import { type Endpoint, canReach, familyOf, isWildcard, sameEndpoint } from '../../endpoint.ts'
import { nameProblem } from '../../name.ts'
import type { Entry } from '../../entry.ts'
import type { Answer, Desk, Dialect, Payer, Refusal } from '../dialect.ts'
import { type Attribute, attributes as table } from './attributes.ts'
import { withFingerprint } from './integrity.ts'
import {
  type Decoded,
  binding,
  decode,
  encode,
  every,
  first,
  headerLength,
  isRfc3489,
  isStun,
  newTransactionId,
} from './message.ts'
import { samples } from './samples.ts'

export const software = 'stage-manager'
const softwareBytes = 4 + 16
const fingerprintBytes = 8
/** Three times the question is enough for every answer here. */
const standing = 'unproven'
const leastResponsePort = 1024
const mostCandidates = 4

export const stun: Dialect<Decoded> = {
  door: 'stun',
  recognises: isStun,
  samples,

  decode(bytes) {
    const message = decode(bytes)
    if (typeof message === 'string') return 'malformed'
    // An indication without CLIENT-ID is a keepalive, or another server's introduction: nothing to be done about it.
    const isAsked = message.class === 'request' || (message.class === 'indication' && first(message, 'CLIENT-ID'))
    return isAsked && message.method === binding ? message : 'not-a-request'
  },

  answer(message, from, bytesIn, desk) {
    const registered = register(message, from, desk)
    if (typeof registered === 'string') return registered
    const payer: Payer = registered?.entry ?? { endpoint: from, creditBytes: 0 }
    const allowance = desk.allowance(payer, bytesIn, standing)
    const says = (...datagrams: Uint8Array[]): Answer =>
      registered ? { datagrams, payer, standing, registered } : { datagrams, payer, standing }
    if (message.class === 'indication') return says()
    if (message.unknown.length > 0) return says(unsupported(message, ...message.unknown))
    const place = placeOf(message, from, desk)
    if (place instanceof Uint8Array) return says(place)
    const sought = registered && soughtBy(registered.entry, desk)
    const room = allowance.bytes - allowance.headerBytes
    const answer = says(response(message, from, place.via, sought?.endpoint, desk, room))
    return place.via === desk.via && place.endpoint === from ? answer : { ...answer, by: place }
  },

  introduce: (receiver, entries, desk) =>
    entries
      .filter(({ endpoint }) => canReach(receiver.endpoint, endpoint))
      .map(entry => indication(receiver, entry, desk)),
}

/** CLIENT-ID registers whoever sends it; PEER-ID says whom it wants to meet. */
const register = (message: Decoded, from: Endpoint, desk: Desk): Answer['registered'] | Refusal => {
  const name = first(message, 'CLIENT-ID')
  if (name === undefined || message.unknown.length > 0) return undefined
  const seek = first(message, 'PEER-ID')
  if (nameProblem(name) !== undefined || (seek !== undefined && nameProblem(seek) !== undefined)) return 'bad-name'
  if (desk.phonebook.isKept(name, '', 'stun')) return 'kept-name'
  const candidates = every(message, 'XOR-MAPPED-ADDRESS').filter(candidate => !sameEndpoint(candidate, from))
  const hosts = candidates.slice(0, mostCandidates)
  return desk.phonebook.register(
    { name, seek, hosts, stage: '', newer: false, endpoint: from, door: 'stun', via: desk.via },
    desk.nowMs,
  )
}

const soughtBy = ({ name, seek, stage }: Entry, { phonebook }: Desk): Entry | undefined =>
  seek === undefined || seek === name ? undefined : phonebook.find(seek, stage)

/** Where the response goes to and leaves by; or the error, where that can't be obeyed here. */
const placeOf = (message: Decoded, from: Endpoint, desk: Desk): NonNullable<Answer['by']> | Uint8Array => {
  const change = first(message, 'CHANGE-REQUEST')
  const via = change?.ip || change?.port ? otherSocket(desk, change.ip, change.port) : desk.via
  if (via === undefined) return unsupported(message, table['CHANGE-REQUEST'].type)
  const port = first(message, 'RESPONSE-PORT')
  if (port === undefined) return { endpoint: from, via }
  // A datagram of any size to a port of the sender's choice: RFC 5780 s.7.6 forbids it, and low ports are others' services.
  const isBad = port < leastResponsePort || first(message, 'PADDING') !== undefined
  return isBad ? failure(message, 400, 'Bad Request') : { endpoint: { address: from.address, port }, via }
}

/** The socket that differs from the one asked in its address, its port, or both (RFC 5780 s.6.1). */
const otherSocket = ({ sockets, via }: Desk, otherAddress: boolean, otherPort: boolean): number | undefined => {
  const here = sockets[via]
  const found = sockets.findIndex(
    socket =>
      here !== undefined &&
      socket !== undefined &&
      familyOf(socket.address) === familyOf(here.address) &&
      (socket.address !== here.address) === otherAddress &&
      (socket.port !== here.port) === otherPort,
  )
  return found < 0 ? undefined : found
}

const success = (message: Decoded, attributes: readonly Attribute[]): Uint8Array =>
  encode({ class: 'success response', method: binding, transactionId: message.transactionId, attributes })

/** What its sender reads: RFC 3489 knows the plain addresses alone. */
const response = (
  message: Decoded,
  from: Endpoint,
  via: number,
  peer: Endpoint | undefined,
  desk: Desk,
  room: number,
) => {
  const isOld = isRfc3489(message)
  const origin = desk.sockets[via]
  const other = desk.sockets[otherSocket(desk, true, true) ?? -1]
  const attributes: Attribute[] = isOld ? [] : [{ name: 'XOR-MAPPED-ADDRESS', value: from }]
  attributes.push({ name: 'MAPPED-ADDRESS', value: from })
  if (origin && !isWildcard(origin.address))
    attributes.push({ name: isOld ? 'SOURCE-ADDRESS' : 'RESPONSE-ORIGIN', value: origin })
  if (other) attributes.push({ name: isOld ? 'CHANGED-ADDRESS' : 'OTHER-ADDRESS', value: other })
  if (isOld) return success(message, attributes)
  if (peer && canReach(from, peer)) attributes.push({ name: 'XOR-PEER-ADDRESS', value: peer })
  const left = room - headerLength - attributes.length * (familyOf(from.address) === 4 ? 12 : 24) - fingerprintBytes
  const padding = first(message, 'PADDING')
  // As long as the request's (RFC 5780 s.7.6), and no longer than an answer may be.
  if (padding !== undefined) attributes.push({ name: 'PADDING', value: Math.max(0, Math.min(padding, left - 4)) })
  else if (left >= softwareBytes) attributes.push({ name: 'SOFTWARE', value: software })
  const answer = success(message, attributes)
  return first(message, 'FINGERPRINT') === undefined ? answer : withFingerprint(answer)
}

/** RFC 8489 s.6.3.1. */
const unsupported = (message: Decoded, ...types: number[]): Uint8Array =>
  failure(message, 420, 'Unknown Attribute', { name: 'UNKNOWN-ATTRIBUTES', value: types })

const failure = ({ transactionId }: Decoded, code: number, reason: string, ...more: Attribute[]): Uint8Array =>
  encode({
    class: 'error response',
    method: binding,
    transactionId,
    attributes: [{ name: 'ERROR-CODE', value: { code, reason } }, ...more],
  })

const indication = (receiver: Entry, entry: Entry, desk: Desk): Uint8Array =>
  encode({
    class: 'indication',
    method: binding,
    transactionId: newTransactionId(desk.randomBytes(12)),
    attributes: [
      { name: 'PEER-ID', value: entry.name },
      { name: 'XOR-PEER-ADDRESS', value: entry.endpoint },
      { name: 'XOR-MAPPED-ADDRESS', value: receiver.endpoint },
    ],
  })
