// Law: pure. base64url (RFC 4648 s.5) and base32 (s.6) without padding: bytes as text that fits into a token.

const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
/** In small letters: nobody reads them aloud, and they stand in a token among others. */
const base32 = 'abcdefghijklmnopqrstuvwxyz234567'

const encode = (bytes: Uint8Array, alphabet: string, bits: number): string => {
  let text = ''
  let held = 0
  let heldBits = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    heldBits += 8
    for (; heldBits >= bits; held &= (1 << heldBits) - 1) {
      heldBits -= bits
      text += alphabet[held >> heldBits] ?? ''
    }
  }
  return heldBits === 0 ? text : text + (alphabet[held << (bits - heldBits)] ?? '')
}

export const toBase64url = (bytes: Uint8Array): string => encode(bytes, base64url, 6)
export const toBase32 = (bytes: Uint8Array): string => encode(bytes, base32, 5)

/** Undefined for whatever is not the one spelling of exactly so many bytes (s.3.5). */
export const fromBase64url = (text: string, length: number): Uint8Array | undefined => {
  if (text.length !== Math.ceil((length * 8) / 6)) return undefined
  const bytes = new Uint8Array(length)
  let held = 0
  let heldBits = 0
  let at = 0
  for (const letter of text) {
    const value = base64url.indexOf(letter)
    if (value < 0) return undefined
    held = ((held << 6) | value) & 0xffff
    heldBits += 6
    if (heldBits < 8) continue
    heldBits -= 8
    bytes[at++] = held >> heldBits
  }
  return toBase64url(bytes) === text ? bytes : undefined
}
