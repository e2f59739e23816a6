// Law: types, and the list of refusals. The one shape that every dialect has: bytes in, a request or a refusal; a request in, answers out.
import type { Endpoint } from '../endpoint.ts'
import type { LineProblem } from './lines.ts'
import type { Claim } from '../claim.ts'
import type { Door, Entry, Place, Registered } from '../entry.ts'
import type { Phonebook } from '../phonebook.ts'

/** Why a datagram gets no answer. Each is counted under its name. */
export type Refusal = (typeof refusals)[number]
export const refusals = [
  'empty',
  'too-long',
  'not-utf8',
  'bad-name',
  'reserved-name',
  'bad-stage',
  'malformed',
  'not-a-request',
  'kept-name',
  'taken',
  'not-its-own',
  'unrecognised',
] as const

/** Who pays for what it is sent: an entry, or a source that is not in the book. */
export type Payer = { readonly endpoint: Endpoint; creditBytes: number; readonly seek?: string | undefined }

/** How much may go back to a source in one answer. */
export type Allowance = {
  readonly datagrams: number
  /** Payload and headers together, `headerBytes` for each datagram. */
  readonly bytes: number
  readonly headerBytes: number
}

/** What a dialect needs of the server to answer. */
export type Desk = {
  readonly phonebook: Phonebook
  /** When the request came, read from the clock by who asks first: it is not every answer that depends on it. */
  now(): number
  /** The socket that the request came in by. */
  readonly via: number
  /** Where the server's sockets are bound, if STUN is spoken there; not there: one that could not be had. */
  readonly sockets: readonly (Endpoint | undefined)[]
  /** Splits an older client's `name@stage`. */
  readonly splitStages: boolean
  randomBytes(count: number): Uint8Array
  /** The cookie that this endpoint has to echo; an entry keeps its own. `placement`: of the entry that it would move. */
  cookieFor(from: Endpoint, placement?: number): string
  isCookieOf(cookie: string, from: Endpoint, placement?: number): boolean
  /** Whether the claim, made from there, is the key's; `later` where too many were looked at just now. */
  claimHolds(claim: Claim, sig: string, from: Endpoint): 'yes' | 'no' | 'later'
  /** The token of two proven entries that seek each other. */
  pairToken(a: Entry, b: Entry): string
  /** How much may be answered to a request of so many bytes. */
  allowance(payer: Payer, bytesIn: number, standing: Standing): Allowance
}

/** What a source has shown: that it hears us; that it speaks the extensions, but not yet that; neither. */
export type Standing = 'proven' | 'unproven' | 'older'

export type Answer = {
  /** To the source of the request. */
  readonly datagrams: readonly Uint8Array[]
  /** To the source too, but so many milliseconds later. */
  readonly later?: readonly Uint8Array[]
  readonly laterMs?: number
  /** Where they go to and leave by, if not back the way that the request came (RFC 5780 s.4.2 and 7.5). */
  readonly by?: Place | undefined
  readonly payer: Payer
  readonly standing: Standing
  readonly registered?: Registered | undefined
  /** Nothing was entered into the book, and this is why; it is counted under its name. */
  readonly refusal?: Refusal
  /** The first of two is told about the second, in its own dialect. */
  readonly introductions?: readonly (readonly [receiver: Entry, entry: Entry])[]
  /** What was asked for, where that is more than a registration: for the transcript. */
  readonly asked?: Asked
  /** Lines over the connection of whoever has this name. */
  readonly told?: { readonly name: string; readonly bytes: Uint8Array }
}

/** What a conversation answers to a line. */
export type Reply = Pick<Answer, 'introductions' | 'asked'> & {
  /** Whole lines. */
  readonly bytes?: Uint8Array
  /** It is over: `left` as its client wished; `own-words`: that was a server's line, and is not answered. */
  readonly ends?: 'left' | 'own-words'
}

/** The half of a dialect that is lines over a connection, for one connection. */
export interface Conversation {
  /** By which it can be spoken to, once it has one. */
  readonly name: string | undefined
  greeting(): Uint8Array
  receive(line: string | { readonly problem: LineProblem }, desk: Desk): Reply
  /** The connection is gone, and with it what it held. */
  close(desk: Desk): void
}

/** `to`: where the peer is, if it is known. */
export type Asked = { readonly verb: string; readonly name?: string; readonly peer?: string; readonly to?: Endpoint }

export interface Dialect<Request> {
  readonly door: Door
  /** Valid messages of every kind that travel in this dialect, both ways: what the fuzzer begins with. */
  readonly samples: readonly Uint8Array[]
  /** Whether the datagram belongs to this dialect; called in the order of `docs/dialects.md`. */
  recognises(bytes: Uint8Array): boolean
  decode(bytes: Uint8Array): Request | Refusal
  answer(request: Request, from: Endpoint, bytesIn: number, desk: Desk): Answer | Refusal
  /** Begins one for a connection from there. Who came in by such a door is spoken to over the connection alone. */
  converse?(from: Endpoint): Conversation
  /** The datagrams, or lines, that tell `receiver`, who came in by this door, about these entries; none where it has no such thing. */
  introduce(receiver: Entry, entries: readonly Entry[], desk: Desk): readonly Uint8Array[]
  /** What somebody who came in by this door is told when its name is at another endpoint now. */
  notice?(entry: Entry, desk: Desk): Uint8Array
}
