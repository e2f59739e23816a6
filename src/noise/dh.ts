// Law: pure. The DH functions of Noise for Curve25519 (Noise s.4.1 and 12.1), which are those of RFC 7748.
import { diffieHellman } from 'node:crypto'
import { type KeyPair, keyPairOf, publicKeyOf } from '../keys.ts'

export const dhLength = 32

/** Any 32 random bytes make a key pair; the same ones make the same again. */
export const generateKeyPair = (seed: Uint8Array): KeyPair => keyPairOf('X25519', seed)

/** Undefined where all bytes of the secret would be zero: then the public key is one of those of small order (RFC 7748 s.6.1). */
export const dh = ({ privateKey }: KeyPair, publicKey: Uint8Array): Uint8Array | undefined => {
  try {
    return diffieHellman({ privateKey, publicKey: publicKeyOf('X25519', publicKey) })
  } catch {
    return undefined // OpenSSL has found just that; nothing else can fail here
  }
}
