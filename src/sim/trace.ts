// Law: pure. What happened to every datagram, as records and as text that is the same, byte for byte, for the same seed.
import { type Endpoint, formatEndpoint, sameEndpoint } from '../endpoint.ts'
import { fnv1a64 } from './hash.ts'
import type { Datagram } from './segment.ts'

/** The first six are of the network and its hosts, the others are the rules of a NAT. */
export const dropReasons = [
  'loss',
  'no-such-address',
  'port-closed',
  'offline',
  'ttl',
  'family',
  'no-mapping',
  'filtering',
  'mapping-expired',
  'port-taken',
  'hairpinning-off',
  'blocked',
  'no-port-left',
  'table-full',
] as const
export type DropReason = (typeof dropReasons)[number]
export type TraceKind = 'send' | 'forward' | 'deliver' | 'drop'
type Header = { readonly from: Endpoint; readonly to: Endpoint }

export type TraceRecord = {
  readonly timeMs: number
  readonly kind: TraceKind
  /** Names the datagram: copies of it, and what a box on the way makes of it, keep the number. */
  readonly id: number
  readonly from: Endpoint
  readonly to: Endpoint
  readonly length: number
  /** The name of the host or box where it happened. */
  readonly box: string
  /** Why it was dropped; of a forwarded one, why it left by another port than its flow's own. */
  readonly reason?: DropReason | undefined
  /** What it looked like when it came to the box, where that forwarded it otherwise. */
  readonly before?: Header | undefined
}

export class Trace {
  /** Counted always, whatever is kept. */
  readonly counts: Record<TraceKind, number> = { send: 0, forward: 0, deliver: 0, drop: 0 }
  readonly drops = Object.fromEntries(dropReasons.map(reason => [reason, 0])) as Record<DropReason, number>
  /** Whoever wants to know of each loss, with the datagram. */
  onDrop: ((datagram: Datagram, reason: DropReason) => void) | undefined
  /** Whoever wants each record as it is made, kept or not, with the bytes: these belong to others and may change. */
  onRecord: ((record: TraceRecord, bytes: Uint8Array) => void) | undefined
  readonly #now: () => number
  readonly #most: number
  #kept: TraceRecord[] = []

  /** Keeps the latest `most` records; 0 keeps none. */
  constructor(now: () => number, most: number) {
    this.#now = now
    this.#most = most
  }

  add(kind: TraceKind, box: string, datagram: Datagram, reason?: DropReason, was?: Header): void {
    this.counts[kind]++
    if (reason && kind === 'drop') {
      this.drops[reason]++
      this.onDrop?.(datagram, reason)
    }
    if (this.#most === 0 && !this.onRecord) return
    const { id, from, to, bytes } = datagram
    const isChanged = was && !(sameEndpoint(was.from, from) && sameEndpoint(was.to, to))
    const before = isChanged ? { from: was.from, to: was.to } : undefined
    const record = { timeMs: this.#now(), kind, id, from, to, length: bytes.length, box, reason, before }
    this.onRecord?.(record, bytes)
    if (this.#most === 0) return
    this.#kept.push(record)
    if (this.#kept.length >= 2 * this.#most) this.#kept = this.#kept.slice(-this.#most)
  }

  /** Oldest first. */
  get records(): TraceRecord[] {
    return this.#most === 0 ? [] : this.#kept.slice(-this.#most)
  }

  /** The kept records, one line each. */
  text(): string {
    return this.records.map(recordText).join('\n')
  }

  /** FNV-1a 64 of the text, 16 hex digits. */
  hash(): string {
    return fnv1a64(this.text())
  }
}

/**
 * `20.000 deliver #1 server 192.0.2.7:49152 > 192.0.2.1:3478 24`; a drop ends with its reason. Where a box translated,
 * what it was stands before what it is: `10.1.0.2:5000 > 192.0.2.1:3478 => 192.0.2.7:5000 > 192.0.2.1:3478`.
 */
export const recordText = ({ timeMs, kind, id, box, from, to, length, reason, before }: TraceRecord): string =>
  `${timeMs.toFixed(3)} ${kind} #${id} ${box} ` +
  (before ? `${headerText(before)} => ` : '') +
  `${headerText({ from, to })} ${length}` +
  (reason ? ` ${reason}` : '')

const headerText = ({ from, to }: Header): string => `${formatEndpoint(from)} > ${formatEndpoint(to)}`
