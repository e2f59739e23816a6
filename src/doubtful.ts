// Law: pure. Those in the phonebook that never showed that they are there, by placement: all, and by the prefix that they
// came from, so that a crowd from one place makes room for itself first.
import { type Endpoint, familyOf, prefixOf } from './endpoint.ts'
import type { Entry } from './entry.ts'
import { Order } from './order.ts'

/** Of the slots; a prefix with more than that in doubt loses its own oldest. */
const mostOfACrowd = 1 / 4

export class Doubtful {
  readonly #capacity: number
  readonly #all = new Order<Entry>()
  readonly #crowds = new Map<string, Order<Entry>>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  add(entry: Entry): void {
    this.#all.touch(entry)
    entry.crowd = crowdOf(entry.endpoint)
    const crowd = this.#crowds.get(entry.crowd)
    if (crowd) crowd.touch(entry)
    else this.#crowds.set(entry.crowd, new Order([entry]))
  }

  delete(entry: Entry): void {
    if (!this.#all.delete(entry)) return
    const crowd = this.#crowds.get(entry.crowd)
    crowd?.delete(entry)
    if (crowd?.size === 0) this.#crowds.delete(entry.crowd)
  }

  /** Who makes room for somebody from there: one of its own crowd, if that is too large, else the oldest of all. */
  victim(newcomer: Endpoint): Entry | undefined {
    const crowd = this.#crowds.get(crowdOf(newcomer))
    return crowd && crowd.size > this.#capacity * mostOfACrowd ? crowd.oldest : this.#all.oldest
  }
}

/** The prefix that a newcomer is counted under. */
const crowdOf = ({ address }: Endpoint): string => prefixOf(address, familyOf(address) === 4 ? 24 : 64)
