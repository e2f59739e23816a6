// Law: pure. Who somebody is: an Ed25519 key that claims its name at a server, and an X25519 key for its private line with a peer.
// Both public ones together are what stands in `key=`, what peers remember, and what a fingerprint is of.
import { createHash } from 'node:crypto'
import { type KeyPair, keyLength, keyPairOf, signerOf } from './keys.ts'
import { fromBase64url, toBase64url } from './rfc4648.ts'

/** Random bytes that one is made of. */
export const identitySeedLength = 2 * keyLength

export type Identity = {
  /** As it stands in `key=`. */
  readonly key: string
  /** The X25519 key of the private line. */
  readonly line: KeyPair
  /** An Ed25519 signature (RFC 8032), 64 bytes. */
  sign(message: Uint8Array): Uint8Array
}

/** The same seed makes the same identity again. */
export const identityOf = (seed: Uint8Array): Identity => {
  const claim = signerOf(seed.slice(0, keyLength))
  const line = keyPairOf(seed.slice(keyLength))
  return {
    key: toBase64url(Uint8Array.from([...claim.publicKey, ...line.publicKey])),
    line,
    sign: claim.sign,
  }
}

/** 64 bytes in base64url, as a key and a signature stand on the wire; 516 bits, the last four of which are zero. */
export const is64Bytes = (text: string): boolean => /^[\w-]{85}[AQgw]$/.test(text)

export type PublicKeys = { readonly claim: Uint8Array; readonly line: Uint8Array }

/** Undefined for what is no `key=`. */
export const publicKeysOf = (key: string): PublicKeys | undefined => {
  const bytes = fromBase64url(key, 2 * keyLength)
  return bytes && { claim: bytes.slice(0, keyLength), line: bytes.slice(keyLength) }
}

/** What two people can read to each other, in the form of ssh. */
export const fingerprintOf = (key: string): string => `SHA256:${createHash('sha256').update(key).digest('base64url')}`
