// Law: pure. Token buckets in constant memory: a table of fixed size that keys are hashed into. Two keys that meet in one
// bucket share it; the hash is keyed, so nobody can aim at somebody else's.

export type BucketsOptions = {
  readonly size: number
  readonly burst: number
  readonly perSecond: number
  /** Makes the hash unpredictable. */
  readonly key: number
}

export class Buckets {
  readonly #options: BucketsOptions
  readonly #levels: Float64Array
  readonly #filledMs: Float64Array

  constructor(options: BucketsOptions) {
    this.#options = options
    this.#levels = new Float64Array(options.size).fill(options.burst)
    this.#filledMs = new Float64Array(options.size)
  }

  /** What the key may have now: bytes, or whatever is counted. */
  level(key: string, nowMs: number): number {
    return this.#fill(this.#indexOf(key), nowMs)
  }

  /** Takes what is there to take; false, and nothing taken, where there is less. */
  take(key: string, amount: number, nowMs: number): boolean {
    const index = this.#indexOf(key)
    const level = this.#fill(index, nowMs)
    if (level < amount) return false
    this.#levels[index] = level - amount
    return true
  }

  #fill(index: number, nowMs: number): number {
    const { burst, perSecond } = this.#options
    const grown = ((nowMs - (this.#filledMs[index] ?? 0)) / 1000) * perSecond
    const level = Math.min(burst, (this.#levels[index] ?? 0) + Math.max(0, grown))
    this.#levels[index] = level
    this.#filledMs[index] = nowMs
    return level
  }

  /** FNV-1a of the key, begun with ours. */
  #indexOf(key: string): number {
    let hash = (0x811c9dc5 ^ this.#options.key) >>> 0
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193) >>> 0
    return ((hash ^ (hash >>> 15)) >>> 0) % this.#options.size
  }
}
