// Law: pure. The cipher functions of Noise for ChaCha20-Poly1305 (Noise s.4.2 and 12.3; RFC 8439 s.2.8).
import { createCipheriv, createDecipheriv } from 'node:crypto'

export const keyLength = 32
export const tagLength = 16

const algorithm = 'chacha20-poly1305'
const options = { authTagLength: tagLength }

/** For one call at a time: the cipher keeps a copy. */
const nonce = new Uint8Array(12)
const nonceView = new DataView(nonce.buffer)

/** 32 bits of zeros and the 64 of `n`, little-endian. */
const nonceOf = (n: number): Uint8Array => {
  nonceView.setUint32(4, n % 2 ** 32, true)
  nonceView.setUint32(8, Math.floor(n / 2 ** 32), true)
  return nonce
}

/** Encrypts what stands in `message` from `at` on, but for its last bytes, which the tag takes. */
export const encryptInPlace = (message: Uint8Array, at: number, key: Uint8Array, n: number, ad: Uint8Array): void => {
  const plaintext = message.subarray(at, message.length - tagLength)
  const cipher = createCipheriv(algorithm, key, nonceOf(n), options)
  if (ad.length > 0) cipher.setAAD(ad, { plaintextLength: plaintext.length })
  message.set(cipher.update(plaintext), at)
  cipher.final()
  message.set(cipher.getAuthTag(), message.length - tagLength)
}

export const encrypt = (key: Uint8Array, n: number, ad: Uint8Array, plaintext: Uint8Array): Uint8Array => {
  const ciphertext = new Uint8Array(plaintext.length + tagLength)
  ciphertext.set(plaintext)
  encryptInPlace(ciphertext, 0, key, n, ad)
  return ciphertext
}

/** Undefined where a bit of key, nonce, associated data or ciphertext is not what it was. */
export const decrypt = (key: Uint8Array, n: number, ad: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined => {
  const length = ciphertext.length - tagLength
  if (length < 0) return undefined
  const decipher = createDecipheriv(algorithm, key, nonceOf(n), options)
  decipher.setAuthTag(ciphertext.subarray(length))
  if (ad.length > 0) decipher.setAAD(ad, { plaintextLength: length })
  const plaintext = decipher.update(ciphertext.subarray(0, length))
  try {
    decipher.final()
  } catch {
    return undefined
  }
  // Not the Buffer: its slice() shares memory, its toJSON() hides the bytes.
  return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length)
}

const zeros = new Uint8Array(keyLength)

/** The next key: what 2^64 - 1, a nonce that no message has, makes of zeros, without the tag (Noise s.4.2, REKEY). */
export const rekey = (key: Uint8Array): Uint8Array => {
  const cipher = createCipheriv(algorithm, key, lastNonce, options)
  const next = cipher.update(zeros)
  cipher.final()
  return new Uint8Array(next)
}

const lastNonce = Uint8Array.from([0, 0, 0, 0, ...Array<number>(8).fill(255)])
