// Law: pure. Which numbers of datagrams were here before: the sliding window of RFC 6479, without its shifting of bits.

/** Bits in a word of the bitmap; the window is one word smaller than the bitmap, as its newest word is only partly in use. */
const wordBits = 32

export class ReplayWindow {
  readonly size: number
  readonly #words: Uint32Array
  /** One more than the highest number that was accepted. */
  #next = 0

  /** `size`: how far behind the highest number one may lie; a multiple of 32. */
  constructor(size: number) {
    this.size = size
    this.#words = new Uint32Array(size / wordBits + 1)
  }

  get highest(): number {
    return this.#next - 1
  }

  /** Whether the number is new, and near enough to tell. */
  isNew(n: number): boolean {
    if (n >= this.#next) return true
    return this.#next - n <= this.size && ((this.#words[this.#indexOf(n)] ?? 0) & bitOf(n)) === 0
  }

  /** To be called for what was found genuine, and for nothing else: a forgery must not move the window. */
  accept(n: number): void {
    const words = this.#words.length
    if (n >= this.#next) {
      const last = Math.floor((this.#next - 1) / wordBits)
      const entered = Math.min(Math.floor(n / wordBits) - last, words)
      for (let i = 1; i <= entered; i++) this.#words[(last + i) % words] = 0
      this.#next = n + 1
    }
    const index = this.#indexOf(n)
    this.#words[index] = (this.#words[index] ?? 0) | bitOf(n)
  }

  #indexOf(n: number): number {
    return Math.floor(n / wordBits) % this.#words.length
  }
}

const bitOf = (n: number): number => 1 << (n % wordBits)
