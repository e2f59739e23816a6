// Law: pure. Curve25519 on 32-byte keys: X25519 agrees on a secret (RFC 7748), Ed25519 signs (RFC 8032); node:crypto does it, which takes
// keys as in RFC 8037: as the DER of RFC 8410 a private one takes it fifteen times as long to read. Where keys come from and where
// they are kept is no business of this file.
import { type KeyObject, createPrivateKey, createPublicKey, diffieHellman, sign, verify } from 'node:crypto'
import { fromBase64url, toBase64url } from './rfc4648.ts'

type Curve = 'X25519' | 'Ed25519'

export const keyLength = 32

const textOf = (key: Uint8Array): string => {
  if (key.length !== keyLength) throw new RangeError(`a key has ${keyLength} bytes, not ${key.length}`)
  return toBase64url(key)
}

/** Any 32 random bytes are a private key. Its public half, `x`, has to be there and is not looked at: node:crypto makes it anew. */
const privateKeyOf = (crv: Curve, seed: Uint8Array): KeyObject =>
  createPrivateKey({ key: { kty: 'OKP', crv, d: textOf(seed), x: '' }, format: 'jwk' })

const publicKeyOf = (crv: Curve, bytes: Uint8Array): KeyObject =>
  createPublicKey({ key: { kty: 'OKP', crv, x: textOf(bytes) }, format: 'jwk' })

/** The 32 bytes of the public key that belongs to a private one. */
const publicBytes = (privateKey: KeyObject): Uint8Array => {
  const bytes = fromBase64url(createPublicKey(privateKey).export({ format: 'jwk' }).x ?? '', keyLength)
  if (!bytes) throw new Error('node:crypto knows no public half of a key')
  return bytes
}

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
