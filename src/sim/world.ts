// Law: one plain loop, ordered by (time, sequence). No promises, no real time, no real randomness, no node:*: whatever
// happens here follows from the seed and the calls made.
import { isCanonical } from '../endpoint.ts'
import { SimHost } from './host.ts'
import type { LinkOptions } from './link.ts'
import { EventQueue } from './queue.ts'
import { seededRandom, type Random } from './random.ts'
import { Segment, type Path, type SegmentOptions } from './segment.ts'
import { Trace } from './trace.ts'

export type WorldOptions = {
  seed: number | string
  /** The access link of a host on the internet. Default: 10 ms and no other flaw, so 20 ms from host to host. */
  link?: Partial<LinkOptions> | undefined
  /** Replaces both access links, for the pairs it knows: any matrix of one-way delays. */
  path?: Path | undefined
  /** Routers between any two on the internet. Default 8. */
  hops?: number | undefined
  /** Default 5. */
  dnsDelayMs?: number | undefined
  /** Records to keep: all, none, or the latest so many. Default: the latest 20,000. */
  trace?: boolean | number | undefined
}

export type HostOptions = ({ address: string } | { addresses: readonly string[] }) & {
  /** Default: its first address. */
  name?: string | undefined
  /** Its access link, where it differs from the segment's default. */
  link?: Partial<LinkOptions> | undefined
  /** DNS names that get its addresses. */
  names?: readonly string[] | undefined
  /** Default: the internet. */
  segment?: Segment | undefined
}

const mostEventsAtOneTime = 1_000_000

export const createWorld = (options: WorldOptions): World => new World(options)

export class World {
  readonly internet: Segment
  /** Lower-case name -> addresses; may be changed while the world runs. */
  readonly dns = new Map<string, readonly string[]>([['localhost', ['127.0.0.1']]])
  dnsDelayMs: number
  readonly trace: Trace
  readonly #queue = new EventQueue()
  readonly #random: Random
  readonly #streams = new Map<string, Random>()
  readonly #segments = new Map<string, Segment>()
  #nowMs = 0
  #eventsNow = 0
  #running = false
  #datagrams = 0

  constructor({ seed, link, path, hops = 8, dnsDelayMs = 5, trace = 20_000 }: WorldOptions) {
    this.#random = seededRandom(seed)
    this.dnsDelayMs = dnsDelayMs
    this.trace = new Trace(() => this.#nowMs, typeof trace === 'number' ? trace : trace ? Infinity : 0)
    this.internet = this.segment({ name: 'internet', link: { latencyMs: 10, ...link }, path, hops })
  }

  /** Virtual milliseconds since the world began. */
  now(): number {
    return this.#nowMs
  }

  /** Events still to come. */
  get pending(): number {
    return this.#queue.size
  }

  /** Runs `run` once in `ms` virtual milliseconds, never inside this call; the returned function cancels. */
  after(ms: number, run: () => void): () => void {
    if (!Number.isFinite(ms)) throw new RangeError(`after ${ms} ms`)
    const event = this.#queue.add(this.#nowMs + Math.max(0, ms), run)
    return () => this.#queue.cancel(event)
  }

  /** Runs everything up to and including `untilMs`, counted from the beginning of the world. Throws what a handler throws. */
  run(untilMs: number): void {
    this.runUntil(() => false, untilMs)
  }

  /** Stops after the first event that makes `predicate` true (then true), or at `limitMs`, counted like `run`'s. */
  runUntil(predicate: () => boolean, limitMs: number): boolean {
    if (this.#running) throw new Error('the world is running already')
    this.#running = true
    try {
      if (predicate()) return true
      while (this.#queue.nextMs <= limitMs) {
        this.#step()
        if (predicate()) return true
      }
      if (Number.isFinite(limitMs)) this.#advance(Math.max(this.#nowMs, limitMs))
      return false
    } finally {
      this.#running = false
    }
  }

  /** A network of its own, such as a LAN; something must join it to the internet. */
  segment(options: SegmentOptions): Segment {
    if (this.#segments.has(options.name)) throw new RangeError(`two segments named ${options.name}`)
    const segment = new Segment(this, options)
    this.#segments.set(options.name, segment)
    return segment
  }

  host(options: HostOptions): SimHost {
    const addresses = 'addresses' in options ? options.addresses : [options.address]
    const [first] = addresses
    if (first === undefined || !addresses.every(isCanonical)) throw new RangeError(`host at [${addresses.join()}]`)
    const host = new SimHost(options.segment ?? this.internet, options.name ?? first, addresses, options.link)
    for (const name of options.names ?? []) this.dns.set(name.toLowerCase(), addresses)
    return host
  }

  /** The random stream of that label: one object, which goes on where its last user left it. */
  random(label: string): Random {
    let stream = this.#streams.get(label)
    if (!stream) this.#streams.set(label, (stream = this.#random.stream(label)))
    return stream
  }

  nextDatagramId(): number {
    return ++this.#datagrams
  }

  #step(): void {
    this.#advance(this.#queue.nextMs)
    if (++this.#eventsNow > mostEventsAtOneTime) throw new Error(`time stands still at ${this.#nowMs} ms`)
    this.#queue.take()?.()
  }

  #advance(toMs: number): void {
    if (toMs > this.#nowMs) this.#eventsNow = 0
    this.#nowMs = toMs
  }
}
