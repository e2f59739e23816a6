// Law: pure; bytes <-> values of what two peers say to each other, docs/dialects.md "Between two peers". A binary message
// begins with 0xFE, which no UTF-8 text contains and which is outside of what STUN (0-3), DTLS, TURN channels and RTP
// begin with (RFC 7983), so that one socket can tell them all apart.
import { type Endpoint, addressFromBytes, addressToBytes } from '../../endpoint.ts'
import { isOpaque, nameProblem } from '../../name.ts'
import { decodeUtf8, encodeUtf8 } from '../../utf8.ts'

/** 96 random bits that a check-response echoes, as in STUN (RFC 8489 s.6). */
export type TransactionId = Uint8Array
/** 64 random bits that a peer chooses at its start and that whatever is sent to it must carry (as RFC 9260 s.8.5). */
export type Tag = Uint8Array

export type PeerMessage =
  | {
      readonly type: 'check'
      readonly transaction: TransactionId
      /** The sender's own tag. */
      readonly tag: Tag
      /** The server's token for these two, '' where it gave none. */
      readonly pair: string
      readonly from: string
      readonly to: string
    }
  /** `observed`: where the check came from, so that the other side learns its mapping towards us. */
  | {
      readonly type: 'check-response'
      readonly transaction: TransactionId
      readonly tag: Tag
      readonly observed: Endpoint
    }
  /** `tag` is the receiver's from here on. */
  | { readonly type: 'data'; readonly tag: Tag; readonly sequence: number; readonly payload: Uint8Array }
  | { readonly type: 'keepalive'; readonly tag: Tag }
  | { readonly type: 'close'; readonly tag: Tag }
  /** The handshake of the private line: two messages of Noise. */
  | { readonly type: 'hello'; readonly tag: Tag; readonly from: Tag; readonly noise: Uint8Array }
  | { readonly type: 'welcome'; readonly tag: Tag; readonly noise: Uint8Array }
  /** What is said on it. `bytes`: the whole datagram. */
  | { readonly type: 'sealed'; readonly tag: Tag; readonly bytes: Uint8Array }

const magic = 0xfe
const types = {
  check: 1,
  'check-response': 2,
  data: 3,
  keepalive: 4,
  close: 5,
  hello: 6,
  welcome: 7,
  sealed: 8,
} as const
const transactionLength = 12
const tagLength = 8
const dataHeader = 2 + tagLength + 4
/** Of what is sealed: magic, type and tag, which are authenticated with it. */
export const sealedHead = 2 + tagLength
/** An ephemeral key and a tag of ChaCha20-Poly1305: Noise messages without a payload. */
const noiseLength = 48

/** A message's payload, in bytes: with its headers below what any path fragments. */
export const longestPayload = 1200
/** The inner type, nonce and tag. */
const mostSealed = longestPayload + 1 + 8 + 16
/** What an older peer's buffer takes. */
export const longestText = 1000

export const isPeerMessage = (bytes: Uint8Array): boolean => bytes[0] === magic

export const encodePeerMessage = (message: PeerMessage): Uint8Array => {
  const head = [magic, types[message.type]]
  switch (message.type) {
    case 'check': {
      const names = [message.pair, message.from, message.to].map(encodeUtf8)
      let at = 2 + transactionLength + tagLength
      const bytes = new Uint8Array(names.reduce((length, name) => length + 1 + name.length, at))
      bytes.set(head)
      bytes.set(message.transaction, 2)
      bytes.set(message.tag, 2 + transactionLength)
      for (const name of names) {
        bytes[at] = name.length
        bytes.set(name, at + 1)
        at += 1 + name.length
      }
      return bytes
    }
    case 'check-response':
      return Uint8Array.from([
        ...head,
        ...message.transaction,
        ...message.tag,
        ...veiled(message.observed, message.transaction),
      ])
    case 'data': {
      const bytes = new Uint8Array(dataHeader + message.payload.length)
      bytes.set(head)
      bytes.set(message.tag, 2)
      new DataView(bytes.buffer).setUint32(2 + tagLength, message.sequence)
      bytes.set(message.payload, dataHeader)
      return bytes
    }
    case 'keepalive':
    case 'close':
      return Uint8Array.from([...head, ...message.tag])
    case 'hello':
      return Uint8Array.from([...head, ...message.tag, ...message.from, ...message.noise])
    case 'welcome':
      return Uint8Array.from([...head, ...message.tag, ...message.noise])
    case 'sealed':
      return message.bytes
  }
}

/** Undefined for whatever is not exactly such a message. */
export const decodePeerMessage = (bytes: Uint8Array): PeerMessage | undefined => {
  if (!isPeerMessage(bytes)) return undefined
  switch (bytes[1]) {
    case types.check:
      return decodeCheck(bytes)
    case types['check-response']:
      return decodeResponse(bytes)
    case types.data: {
      if (bytes.length < dataHeader || bytes.length > dataHeader + longestPayload) return undefined
      const sequence = new DataView(bytes.buffer, bytes.byteOffset).getUint32(2 + tagLength)
      return { type: 'data', tag: bytes.slice(2, 2 + tagLength), sequence, payload: bytes.slice(dataHeader) }
    }
    case types.keepalive:
      return bytes.length === 2 + tagLength ? { type: 'keepalive', tag: bytes.slice(2) } : undefined
    case types.close:
      return bytes.length === 2 + tagLength ? { type: 'close', tag: bytes.slice(2) } : undefined
    case types.hello: {
      if (bytes.length !== sealedHead + tagLength + noiseLength) return undefined
      const [tag, from] = [bytes.slice(2, sealedHead), bytes.slice(sealedHead, sealedHead + tagLength)]
      return { type: 'hello', tag, from, noise: bytes.slice(sealedHead + tagLength) }
    }
    case types.welcome:
      if (bytes.length !== sealedHead + noiseLength) return undefined
      return { type: 'welcome', tag: bytes.slice(2, sealedHead), noise: bytes.slice(sealedHead) }
    case types.sealed:
      if (bytes.length > sealedHead + mostSealed) return undefined
      return { type: 'sealed', tag: bytes.subarray(2, sealedHead), bytes }
    default:
      return undefined
  }
}

/** What stands before whatever is sealed for the holder of the tag. */
export const sealedHeadFor = (tag: Tag): Uint8Array => Uint8Array.from([magic, types.sealed, ...tag])

/** What a sealed message says; its number and the rest of its order are the line's. */
export type Inner = { readonly type: 'data' | 'keepalive' | 'close'; readonly payload: Uint8Array }

/** The byte before its payload. */
export const innerKind = ({ type }: Inner): number => types[type]

export const decodeInner = (bytes: Uint8Array): Inner | undefined => {
  const payload = bytes.subarray(1)
  if (bytes[0] === types.data) return { type: 'data', payload }
  if (payload.length > 0) return undefined
  if (bytes[0] === types.keepalive) return { type: 'keepalive', payload }
  return bytes[0] === types.close ? { type: 'close', payload } : undefined
}

const afterTag = 2 + transactionLength + tagLength

const decodeCheck = (bytes: Uint8Array): PeerMessage | undefined => {
  const texts: string[] = []
  let at = afterTag
  for (let i = 0; i < 3; i++) {
    const length = bytes[at]
    if (length === undefined || at + 1 + length > bytes.length) return undefined
    const text = decodeUtf8(bytes.subarray(at + 1, at + 1 + length))
    if (text === undefined) return undefined
    texts.push(text)
    at += 1 + length
  }
  const [pair = '', from = '', to = ''] = texts
  if (at !== bytes.length || nameProblem(from) || nameProblem(to) || (pair !== '' && !isOpaque(pair))) return undefined
  return { type: 'check', ...transactionAndTag(bytes), pair, from, to }
}

const decodeResponse = (bytes: Uint8Array): PeerMessage | undefined => {
  const { transaction, tag } = transactionAndTag(bytes)
  const observed = unveiled(bytes.subarray(afterTag), transaction)
  return observed && { type: 'check-response', transaction, tag, observed }
}

const transactionAndTag = (bytes: Uint8Array): { transaction: TransactionId; tag: Tag } => ({
  transaction: bytes.slice(2, 2 + transactionLength),
  tag: bytes.slice(2 + transactionLength, afterTag),
})

/** Port and address, each XORed with the transaction id: some NATs rewrite what looks like their own (RFC 8489 s.14.2). */
const veiled = ({ address, port }: Endpoint, mask: Uint8Array): number[] =>
  [port >> 8, port & 255, ...addressToBytes(address)].map((byte, i) => byte ^ (mask[i % mask.length] ?? 0))

const unveiled = (bytes: Uint8Array, mask: Uint8Array): Endpoint | undefined => {
  const [high = 0, low = 0, ...rest] = bytes.map((byte, i) => byte ^ (mask[i % mask.length] ?? 0))
  const address = addressFromBytes(rest)
  const port = high * 256 + low
  return address === undefined || port === 0 ? undefined : { address, port }
}

/** What the older programs say to each other once a second, and all that an older peer is ever sent unasked. */
export const directMessage = (me: string, peer: string): string => `This is a direct P2P message from ${me} to ${peer}`

const taken = /^(CONNECT|LIST_ACK|EXIT_ACK)/

/**
 * Text for an older peer. Programs among these take text that begins with CONNECT, CONNECT_ACK or LIST_ACK, or is
 * EXIT_ACK, for a server's answer, so such text gets a blank in front.
 */
export const encodeText = (text: string): Uint8Array => encodeUtf8(taken.test(text) ? ` ${text}` : text)
