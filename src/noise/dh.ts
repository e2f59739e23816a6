// Law: pure. The DH functions of Noise for Curve25519 (Noise s.4.1 and 12.1), which are those of RFC 7748.
import { type KeyObject, diffieHellman } from 'node:crypto'
import { privateKeyOf, publicBytes, publicKeyOf } from '../keys.ts'

export const dhLength = 32

export type KeyPair = { readonly privateKey: KeyObject; readonly publicKey: Uint8Array }

/** Any 32 random bytes make a key pair; the same ones make the same again. */
export const generateKeyPair = (seed: Uint8Array): KeyPair => {
  const privateKey = privateKeyOf('X25519', seed)
  return { privateKey, publicKey: publicBytes(privateKey) }
}

/** Undefined where all bytes of the secret would be zero: then the public key is one of those of small order (RFC 7748 s.6.1). */
export const dh = ({ privateKey }: KeyPair, publicKey: Uint8Array): Uint8Array | undefined => {
  try {
    return diffieHellman({ privateKey, publicKey: publicKeyOf('X25519', publicKey) })
  } catch {
    return undefined // OpenSSL has found just that; nothing else can fail here
  }
}
