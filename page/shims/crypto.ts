// What server and client take from node:crypto, for browsers: HMAC (RFC 2104) and a comparison. The lab's clients have no keys
// there, so nobody asks for the rest.
import { blockLength, sha1, sha256 } from './sha.ts'

const hashes = { sha1, sha256 }

const joined = (...parts: readonly Uint8Array[]): Uint8Array => {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

export const createHmac = (name: keyof typeof hashes, key: Uint8Array) => {
  const hash = hashes[name]
  const block = joined(key.length > blockLength ? hash(key) : key, new Uint8Array(blockLength)).subarray(0, blockLength)
  const xored = (mask: number): Uint8Array => block.map(byte => byte ^ mask)
  let message = new Uint8Array(0)
  const digest = (encoding?: 'base64url'): Uint8Array | string => {
    const mac = hash(joined(xored(0x5c), hash(joined(xored(0x36), message))))
    return encoding === undefined ? mac : base64url(mac)
  }
  const hmac = {
    update(part: Uint8Array | string) {
      message = new Uint8Array(joined(message, typeof part === 'string' ? new TextEncoder().encode(part) : part))
      return hmac
    },
    digest,
  }
  return hmac
}

const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '')

const absent = (): never => {
  throw new Error('a page has no keys')
}
export {
  absent as createCipheriv,
  absent as createDecipheriv,
  absent as createHash,
  absent as createPrivateKey,
  absent as createPublicKey,
  absent as diffieHellman,
  absent as hkdfSync,
  absent as sign,
  absent as verify,
}

/** Nobody measures the time of a page. */
export const timingSafeEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i])
