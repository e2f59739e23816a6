// Law: pure, and the same in every JavaScript engine. A 64-bit hash of text: names a trace, seeds a random stream.

/**
 * FNV-1a, 64 bits, as 16 hex digits. Reads one byte per ASCII character (so the published vectors hold) and two bytes,
 * low first, per other UTF-16 unit.
 */
export const fnv1a64 = (text: string): string => {
  let high = 0xcbf29ce4
  let low = 0x84222325
  const addByte = (byte: number): void => {
    low = (low ^ byte) >>> 0
    // The prime is 2^40 + 0x1b3; a BigInt would be some fifty times slower.
    const product = low * 0x1b3
    high = (high * 0x1b3 + Math.floor(product / 0x100000000) + (low << 8)) >>> 0
    low = product >>> 0
  }
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    addByte(unit & 0xff)
    if (unit > 0x7f) addByte(unit >>> 8)
  }
  return hex(high) + hex(low)
}

const hex = (word: number): string => word.toString(16).padStart(8, '0')
