// Law: pure. What two say after their handshake, in datagrams that may be lost, doubled and overtaken: the nonce stands in each of
// them (Noise s.11.4), none is taken twice, and after 2^16 of them comes the next key (s.11.3).
import { decrypt, encryptInPlace, rekey, tagLength } from './chacha-poly.ts'
import type { Keys } from './handshake-state.ts'
import { ReplayWindow } from './replay-window.ts'

export const nonceLength = 8
/** What sealing adds to a payload: its kind, which nobody else is to know either, is one byte of it. */
export const sealLength = nonceLength + 1 + tagLength

/** Messages under one key. Both sides count for themselves, so there is nothing to be agreed upon and nothing to be lost. */
const messagesPerKey = 2 ** 16
/** So many keys ahead of the newest one are looked for; whoever was away for longer than that is lost anyway. */
const mostAhead = 16
/** How far messages may overtake each other. */
const windowSize = 1024
/** Above this a number is not exact; at a million messages a second that takes 285 years. */
const lastNonce = 2 ** 53 - 1

export type Transport = {
  /** Nonce, ciphertext of kind and payload, and tag, behind `head`, which they authenticate too. Undefined once the nonces are used up. */
  seal(head: Uint8Array, kind: number, payload: Uint8Array): Uint8Array | undefined
  /** Kind and payload of a message that begins with a head of `headLength`; undefined where it is forged, or was here before. */
  open(message: Uint8Array, headLength: number): Uint8Array | undefined
  /** The highest number of what was opened so far; -1 before that. */
  readonly newest: number
}

export const createTransport = ({ sending, receiving }: Keys): Transport => {
  const seals = keyring(sending)
  const opens = keyring(receiving)
  const window = new ReplayWindow(windowSize)
  let next = 0
  return {
    get newest() {
      return window.highest
    },
    seal(head, kind, payload) {
      if (next > lastNonce) return undefined
      const n = next++
      const key = seals.keyFor(n)
      if (!key) return undefined
      seals.keep(n)
      const at = head.length + nonceLength
      const message = new Uint8Array(head.length + sealLength + payload.length)
      message.set(head)
      const view = new DataView(message.buffer, head.length)
      view.setUint32(0, Math.floor(n / 2 ** 32))
      view.setUint32(4, n % 2 ** 32)
      message[at] = kind
      message.set(payload, at + 1)
      encryptInPlace(message, at, key, n, head)
      return message
    },
    open(message, headLength) {
      const at = headLength + nonceLength
      if (message.length < at + tagLength) return undefined
      const view = new DataView(message.buffer, message.byteOffset + headLength)
      const n = view.getUint32(0) * 2 ** 32 + view.getUint32(4)
      if (n > lastNonce || !window.isNew(n)) return undefined
      const key = opens.keyFor(n)
      const payload = key && decrypt(key, n, message.subarray(0, headLength), message.subarray(at))
      if (!payload) return undefined
      window.accept(n)
      opens.keep(n)
      return payload
    },
  }
}

/** The keys of one direction, each made of the one before it. Older ones than the last two are forgotten. */
const keyring = (first: Uint8Array) => {
  let epoch = 0
  let [before, now]: [Uint8Array | undefined, Uint8Array] = [undefined, first]
  const keyAt = (wanted: number): Uint8Array | undefined => {
    if (wanted < epoch) return wanted === epoch - 1 ? before : undefined
    if (wanted > epoch + mostAhead) return undefined
    let key = now
    for (let i = epoch; i < wanted; i++) key = rekey(key)
    return key
  }
  const epochOf = (n: number): number => Math.floor(n / messagesPerKey)
  return {
    keyFor: (n: number): Uint8Array | undefined => keyAt(epochOf(n)),
    /** A message with this number was genuine: if its key is newer than ours, ours is the old one now. */
    keep(n: number): void {
      const reached = epochOf(n)
      if (reached <= epoch) return
      ;[before, now] = [keyAt(reached - 1), keyAt(reached) ?? now]
      epoch = reached
    },
  }
}
