// Law: pure. An established session with the peer: numbering, duplicates, signs of life.
import { type Endpoint, sameEndpoint } from '../endpoint.ts'
import type { Path } from './paths.ts'
import { consentCheckMs, consentLostMs, consentRetryMs, keepaliveMs, silenceMs, textKeepaliveMs } from './schedule.ts'

/** So many messages in a second are a talk; a pause in it that is so much longer than usual is worth a question. */
const [lively, livelyMs] = [4, 1000]
const [longPause, shortestPauseMs] = [2.5, 200]
/** Sequence numbers further back than this are taken for duplicates. */
const windowSize = 64

export class Session {
  endpoint: Path
  /** The peer's tag; undefined towards an older peer, with whom everything is text. */
  readonly tag: Uint8Array | undefined
  /** What is said in it is sealed. */
  readonly isPrivate: boolean
  #sentMs: number
  #heardMs: number
  #heardHereMs: number
  #consentMs: number
  #checkedMs: number
  /** When the last ones came, in turn. */
  readonly #heardAt: number[] = Array.from({ length: lively }, () => -Infinity)
  #turn = 0
  #highest: number | undefined
  #seen = new Set<number>()

  constructor(endpoint: Path, tag: Uint8Array | undefined, nowMs: number, isPrivate = false) {
    this.endpoint = endpoint
    this.tag = tag
    this.isPrivate = isPrivate
    this.#sentMs = this.#heardMs = this.#heardHereMs = this.#consentMs = this.#checkedMs = nowMs
  }

  /** When something last came from the endpoint that we send to. */
  get heardHereMs(): number {
    return this.#heardHereMs
  }

  /** False for a number that was here before, or is too far back to tell. The numbers wrap (RFC 1982). */
  isNew(sequence: number): boolean {
    const highest = this.#highest ?? (sequence - 1) | 0
    const ahead = (sequence - highest) | 0
    if (ahead <= -windowSize || this.#seen.has(sequence)) return false
    this.#seen.add(sequence)
    this.#highest = ahead > 0 ? sequence : highest
    if (this.#seen.size > 2 * windowSize) {
      this.#seen = new Set([...this.#seen].filter(seen => ((seen - highest) | 0) > -windowSize))
    }
    return true
  }

  sent(nowMs: number): void {
    this.#sentMs = nowMs
  }

  heard(from: Endpoint, nowMs: number): void {
    this.#heardMs = nowMs
    this.#turn = (this.#turn + 1) % lively
    this.#heardAt[this.#turn] = nowMs
    if (sameEndpoint(from, this.endpoint)) this.#heardHereMs = nowMs
  }

  /** A check of ours was answered. */
  consented(nowMs: number): void {
    this.#consentMs = nowMs
  }

  /** The peer is at another endpoint now. */
  moveTo(endpoint: Path, nowMs: number): void {
    this.endpoint = endpoint
    this.#heardMs = this.#heardHereMs = nowMs
  }

  /** A lively talk that falls silent from one moment to the next may be a NAT that has forgotten; asked once for each silence. */
  get #doubtMs(): number {
    const first = this.#heardAt[(this.#turn + 1) % lively] ?? -Infinity
    if (!this.isPrivate || this.#checkedMs >= this.#heardMs) return Infinity
    const usualMs = (this.#heardMs - first) / (lively - 1)
    if (this.#heardMs - first > livelyMs) return Infinity
    return this.#heardMs + Math.max(shortestPauseMs, longPause * usualMs)
  }

  checked(nowMs: number): void {
    this.#checkedMs = nowMs
  }

  /** What is due, the most urgent first; undefined where nothing is. */
  due(nowMs: number): 'silent' | 'no-consent' | 'doubt' | 'check' | 'keepalive' | undefined {
    if (nowMs >= this.#heardMs + silenceMs) return 'silent'
    if (!this.tag) return nowMs >= this.#sentMs + textKeepaliveMs ? 'keepalive' : undefined
    if (nowMs >= this.#consentMs + consentLostMs) return 'no-consent'
    if (nowMs >= this.#doubtMs) return 'doubt'
    if (nowMs >= this.#nextCheckMs) return 'check'
    return nowMs >= this.#sentMs + keepaliveMs ? 'keepalive' : undefined
  }

  /** When something will be due if nothing happens until then: to the bit what `due` compares with, or a timer would spin. */
  deadline(): number {
    const silent = this.#heardMs + silenceMs
    if (!this.tag) return Math.min(silent, this.#sentMs + textKeepaliveMs)
    return Math.min(
      silent,
      this.#consentMs + consentLostMs,
      this.#doubtMs,
      this.#nextCheckMs,
      this.#sentMs + keepaliveMs,
    )
  }

  get #nextCheckMs(): number {
    return this.#checkedMs + (this.#checkedMs > this.#consentMs ? consentRetryMs : consentCheckMs)
  }
}
