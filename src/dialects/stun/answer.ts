// Law: pure. What the Stage Manager answers in the stun dialect: docs/dialects.md section 3, RFC 8489, 5780 and 3489.
import { type Endpoint, canReach, familyOf, isWildcard, sameEndpoint } from '../../endpoint.ts'
import { nameProblem } from '../../name.ts'
import type { Entry, Place } from '../../entry.ts'
import type { Answer, Desk, Dialect, Payer, Refusal } from '../dialect.ts'
import { attributes as table } from './attributes.ts'
import { withFingerprint } from './integrity.ts'
import {
  type Read,
  begin,
  binding,
  encode,
  every,
  finish,
  first,
  isRfc3489,
  isStun,
  newTransactionId,
  put,
  read,
  typeOf,
} from './message.ts'
import { samples } from './samples.ts'

export const software = 'stage-manager'
const softwareBytes = 4 + 16
const fingerprintBytes = 8
const successResponse = typeOf('success response', binding)
const errorResponse = typeOf('error response', binding)
/** Three times the question is enough for every answer here. */
const standing = 'unproven'
const leastResponsePort = 1024
const mostCandidates = 4

export const stun: Dialect<Read> = {
  door: 'stun',
  recognises: isStun,
  samples,

  decode(bytes) {
    const message = read(bytes)
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
    if (message.class === 'indication') return { datagrams: [], payer, standing, registered }
    const by = placeOf(message, from, desk)
    if (by instanceof Uint8Array) return { datagrams: [by], payer, standing, registered }
    const sought = registered && soughtBy(registered.entry, desk)
    const room = allowance.bytes - allowance.headerBytes
    const datagram = response(message, from, by ? by.via : desk.via, sought?.endpoint, desk, room)
    return { datagrams: [datagram], payer, standing, registered, by }
  },

  introduce: (receiver, entries, desk) =>
    entries
      .filter(({ endpoint }) => canReach(receiver.endpoint, endpoint))
      .map(entry => indication(receiver, entry, desk)),
}

/** CLIENT-ID registers whoever sends it; PEER-ID says whom it wants to meet. */
const register = (message: Read, from: Endpoint, desk: Desk): Answer['registered'] | Refusal => {
  const name = first(message, 'CLIENT-ID')
  if (name === undefined || message.unknown.length > 0) return undefined
  const seek = first(message, 'PEER-ID')
  if (nameProblem(name) !== undefined || (seek !== undefined && nameProblem(seek) !== undefined)) return 'bad-name'
  desk.phonebook.expire(desk.now())
  if (desk.phonebook.isKept(name, '', 'stun')) return 'kept-name'
  const candidates = every(message, 'XOR-MAPPED-ADDRESS').filter(candidate => !sameEndpoint(candidate, from))
  const hosts = candidates.slice(0, mostCandidates)
  return desk.phonebook.register(
    { name, seek, hosts, stage: '', newer: false, endpoint: from, door: 'stun', via: desk.via },
    desk.now(),
  )
}

const soughtBy = ({ name, seek, stage }: Entry, { phonebook }: Desk): Entry | undefined =>
  seek === undefined || seek === name ? undefined : phonebook.find(seek, stage)

/** Where the response goes to and leaves by, if not back the way that the request came; or the error response. */
const placeOf = (message: Read, from: Endpoint, desk: Desk): Place | Uint8Array | undefined => {
  if (message.unknown.length > 0) return unsupported(message, message.unknown)
  const change = first(message, 'CHANGE-REQUEST')
  const via = change?.ip || change?.port ? otherSocket(desk, change.ip, change.port) : desk.via
  if (via === undefined) return unsupported(message, [table['CHANGE-REQUEST'].type])
  const port = first(message, 'RESPONSE-PORT')
  if (port === undefined) return via === desk.via ? undefined : { endpoint: from, via }
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
      (socket.port !== here.port) === otherPort &&
      (socket.address !== here.address) === otherAddress &&
      familyOf(socket.address) === familyOf(here.address),
  )
  return found < 0 ? undefined : found
}

/** What its sender reads: RFC 3489 knows the plain addresses alone. */
const response = (
  message: Read,
  from: Endpoint,
  via: number,
  peer: Endpoint | undefined,
  desk: Desk,
  room: number,
): Uint8Array => {
  const isOld = isRfc3489(message.bytes, 4)
  const origin = desk.sockets[via]
  const otherVia = otherSocket(desk, true, true)
  const other = otherVia === undefined ? undefined : desk.sockets[otherVia]
  let at = begin(message.bytes, 4)
  if (!isOld) at = put(table['XOR-MAPPED-ADDRESS'], from, at)
  at = put(table['MAPPED-ADDRESS'], from, at)
  if (origin && !isWildcard(origin.address))
    at = put(isOld ? table['SOURCE-ADDRESS'] : table['RESPONSE-ORIGIN'], origin, at)
  if (other) at = put(isOld ? table['CHANGED-ADDRESS'] : table['OTHER-ADDRESS'], other, at)
  if (isOld) return finish(successResponse, at)
  if (peer && canReach(from, peer)) at = put(table['XOR-PEER-ADDRESS'], peer, at)
  const left = room - at - fingerprintBytes
  const padding = first(message, 'PADDING')
  // As long as the request's (RFC 5780 s.7.6), and no longer than an answer may be.
  if (padding !== undefined) at = put(table.PADDING, Math.max(0, Math.min(padding, left - 4)), at)
  else if (left >= softwareBytes) at = put(table.SOFTWARE, software, at)
  const answer = finish(successResponse, at)
  return first(message, 'FINGERPRINT') === undefined ? answer : withFingerprint(answer)
}

/** RFC 8489 s.6.3.1. */
const unsupported = (message: Read, types: readonly number[]): Uint8Array =>
  failure(message, 420, 'Unknown Attribute', types)

const failure = ({ bytes }: Read, code: number, reason: string, types?: readonly number[]): Uint8Array => {
  let at = put(table['ERROR-CODE'], { code, reason }, begin(bytes, 4))
  if (types) at = put(table['UNKNOWN-ATTRIBUTES'], types, at)
  return finish(errorResponse, at)
}

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
