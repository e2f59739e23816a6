// Law: pure. Whom the phonebook has shown us, as far as we remember.
import { type Endpoint, sameEndpoint } from '../endpoint.ts'
import type { Line } from '../dialects/phonebook/codec.ts'

/** A hostile server could name more names than we have memory for. */
const mostNames = 256

export class StageView {
  readonly #endpoints = new Map<string, Endpoint>()
  #count = 0

  /** True where the entry is new to us or has moved. */
  note({ name, endpoint, count }: Line): boolean {
    this.#count = count
    const known = this.#endpoints.get(name)
    if (known && sameEndpoint(known, endpoint)) return false
    if (!known && this.#endpoints.size >= mostNames) {
      const [first] = this.#endpoints.keys()
      if (first !== undefined) this.#endpoints.delete(first)
    }
    this.#endpoints.set(name, endpoint)
    return true
  }

  names(): string[] {
    return [...this.#endpoints.keys()]
  }

  /** Slots in use, as the last line said. */
  get count(): number {
    return this.#count
  }
}
