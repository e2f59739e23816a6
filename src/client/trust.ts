// Law: pure. Whether we go on with the key that the phonebook shows for the peer: a peer that was once met with a key is met with
// that key or not at all (safety.md rule 10), as ssh does it.
import type { Line } from '../dialects/phonebook/codec.ts'
import type { Endpoint } from '../endpoint.ts'
import { fingerprintOf } from '../identity.ts'

/** `changed`, `vanished`: it was met with another one. `missing`: there has to be one. Fingerprints. */
export type KeyProblem = {
  readonly peer: string
  readonly endpoint: Endpoint
  readonly why: 'changed' | 'vanished' | 'missing'
  readonly was?: string
  readonly now?: string
}

/** Both fingerprints, and what to do. `peer`: as it may be shown. */
export const keyProblemText = ({ why, was, now }: Pick<KeyProblem, 'why' | 'was' | 'now'>, peer: string): string =>
  ({
    changed:
      `The key of ${peer} has changed: it was ${was}, now the phonebook shows ${now}. Somebody else may be using the name. ` +
      `Nothing is sent there. If you know that the new key is the right one: test-client --forget ${peer}`,
    vanished:
      `The key of ${peer} is gone: it was ${was}, now the phonebook shows none. Somebody else may be using the name, or the server hides the key. ` +
      `Nothing is sent there. If you know that ${peer} goes without a key now: test-client --forget ${peer}`,
    missing: `${peer} shows no key, so the line can't be private, as was asked for: nothing is sent there.`,
  })[why]

export type TrustOptions = {
  /** The key that the peer was met with before. */
  readonly knownKey?: string | undefined
  /** Nothing is to be said in plain. */
  readonly required?: boolean | undefined
}

export class Trust {
  readonly #required: boolean
  #known: string | undefined
  #refused: KeyProblem | undefined
  #shown: string | undefined

  constructor({ knownKey, required = false }: TrustOptions) {
    this.#known = knownKey
    this.#required = required
  }

  /** The peer's key, as the phonebook showed it last to be accepted. */
  get shown(): string | undefined {
    return this.#shown
  }

  /** Why we don't go on with what the phonebook shows now; undefined where we do. */
  get refused(): KeyProblem | undefined {
    return this.#refused
  }

  /** False where we don't go on with the peer's entry; `tell` hears why, once. */
  accepts({ name: peer, endpoint, key }: Line, tell: (problem: KeyProblem) => void): boolean {
    const told = this.#refused
    const problem = this.#problem(key)
    this.#refused = problem && { peer, endpoint, ...problem }
    if (this.#refused && (told?.why !== this.#refused.why || told.now !== this.#refused.now)) tell(this.#refused)
    if (!problem) this.#shown = key
    return !problem
  }

  #problem(key: string | undefined): Omit<KeyProblem, 'peer' | 'endpoint'> | undefined {
    const known = this.#known
    if (known === undefined) return this.#required && key === undefined ? { why: 'missing' } : undefined
    if (key === known) return undefined
    const was = fingerprintOf(known)
    return key === undefined ? { why: 'vanished', was } : { why: 'changed', was, now: fingerprintOf(key) }
  }

  /** Whoever has this key has shown it. */
  met(key: string): void {
    this.#known ??= key
  }
}
