// Law: never touches a socket or a clock. A conversation in plain text with a peer whose endpoint a server gave us: the hole is
// opened, the peer's first word makes the connection, and nothing goes where safety forbids it (manners.ts, targets.ts).
import { type Endpoint, sameEndpoint } from '../endpoint.ts'
import { headerBytes } from '../headers.ts'
import { directMessage, encodeText, isPeerMessage, longestText } from '../dialects/phonebook/peer.ts'
import type { DoorEvent } from './door-events.ts'
import { Manners } from './manners.ts'
import { textEveryMs, textKeepaliveMs } from './schedule.ts'
import { targetProblem } from './targets.ts'

export type TextPeerOptions = {
  readonly startedMs: number
  /** Lines that open the hole second by second; a few more follow slowly. An older program prints each of them. */
  readonly denseOpenings: number
  readonly send: (bytes: Uint8Array, to: Endpoint) => void
  readonly onEvent: (event: DoorEvent) => void
}

/** What is typed before the peer was heard waits for so long: its hole may not be open. But an older one may stay silent. */
const holdMs = 3000
const mostHeld = 64
/** After the dense ones. */
const sparseMs = 10_000
/** A peer that goes on greeting has not heard us: so often it is told again. Bounded, or two would greet each other for ever. */
const mostReplies = 5
/** A peer lives for so long after its last word: until then its hole is kept open, as safety asks for signs of life. */
const aliveMs = 30_000

export class TextPeer {
  readonly #options: TextPeerOptions
  readonly #manners = new Manners()
  #me = ''
  #name = ''
  #endpoint: Endpoint | undefined
  #metMs = 0
  #heardMs = -Infinity
  #sentMs = -Infinity
  #openings = 0
  #replies = 0
  #nextMs = Infinity
  #held: string[] = []

  constructor(options: TextPeerOptions) {
    this.#options = options
  }

  /** Where its next word goes. */
  get endpoint(): Endpoint | undefined {
    return this.#endpoint
  }

  /** It was heard since it was met. */
  get connected(): boolean {
    return this.#endpoint !== undefined && this.#heardMs >= this.#metMs
  }

  /**
   * The server says where it is; true where that is somewhere to talk to. Unless `asked` for, nobody takes the place of a peer
   * that was heard just now, under whatever name.
   */
  meet(me: string, name: string, endpoint: Endpoint, server: Endpoint, nowMs: number, asked = false): boolean {
    const isSame = this.#endpoint !== undefined && this.#name === name && sameEndpoint(this.#endpoint, endpoint)
    if (isSame && this.connected) return true
    const isTaken = this.connected && !asked && nowMs < this.#heardMs + aliveMs
    const why = isTaken ? 'is not where the peer is that we talk to' : targetProblem(endpoint, server)
    if (why) {
      this.#options.onEvent({ event: 'refused', peer: name, endpoint, why })
      return false
    }
    this.#me = me
    this.#name = name
    this.#endpoint = endpoint
    this.#openings = 0
    this.#replies = 0
    this.#nextMs = nowMs
    this.#manners.renew(endpoint.address, nowMs)
    if (!isSame) {
      this.#metMs = nowMs
      this.#options.onEvent({ event: 'introduced', peer: name, endpoint })
    }
    this.tick(nowMs)
    return true
  }

  /** Text that does not come from a server; false where it is not the peer's. */
  receive(bytes: Uint8Array, from: Endpoint, nowMs: number): boolean {
    if (!this.#isPeer(from)) return false
    if (isPeerMessage(bytes)) return true
    const isFirst = !this.connected
    this.#manners.alive(from.address, nowMs)
    this.#heardMs = nowMs
    if (isFirst) this.#connect(from, nowMs)
    const text = new TextDecoder().decode(bytes)
    // Said once it is a greeting; after that it opens a hole or keeps one open, and nobody wants to read it.
    const isGreeting = text === directMessage(this.#name, this.#me)
    if (isFirst || !isGreeting) {
      this.#options.onEvent({ event: 'message', from: this.#name, endpoint: from, text, bytes })
    } else if (this.#replies++ < mostReplies) this.#send(directMessage(this.#me, this.#name), from, nowMs)
    return true
  }

  say(text: string, nowMs: number): 'sent' | 'held' | 'too-long' | 'not-connected' | 'too-many' {
    if (!this.#endpoint) return 'not-connected'
    if (encodeText(text).length > longestText) return 'too-long'
    if (this.connected) {
      this.#send(text, this.#endpoint, nowMs)
      return 'sent'
    }
    if (this.#held.length >= mostHeld) return 'too-many'
    this.#held.push(text)
    this.#nextMs = Math.min(this.#nextMs, Math.max(nowMs, this.#metMs + holdMs))
    this.tick(nowMs)
    return 'held'
  }

  tick(nowMs: number): void {
    const endpoint = this.#endpoint
    if (!endpoint || nowMs < this.#nextMs) return
    if (this.connected) return this.#keepOpen(endpoint, nowMs)
    const held = nowMs >= this.#metMs + holdMs ? this.#held[0] : undefined
    const text = held ?? directMessage(this.#me, this.#name)
    const bytes = encodeText(text).length + headerBytes(endpoint.address)
    const earliestMs = this.#manners.earliest(endpoint.address, bytes, 'older', nowMs)
    this.#nextMs = earliestMs
    if (earliestMs === Infinity) return this.#giveUp()
    if (earliestMs > nowMs) return
    this.#manners.sent(endpoint.address, bytes, nowMs)
    if (held === undefined) this.#openings++
    else this.#held.shift()
    this.#send(text, endpoint, nowMs)
    const isDense = this.#held.length > 0 || this.#openings < this.#options.denseOpenings
    this.#nextMs = nowMs + (isDense ? textEveryMs : sparseMs)
  }

  deadline(): number {
    return this.#nextMs
  }

  /** An older peer is believed from its address, at any port; once it was heard, from there alone. */
  #isPeer(from: Endpoint): boolean {
    if (!this.#endpoint) return false
    return this.connected ? sameEndpoint(from, this.#endpoint) : from.address === this.#endpoint.address
  }

  #connect(from: Endpoint, nowMs: number): void {
    const { startedMs, onEvent } = this.#options
    this.#endpoint = from
    onEvent({ event: 'connected', peer: this.#name, endpoint: from, elapsedMs: nowMs - startedMs })
    // Tells the peer that its words arrive, whatever became of ours.
    if (this.#held.length === 0) this.#send(directMessage(this.#me, this.#name), from, nowMs)
    for (const text of this.#held.splice(0)) this.#send(text, from, nowMs)
    this.#nextMs = nowMs + textKeepaliveMs
  }

  #keepOpen(endpoint: Endpoint, nowMs: number): void {
    const isDue = nowMs >= this.#sentMs + textKeepaliveMs
    this.#nextMs = (isDue ? nowMs : this.#sentMs) + textKeepaliveMs
    if (isDue && nowMs < this.#heardMs + aliveMs) {
      this.#send(directMessage(this.#me, this.#name), endpoint, nowMs)
    }
  }

  #giveUp(): void {
    for (const text of this.#held.splice(0)) {
      this.#options.onEvent({ event: 'unsent', peer: this.#name, text, why: 'nothing has come back from there' })
    }
  }

  #send(text: string, to: Endpoint, nowMs: number): void {
    this.#sentMs = nowMs
    this.#options.send(encodeText(text), to)
  }
}
