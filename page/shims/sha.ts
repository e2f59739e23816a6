// Law: pure. SHA-1 and SHA-256 (FIPS 180-4), for browsers, whose own answer only later.

const rotateLeft = (word: number, by: number): number => (word << by) | (word >>> (32 - by))
const rotateRight = (word: number, by: number): number => (word >>> by) | (word << (32 - by))

/** Constants are the first 32 bits of the fractional parts of roots of the first primes. */
const primes = (count: number): number[] => {
  const found: number[] = []
  for (let n = 2; found.length < count; n++) if (found.every(prime => n % prime !== 0)) found.push(n)
  return found
}
const fraction = (root: number): number => Math.floor((root - Math.floor(root)) * 2 ** 32) | 0
const k256 = primes(64).map(prime => fraction(Math.cbrt(prime)))
const h256 = primes(8).map(prime => fraction(Math.sqrt(prime)))
const h1 = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]
const k1 = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6]

export const blockLength = 64

/** The message, a one bit, zeros, its length in bits; as big-endian words. */
const wordsOf = (bytes: Uint8Array): DataView => {
  const length = Math.ceil((bytes.length + 9) / blockLength) * blockLength
  const padded = new Uint8Array(length)
  padded.set(bytes)
  padded[bytes.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(length - 8, Math.floor(bytes.length / 2 ** 29))
  view.setUint32(length - 4, bytes.length * 8)
  return view
}

const bytesOf = (state: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(4 * state.length)
  const view = new DataView(bytes.buffer)
  for (const [i, word] of state.entries()) view.setInt32(4 * i, word)
  return bytes
}

export const sha256 = (bytes: Uint8Array): Uint8Array => {
  const message = wordsOf(bytes)
  const state = [...h256]
  const w = new Int32Array(64)
  for (let at = 0; at < message.byteLength; at += blockLength) {
    for (let i = 0; i < 16; i++) w[i] = message.getInt32(at + 4 * i)
    for (let i = 16; i < 64; i++) {
      const [a, b] = [w[i - 15] ?? 0, w[i - 2] ?? 0]
      const s0 = rotateRight(a, 7) ^ rotateRight(a, 18) ^ (a >>> 3)
      const s1 = rotateRight(b, 17) ^ rotateRight(b, 19) ^ (b >>> 10)
      w[i] = ((w[i - 16] ?? 0) + s0 + (w[i - 7] ?? 0) + s1) | 0
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state
    for (let i = 0; i < 64; i++) {
      const s1 = rotateRight(e, 6) ^ rotateRight(e, 11) ^ rotateRight(e, 25)
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + (k256[i] ?? 0) + (w[i] ?? 0)) | 0
      const s0 = rotateRight(a, 2) ^ rotateRight(a, 13) ^ rotateRight(a, 22)
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      ;[h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0]
    }
    for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) state[i] = ((state[i] ?? 0) + word) | 0
  }
  return bytesOf(state)
}

export const sha1 = (bytes: Uint8Array): Uint8Array => {
  const message = wordsOf(bytes)
  const state = [...h1]
  const w = new Int32Array(80)
  for (let at = 0; at < message.byteLength; at += blockLength) {
    for (let i = 0; i < 16; i++) w[i] = message.getInt32(at + 4 * i)
    for (let i = 16; i < 80; i++) {
      w[i] = rotateLeft((w[i - 3] ?? 0) ^ (w[i - 8] ?? 0) ^ (w[i - 14] ?? 0) ^ (w[i - 16] ?? 0), 1)
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0] = state
    for (let i = 0; i < 80; i++) {
      const round = Math.floor(i / 20)
      const f = round === 0 ? (b & c) ^ (~b & d) : round === 2 ? (b & c) ^ (b & d) ^ (c & d) : b ^ c ^ d
      const next = (rotateLeft(a, 5) + f + e + (k1[round] ?? 0) + (w[i] ?? 0)) | 0
      ;[e, d, c, b, a] = [d, c, rotateLeft(b, 30), a, next]
    }
    for (const [i, word] of [a, b, c, d, e].entries()) state[i] = ((state[i] ?? 0) + word) | 0
  }
  return bytesOf(state)
}
