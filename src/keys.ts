// Law: pure. Keys of Curve25519 as 32 bytes and as what node:crypto takes: X25519 (RFC 7748), Ed25519 (RFC 8032), wrapped as
// in RFC 8410. Where they come from and where they are kept is no business of this file.
import { type KeyObject, type PrivateKeyInput, createPrivateKey, createPublicKey } from 'node:crypto'

export type Curve = 'X25519' | 'Ed25519'

export const keyLength = 32

/** The last byte of the object identifier 1.3.101.*, RFC 8410 s.3. */
const identifiers = { X25519: 110, Ed25519: 112 } as const

const pkcs8 = (curve: Curve): number[] => [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, identifiers[curve], 4, 34, 4, 32]
const spki = (curve: Curve): number[] => [48, 42, 48, 5, 6, 3, 43, 101, identifiers[curve], 3, 33, 0]

/** Any 32 random bytes are a private key. */
const privateKeyOf = (curve: Curve, seed: Uint8Array): KeyObject =>
  createPrivateKey({ key: joined(pkcs8(curve), seed), format: 'der', type: 'pkcs8' })

export const publicKeyOf = (curve: Curve, bytes: Uint8Array): KeyObject =>
  createPublicKey({ key: joined(spki(curve), bytes), format: 'der', type: 'spki' })

/** `privateKey` as node:crypto holds it, `publicKey` as 32 bytes. */
export type KeyPair = { readonly privateKey: KeyObject; readonly publicKey: Uint8Array }

/** The same seed makes the same pair again. */
export const keyPairOf = (curve: Curve, seed: Uint8Array): KeyPair => {
  const privateKey = privateKeyOf(curve, seed)
  return { privateKey, publicKey: publicBytes(privateKey) }
}

/** The 32 bytes of the public key that belongs to a private one. */
const publicBytes = (privateKey: KeyObject): Uint8Array =>
  new Uint8Array(createPublicKey(privateKey).export({ format: 'der', type: 'spki' })).slice(-keyLength)

// node:crypto takes any bytes here, its types ask for a Buffer.
const joined = (head: readonly number[], key: Uint8Array): PrivateKeyInput['key'] => {
  if (key.length !== keyLength) throw new RangeError(`a key has ${keyLength} bytes, not ${key.length}`)
  return Uint8Array.from([...head, ...key]) as PrivateKeyInput['key']
}
