// Law: pure; bytes <-> values of STUN messages, RFC 8489 s.5 and RFC 3489 s.11.1. Nothing here throws at foreign bytes.
import {
  type Attribute,
  type AttributeName,
  type ValueOf,
  isComprehensionRequired,
  nameOf,
  rowOf,
} from './attributes.ts'
import type { Form } from './forms.ts'
import { aligned, copyOf, putUint16, putUint32, uint16, uint32, viewOf } from './bytes.ts'
import { fingerprintHolds } from './integrity.ts'

const classes = ['request', 'indication', 'success response', 'error response'] as const
export type Class = (typeof classes)[number]

export type Message = {
  readonly class: Class
  readonly method: number
  /** 16 bytes: the magic cookie and 96 random bits, or RFC 3489's 128 bits. A response has those of its request. */
  readonly transactionId: Uint8Array
  /** In the order of the wire. */
  readonly attributes: readonly Attribute[]
}

export type Decoded = Message & {
  /** The types of comprehension-required attributes that we do not understand, each once. */
  readonly unknown: readonly number[]
}

/** What its sender says. The transaction id is left in the bytes: a view of it costs as much as to read all of a request. */
export type Read = Omit<Decoded, 'transactionId'> & { readonly bytes: Uint8Array }

/** Why bytes are no message. An attribute that is comprehension-optional and can't be read is only left out. */
export type StunRefusal = 'not-stun' | 'bad-attribute' | 'too-many-attributes' | 'bad-fingerprint'

export const binding = 0x001 // RFC 8489 s.3
export const magicCookie = 0x2112_a442 // RFC 8489 s.5
export const headerLength = 20
const bindingRequest = 0x0001
/** The largest payload of UDP over IPv4. */
const longestMessage = 65_507
/** More than any message has a use for; each costs time to read, an exception if it is not UTF-8. */
const mostAttributes = 32

/** Recognition, docs/dialects.md rule 1: without the magic cookie only RFC 3489's Binding request is STUN. */
export const isStun = (bytes: Uint8Array): boolean =>
  bytes.length >= headerLength &&
  bytes.length % 4 === 0 &&
  (bytes[0] ?? 255) <= 3 &&
  uint16(bytes, 2) === bytes.length - headerLength &&
  (uint32(bytes, 4) === magicCookie || uint16(bytes, 0) === bindingRequest)

/** `at`: where the transaction id begins. */
export const isRfc3489 = (bytes: Uint8Array, at: number): boolean => uint32(bytes, at) !== magicCookie

/** `random`: 12 bytes. */
export const newTransactionId = (random: Uint8Array): Uint8Array => {
  const id = new Uint8Array(16)
  putUint32(id, 0, magicCookie)
  id.set(random, 4)
  return id
}

export const decode = (bytes: Uint8Array): Decoded | StunRefusal => {
  const message = read(bytes)
  if (typeof message === 'string') return message
  const { class: kind, method, attributes, unknown } = message
  return { class: kind, method, transactionId: viewOf(bytes, 4, 16), attributes, unknown }
}

const none: readonly never[] = []

export const read = (bytes: Uint8Array): Read | StunRefusal => {
  if (!isStun(bytes)) return 'not-stun'
  const type = uint16(bytes, 0)
  if (bytes.length === headerLength)
    return { class: classOf(type), method: methodOf(type), attributes: none, unknown: none, bytes }
  const attributes: Attribute[] = []
  const unknown: number[] = []
  const refusal = readAttributes(bytes, attributes, unknown)
  return refusal ?? { class: classOf(type), method: methodOf(type), attributes, unknown, bytes }
}

/** In their order; behind one of them only the later ones count, whatever else stands there (RFC 8489 s.14.5, s.14.6). */
const seals = ['MESSAGE-INTEGRITY', 'MESSAGE-INTEGRITY-SHA256', 'FINGERPRINT']

const readAttributes = (bytes: Uint8Array, attributes: Attribute[], unknown: number[]): StunRefusal | undefined => {
  let sealed = -1
  let count = 0
  let next = headerLength
  // Both the message and its attributes are multiples of 4, so that where there is a byte there is a whole header.
  while (next < bytes.length) {
    const at = next
    const type = uint16(bytes, at)
    const length = uint16(bytes, at + 2)
    next = at + 4 + aligned(length)
    if (next > bytes.length) return 'bad-attribute'
    if (++count > mostAttributes) return 'too-many-attributes'
    const name = nameOf(type)
    const seal = name === undefined ? -1 : seals.indexOf(name)
    if (sealed >= 0 && seal <= sealed) continue
    sealed = seal
    if (name === undefined) {
      if (isComprehensionRequired(type) && !unknown.includes(type)) unknown.push(type)
      continue
    }
    const value = rowOf(name).read(bytes, at + 4, length)
    if (name === 'FINGERPRINT' && (value === undefined || next < bytes.length || !fingerprintHolds(bytes, at)))
      return 'bad-fingerprint'
    if (value !== undefined) attributes.push({ name, value } as Attribute)
    else if (isComprehensionRequired(type)) return 'bad-attribute'
  }
  return undefined
}

/** A message is written here and then copied: its length is known at the end, and nothing else has to be allocated. */
const draft = new Uint8Array(aligned(longestMessage))
const draftWords = new Uint32Array(draft.buffer)

/** Without a seal: see integrity.ts. Throws a RangeError for what no datagram can hold. */
export const encode = ({ class: kind, method, transactionId, attributes }: Message): Uint8Array => {
  let at = begin(transactionId, 0)
  for (const { name, value } of attributes) at = put(rowOf(name), value, at)
  return finish(typeOf(kind, method), at)
}

/** `encode` in steps, for the answers of a server. Copies a transaction id, and says where the first attribute is `put`. */
export const begin = (from: Uint8Array, idAt: number): number => {
  for (let i = 0; i < 16; i++) draft[4 + i] = from[idAt + i] ?? 0
  return headerLength
}

/** Where the next attribute is put, or the message ends. */
export const put = <Value>(row: Form<Value> & { readonly type: number }, value: Value, at: number): number => {
  let end = row.write(draft, at + 4, value)
  putUint16(draft, at, row.type)
  putUint16(draft, at + 2, end - at - 4)
  const next = aligned(end)
  for (; end < next; end++) draft[end] = 0
  if (next > longestMessage) throw new RangeError(`a STUN message of more than ${longestMessage} bytes`)
  return next
}

export const finish = (type: number, length: number): Uint8Array => {
  putUint16(draft, 0, type)
  putUint16(draft, 2, length - headerLength)
  return copyOf(draftWords, length)
}

// The bits of the class stand between those of the method (RFC 8489 s.5, figure 3): MMMMM C1 MMM C0 MMMM.
const classOf = (type: number): Class => classes[((type >> 7) & 2) | ((type >> 4) & 1)] ?? 'request'
const methodOf = (type: number): number => ((type >> 2) & 0xf80) | ((type >> 1) & 0x70) | (type & 0xf)
export const typeOf = (kind: Class, method: number): number => {
  const bits = classes.indexOf(kind)
  return ((method & 0xf80) << 2) | ((bits & 2) << 7) | ((method & 0x70) << 1) | ((bits & 1) << 4) | (method & 0xf)
}

/** The value of the first attribute of that name: further ones are duplicates (RFC 8489 s.14). */
export const first = <Name extends AttributeName>(
  { attributes }: Pick<Message, 'attributes'>,
  name: Name,
): ValueOf<Name> | undefined => {
  for (const attribute of attributes) if (attribute.name === name) return attribute.value as ValueOf<Name>
  return undefined
}

/** All values, where docs/dialects.md lets an attribute be repeated. */
export const every = <Name extends AttributeName>(
  { attributes }: Pick<Message, 'attributes'>,
  name: Name,
): ValueOf<Name>[] => attributes.filter(attribute => attribute.name === name).map(({ value }) => value as ValueOf<Name>)
