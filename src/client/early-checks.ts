// Law: pure. The peer's checks may come before the phonebook says where the peer is. They are kept for a moment, and
// answered if the phonebook bears them out (as RFC 8445 s.7.3 keeps early checks).
import { type Endpoint, endpointKey } from '../endpoint.ts'
import type { PeerMessage } from '../dialects/phonebook/peer.ts'

type Check = PeerMessage & { readonly type: 'check' }
export type EarlyCheck = { readonly check: Check; readonly from: Endpoint; readonly atMs: number }

const most = 8
const lifeMs = 3000

export class EarlyChecks {
  readonly #bySource = new Map<string, EarlyCheck>()

  get size(): number {
    return this.#bySource.size
  }

  /** The latest one of each source. */
  keep(check: Check, from: Endpoint, atMs: number): void {
    const key = endpointKey(from)
    this.#bySource.delete(key)
    const [oldest] = this.#bySource.keys()
    if (oldest !== undefined && this.#bySource.size >= most) this.#bySource.delete(oldest)
    this.#bySource.set(key, { check, from, atMs })
  }

  /** All that are not too old; it keeps none. */
  take(nowMs: number): EarlyCheck[] {
    const kept = [...this.#bySource.values()].filter(({ atMs }) => nowMs - atMs <= lifeMs)
    this.#bySource.clear()
    return kept
  }
}
