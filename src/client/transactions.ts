// Law: pure. The checks that are under way: a response counts only if it answers one of them, from where it went.
import { type Endpoint, sameEndpoint } from '../endpoint.ts'
import type { TransactionId } from '../dialects/phonebook/peer.ts'

const most = 64
const lifeMs = 10_000

export class Transactions {
  readonly #open = new Map<string, { readonly to: Endpoint; readonly sinceMs: number }>()

  get size(): number {
    return this.#open.size
  }

  open(id: TransactionId, to: Endpoint, nowMs: number): void {
    for (const [key, { sinceMs }] of this.#open) {
      if (this.#open.size < most && nowMs - sinceMs < lifeMs) break
      this.#open.delete(key)
    }
    this.#open.set(id.join(), { to, sinceMs: nowMs })
  }

  /** True once for the response to a check of ours that comes from where the check went. */
  settle(id: TransactionId, from: Endpoint, nowMs: number): boolean {
    const key = id.join()
    const transaction = this.#open.get(key)
    if (!transaction || nowMs - transaction.sinceMs > lifeMs || !sameEndpoint(transaction.to, from)) return false
    return this.#open.delete(key)
  }
}
