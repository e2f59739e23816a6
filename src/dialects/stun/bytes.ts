// Law: pure. Numbers in network order. What lies past the end reads as 0: lengths are checked before values are read.

export const uint16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)

export const uint32 = (bytes: Uint8Array, at: number): number => uint16(bytes, at) * 0x1_0000 + uint16(bytes, at + 2)

export const putUint16 = (into: Uint8Array, at: number, value: number): void => {
  into[at] = value >> 8
  into[at + 1] = value
}

export const putUint32 = (into: Uint8Array, at: number, value: number): void => {
  putUint16(into, at, value >>> 16)
  putUint16(into, at + 2, value)
}

/** Attributes begin at multiples of 4 (RFC 8489 s.14). */
export const aligned = (length: number): number => (length + 3) & ~3

/** A part of the bytes without copying them; never a Buffer, whatever the whole is. */
export const viewOf = (bytes: Uint8Array, at: number, length: number): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset + at, length)

const poolSize = 8192
let pool = new ArrayBuffer(poolSize)
let poolWords = new Uint32Array(pool)
let used = 0

/**
 * Zeros. Above 64 bytes a Uint8Array of its own is allocated outside of V8's heap, which was a third of what an answer
 * cost: hence parts of a larger one, never used twice, as node does for its Buffers.
 */
export const allocate = (length: number): Uint8Array => {
  if (length > poolSize / 2) return new Uint8Array(length)
  if (used + length > poolSize) {
    pool = new ArrayBuffer(poolSize)
    poolWords = new Uint32Array(pool)
    used = 0
  }
  const bytes = new Uint8Array(pool, used, length)
  used += aligned(length)
  return bytes
}

/** Up to here a loop copies faster than a view is made to copy from. */
const shortMessage = 128

/** The first bytes of these; their number is a multiple of 4, as that of every message, hence four at a time. */
export const copyOf = (words: Uint32Array, length: number): Uint8Array => {
  const bytes = allocate(length)
  if (length > shortMessage) bytes.set(new Uint8Array(words.buffer, words.byteOffset, length))
  else for (let from = 0, to = (used - length) >> 2; from < length >> 2;) poolWords[to++] = words[from++] as number
  return bytes
}
