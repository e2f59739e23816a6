// Law: pure. Seeded random streams. A stream is named by its seed and labels and by nothing else, so that a consumer
// that draws more, or one that is added, never shifts the draws of another.
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus'
import { fnv1a64 } from './hash.ts'

export interface Random {
  /** In [0, 1), 53 bits. */
  next(): number
  bytes(count: number): Uint8Array
  /** A stream of its own. The same label gives the same stream, from its beginning. */
  stream(label: string): Random
}

/** Seeds 7 and '7' are the same. */
export const seededRandom = (seed: number | string, label?: string): Random =>
  new SeededRandom(label === undefined ? String(seed) : subKey(String(seed), label))

const subKey = (key: string, label: string): string => `${key}\0${label}`

class SeededRandom implements Random {
  readonly #key: string
  readonly #generator

  constructor(key: string) {
    this.#key = key
    this.#generator = xoroshiro128plusFromState(stateFrom(key))
  }

  next(): number {
    return uniformFloat64(this.#generator)
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count)
    for (let index = 0; index < count; index += 4) {
      const word = this.#generator.next()
      for (let part = 0; part < 4 && index + part < count; part++) bytes[index + part] = word >>> (8 * part)
    }
    return bytes
  }

  stream(label: string): Random {
    return new SeededRandom(subKey(this.#key, label))
  }
}

/** 128 bits out of the key's 64, by splitmix64, as https://prng.di.unimi.it advises for xoroshiro128+. */
const stateFrom = (key: string): number[] => {
  const state: number[] = []
  let counter = BigInt(`0x${fnv1a64(key)}`)
  for (let word = 0; word < 2; word++) {
    counter = BigInt.asUintN(64, counter + 0x9e3779b97f4a7c15n)
    let mixed = counter
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n)
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn)
    mixed ^= mixed >> 31n
    state.push(Number(BigInt.asIntN(32, mixed >> 32n)), Number(BigInt.asIntN(32, mixed)))
  }
  return state
}
