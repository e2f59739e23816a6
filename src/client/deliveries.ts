// Law: never touches a socket or a clock. Messages of the numbered dialect on their way: each is repeated every second until
// anything comes back from where it went, five times at most; and the other side's repetitions are told from news.
import { type Endpoint, endpointKey, sameEndpoint } from '../endpoint.ts'
import { headerBytes } from '../headers.ts'
import { encodeText } from '../dialects/phonebook/peer.ts'
import type { DoorEvent } from './door-events.ts'
import { Manners } from './manners.ts'
import { targetProblem } from './targets.ts'

export type DeliveriesOptions = {
  readonly send: (bytes: Uint8Array, to: Endpoint) => void
  readonly onEvent: (event: DoorEvent) => void
}

type Delivery = {
  readonly peer: string
  readonly text: string
  readonly to: Endpoint
  sent: number
  nextMs: number
}

const mostTimes = 5
const everyMs = 1000
const most = 16
/** The same text from the same endpoint within this time of its first copy is the same message; some copies get lost. */
const repeatedWithinMs = (mostTimes - 1) * everyMs + 600
const mostRemembered = 64

export class Deliveries {
  readonly #options: DeliveriesOptions
  readonly #manners = new Manners()
  readonly #pending = new Set<Delivery>()
  readonly #last = new Map<string, { readonly text: string; readonly firstMs: number; readonly copies: number }>()

  constructor(options: DeliveriesOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#pending.size
  }

  add(peer: string, text: string, to: Endpoint, server: Endpoint, nowMs: number): void {
    const why = targetProblem(to, server)
    if (why) return this.#options.onEvent({ event: 'refused', peer, endpoint: to, why })
    if (this.#pending.size >= most) return this.#drop({ peer, text }, 'too many messages are under way')
    this.#manners.renew(to.address, nowMs)
    this.#pending.add({ peer, text, to, sent: 0, nextMs: nowMs })
    this.tick(nowMs)
  }

  /** True where this is a copy of what came from there before. */
  heard(bytes: Uint8Array, from: Endpoint, nowMs: number): boolean {
    for (const delivery of this.#pending) {
      if (delivery.to.address !== from.address) continue
      this.#manners.alive(from.address, nowMs)
      if (delivery.sent > 0) this.#pending.delete(delivery)
    }
    const key = endpointKey(from)
    const text = new TextDecoder().decode(bytes)
    const last = this.#last.get(key)
    const isCopy =
      last !== undefined && last.text === text && nowMs - last.firstMs < repeatedWithinMs && last.copies < mostTimes
    this.#last.delete(key)
    this.#last.set(key, { text, firstMs: isCopy ? last.firstMs : nowMs, copies: isCopy ? last.copies + 1 : 1 })
    if (this.#last.size > mostRemembered) for (const [oldest] of [...this.#last].slice(0, 1)) this.#last.delete(oldest)
    return isCopy
  }

  tick(nowMs: number): void {
    // News first: a repetition could keep it waiting for its own next one.
    const due = [...this.#pending].filter(({ nextMs }) => nowMs >= nextMs).sort((a, b) => a.sent - b.sent)
    for (const delivery of due) if (this.#pending.has(delivery)) this.#send(delivery, nowMs)
  }

  deadline(): number {
    let earliest = Infinity
    for (const { nextMs } of this.#pending) earliest = Math.min(earliest, nextMs)
    return earliest
  }

  #send(delivery: Delivery, nowMs: number): void {
    const { to, text } = delivery
    if (delivery.sent >= mostTimes) return void this.#pending.delete(delivery)
    const bytes = encodeText(text)
    const length = bytes.length + headerBytes(to.address)
    const earliestMs = this.#manners.earliest(to.address, length, 'older', nowMs)
    delivery.nextMs = earliestMs
    if (earliestMs > nowMs) {
      if (earliestMs < Infinity) return
      this.#pending.delete(delivery)
      return delivery.sent === 0 ? this.#drop(delivery, 'nothing has come back from there for 40 s') : undefined
    }
    this.#manners.sent(to.address, length, nowMs)
    delivery.sent++
    delivery.nextMs = nowMs + everyMs
    this.#options.send(bytes, to)
    // The one before it is not repeated any more: it would come after this one.
    for (const other of this.#pending) {
      if (other === delivery) return
      if (other.sent > 0 && sameEndpoint(other.to, to)) this.#pending.delete(other)
    }
  }

  #drop({ peer, text }: Pick<Delivery, 'peer' | 'text'>, why: string): void {
    this.#options.onEvent({ event: 'unsent', peer, text, why })
  }
}
