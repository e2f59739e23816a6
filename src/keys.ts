// Law: pure. Curve25519 on 32-byte keys: X25519 agrees on a secret (RFC 7748), Ed25519 signs (RFC 8032); node:crypto does it, which takes
// keys wrapped as in RFC 8410. Where keys come from and where they are kept is no business of this file.
import {
  type KeyObject,
  type PrivateKeyInput,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  sign,
  verify,
} from 'node:crypto'

type Curve = 'X25519' | 'Ed25519'

export const keyLength = 32

/** The last byte of the object identifier 1.3.101.*, RFC 8410 s.3. */
const identifiers = { X25519: 110, Ed25519: 112 } as const

const pkcs8 = (curve: Curve): number[] => [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, identifiers[curve], 4, 34, 4, 32]
const spki = (curve: Curve): number[] => [48, 42, 48, 5, 6, 3, 43, 101, identifiers[curve], 3, 33, 0]

// node:crypto takes any bytes here, its types ask for a Buffer.
const joined = (head: readonly number[], key: Uint8Array): PrivateKeyInput['key'] => {
  if (key.length !== keyLength) throw new RangeError(`a key has ${keyLength} bytes, not ${key.length}`)
  return Uint8Array.from([...head, ...key]) as PrivateKeyInput['key']
}

/** Any 32 random bytes are a private key. */
const privateKeyOf = (curve: Curve, seed: Uint8Array): KeyObject =>
  createPrivateKey({ key: joined(pkcs8(curve), seed), format: 'der', type: 'pkcs8' })

const publicKeyOf = (curve: Curve, bytes: Uint8Array): KeyObject =>
  createPublicKey({ key: joined(spki(curve), bytes), format: 'der', type: 'spki' })

/** The 32 bytes of the public key that belongs to a private one. */
const publicBytes = (privateKey: KeyObject): Uint8Array =>
  new Uint8Array(createPublicKey(privateKey).export({ format: 'der', type: 'spki' })).slice(-keyLength)

/** Of X25519. The private half stays in here. */
export type KeyPair = {
  readonly publicKey: Uint8Array
  /** Undefined where all bytes of the secret would be zero: then the public key is one of those of small order (RFC 7748 s.6.1). */
  dh(publicKey: Uint8Array): Uint8Array | undefined
}

/** The same seed makes the same pair again. */
export const keyPairOf = (seed: Uint8Array): KeyPair => {
  const privateKey = privateKeyOf('X25519', seed)
  return {
    publicKey: publicBytes(privateKey),
    dh(publicKey) {
      try {
        return diffieHellman({ privateKey, publicKey: publicKeyOf('X25519', publicKey) })
      } catch {
        return undefined // OpenSSL has found just that; nothing else can fail here
      }
    },
  }
}

/** Of Ed25519. */
export type Signer = { readonly publicKey: Uint8Array; sign(message: Uint8Array): Uint8Array }

export const signerOf = (seed: Uint8Array): Signer => {
  const privateKey = privateKeyOf('Ed25519', seed)
  return { publicKey: publicBytes(privateKey), sign: message => sign(null, message, privateKey) }
}

export const isSignedBy = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
  try {
    return verify(null, message, publicKeyOf('Ed25519', publicKey), signature)
  } catch {
    return false // no point of the curve
  }
}
