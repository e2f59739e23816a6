// Law: pure. What becomes of the peer, as whoever runs the client is told: its first sign of life once, an endpoint that is refused
// once in a row.
import { type Endpoint, sameEndpoint } from '../endpoint.ts'
import type { Tag } from '../dialects/phonebook/peer.ts'
import type { Candidate } from './candidates.ts'
import type { ClientEvent } from './events.ts'
import type { KeyProblem } from './trust.ts'

export type NewsOptions = {
  readonly peer: string
  readonly startedMs: number
  readonly onEvent: (event: ClientEvent) => void
}

export class News {
  readonly #peer: string
  readonly #startedMs: number
  readonly #tell: (event: ClientEvent) => void
  #heard = false
  #refused: Endpoint | undefined

  constructor({ peer, startedMs, onEvent }: NewsOptions) {
    this.#peer = peer
    this.#startedMs = startedMs
    this.#tell = onEvent
  }

  /** Since it was found, or lost. */
  get isHeard(): boolean {
    return this.#heard
  }

  located(endpoint: Endpoint): void {
    this.#tell({ event: 'located', peer: this.#peer, endpoint })
  }

  refused(endpoint: Endpoint, why: string): void {
    if (this.#refused && sameEndpoint(this.#refused, endpoint)) return
    this.#refused = endpoint
    this.#tell({ event: 'refused', peer: this.#peer, endpoint, why })
  }

  keyRefused(problem: KeyProblem): void {
    this.#tell({ event: 'key-refused', ...problem })
  }

  checked({ endpoint, kind }: Candidate, form: 'check' | 'text'): void {
    this.#tell({ event: 'check-sent', endpoint, candidate: kind, form })
  }

  heard(endpoint: Endpoint, nowMs: number): void {
    if (this.#heard) return
    this.#heard = true
    this.#tell({ event: 'heard', peer: this.#peer, endpoint, elapsedMs: nowMs - this.#startedMs })
  }

  /** `key`: of a private line. */
  connected(
    endpoint: Endpoint,
    tag: Tag | undefined,
    privacy: { private: boolean; key?: string },
    nowMs: number,
  ): void {
    const elapsedMs = nowMs - this.#startedMs
    const form = tag ? 'binary' : 'text'
    this.#tell({ event: 'connected', peer: this.#peer, endpoint, elapsedMs, form, ...privacy })
  }

  stuck(): void {
    this.#tell({ event: 'line-stuck', peer: this.#peer })
  }

  quiet(): void {
    this.#tell({ event: 'quiet', peer: this.#peer })
  }

  moved(endpoint: Endpoint): void {
    this.#tell({ event: 'moved', peer: this.#peer, endpoint })
  }

  message(bytes: Uint8Array, endpoint: Endpoint): void {
    const text = new TextDecoder().decode(bytes)
    this.#tell({ event: 'message', from: this.#peer, endpoint, text, bytes })
  }

  stranger(text: string, length: number, endpoint: Endpoint): void {
    this.#tell({ event: 'stranger', endpoint, text, length })
  }

  lost(reason: 'silent' | 'no-consent' | 'left'): void {
    this.#heard = false
    this.#tell({ event: 'lost', peer: this.#peer, reason })
  }
}
