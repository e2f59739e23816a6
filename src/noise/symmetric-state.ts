// Law: pure. SymmetricState (Noise s.5.2) and HKDF (s.4.3), with SHA-256. Its CipherState (s.5.1) is a key and a number in here:
// in a handshake nobody else has one.
import { createHash, hkdfSync } from 'node:crypto'
import { encodeUtf8 } from '../utf8.ts'
import { decrypt, encrypt } from './chacha-poly.ts'

export const hashLength = 32

const hash = (...parts: readonly Uint8Array[]): Uint8Array => {
  const sha = createHash('sha256')
  for (const part of parts) sha.update(part)
  return sha.digest()
}

const none = new Uint8Array()

/** HKDF (s.4.3): two or three outputs. As in RFC 5869, with the chaining key as salt and without info. */
const hkdf = (chainingKey: Uint8Array, input: Uint8Array): readonly [Uint8Array, Uint8Array, Uint8Array] => {
  const bytes = new Uint8Array(hkdfSync('sha256', input, chainingKey, none, 3 * hashLength))
  const output = (n: number): Uint8Array => bytes.subarray(n * hashLength, (n + 1) * hashLength)
  return [output(0), output(1), output(2)]
}

export class SymmetricState {
  #ck: Uint8Array
  #h: Uint8Array
  #k: Uint8Array | undefined
  #n = 0

  /** InitializeSymmetric. */
  constructor(protocolName: string) {
    const name = encodeUtf8(protocolName)
    this.#h = name.length <= hashLength ? Uint8Array.from({ length: hashLength }, (_, i) => name[i] ?? 0) : hash(name)
    this.#ck = this.#h
  }

  /** GetHandshakeHash (s.11.2): the same on both sides, and different in every session. */
  get handshakeHash(): Uint8Array {
    return this.#h
  }

  mixKey(input: Uint8Array): void {
    const [ck, key] = hkdf(this.#ck, input)
    this.#ck = ck
    this.#initializeKey(key)
  }

  mixHash(data: Uint8Array): void {
    this.#h = hash(this.#h, data)
  }

  mixKeyAndHash(input: Uint8Array): void {
    const [ck, middle, key] = hkdf(this.#ck, input)
    this.#ck = ck
    this.mixHash(middle)
    this.#initializeKey(key)
  }

  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const ciphertext = this.#k ? encrypt(this.#k, this.#n++, this.#h, plaintext) : plaintext
    this.mixHash(ciphertext)
    return ciphertext
  }

  /** Undefined where it does not hold. */
  decryptAndHash(ciphertext: Uint8Array): Uint8Array | undefined {
    const plaintext = this.#k ? decrypt(this.#k, this.#n++, this.#h, ciphertext) : ciphertext
    if (plaintext) this.mixHash(ciphertext)
    return plaintext
  }

  /** The initiator's key for sending, and the responder's. */
  split(): readonly [Uint8Array, Uint8Array] {
    const [first, second] = hkdf(this.#ck, none)
    return [first, second]
  }

  #initializeKey(key: Uint8Array): void {
    this.#k = key
    this.#n = 0
  }
}
