// Law: pure. What seals a message: MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT (RFC 8489 s.14.5 to s.14.7).
// Each covers all that stands before it, with the header's length as if it were the last. Hence sealing is a step of its
// own, over encoded bytes: withFingerprint(withIntegrity(encode(message), key)).
import { createHmac, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { attributes } from './attributes.ts'
import { aligned, allocate, putUint16, putUint32, uint16, uint32, viewOf } from './bytes.ts'

const headerLength = 20
const macs = {
  'MESSAGE-INTEGRITY': { hash: 'sha1', length: 20 },
  'MESSAGE-INTEGRITY-SHA256': { hash: 'sha256', length: 32 },
} as const
export type Mac = keyof typeof macs

/** `key`: the password, or MD5 or SHA-256 of `<username>:<realm>:<password>` (RFC 8489 s.9.1.1, s.9.2.2). */
export const withIntegrity = (bytes: Uint8Array, key: Uint8Array, mac: Mac = 'MESSAGE-INTEGRITY'): Uint8Array => {
  const sealed = withRoomFor(bytes, attributes[mac].type, macs[mac].length)
  sealed.set(macOf(sealed, bytes.length, macs[mac].length, key, mac), bytes.length + 4)
  return sealed
}

/** False too where there is none. A SHA-256 may have been truncated to 16 bytes or more. */
export const integrityHolds = (bytes: Uint8Array, key: Uint8Array, mac: Mac = 'MESSAGE-INTEGRITY'): boolean => {
  const { type, read } = attributes[mac]
  const at = offsetOf(bytes, type)
  if (at === undefined) return false
  const found = read(bytes, at + 4, uint16(bytes, at + 2))
  return found !== undefined && timingSafeEqual(found, macOf(bytes, at, found.length, key, mac))
}

export const withFingerprint = (bytes: Uint8Array): Uint8Array => {
  const sealed = withRoomFor(bytes, attributes.FINGERPRINT.type, 4)
  putUint32(sealed, bytes.length + 4, fingerprintOf(sealed, bytes.length))
  return sealed
}

/** `at`: where the message's last attribute begins, a FINGERPRINT. */
export const fingerprintHolds = (bytes: Uint8Array, at: number): boolean =>
  uint32(bytes, at + 4) === fingerprintOf(bytes, at)

const fingerprintOf = (bytes: Uint8Array, at: number): number => (crc32(viewOf(bytes, 0, at)) ^ 0x5354554e) >>> 0

/** The first `length` bytes of the mac of an attribute of that length at `at`. */
const macOf = (bytes: Uint8Array, at: number, length: number, key: Uint8Array, mac: Mac): Uint8Array => {
  const head = Uint8Array.from(viewOf(bytes, 0, headerLength))
  putUint16(head, 2, at + 4 + length - headerLength)
  const rest = viewOf(bytes, headerLength, at - headerLength)
  return createHmac(macs[mac].hash, key).update(head).update(rest).digest().subarray(0, length)
}

/** The message, longer by an attribute that is still to be filled in. */
const withRoomFor = (bytes: Uint8Array, type: number, length: number): Uint8Array => {
  const longer = allocate(bytes.length + 4 + length)
  longer.set(bytes)
  putUint16(longer, 2, longer.length - headerLength)
  putUint16(longer, bytes.length, type)
  putUint16(longer, bytes.length + 2, length)
  return longer
}

const offsetOf = (bytes: Uint8Array, type: number): number | undefined => {
  for (let at = headerLength; at + 4 <= bytes.length; at += 4 + aligned(uint16(bytes, at + 2))) {
    if (uint16(bytes, at) === type) return at + 4 + uint16(bytes, at + 2) <= bytes.length ? at : undefined
  }
  return undefined
}
