// Law: pure. What we know of the peer, and whom we believe to be it.
import { type Endpoint, sameEndpoint } from '../endpoint.ts'
import type { Line } from '../dialects/phonebook/codec.ts'
import { parseHint } from '../dialects/phonebook/hint.ts'
import { type Tag, directMessage } from '../dialects/phonebook/peer.ts'
import type { Situation } from './attempts.ts'
import type { PeerStanding } from './manners.ts'

/** The phonebook goes on showing a peer that has said goodbye; whoever comes back there sooner will check us. */
const absentMs = 30_000

export class Peer {
  readonly name: string
  readonly #me: string
  /** What the phonebook said last. */
  #entry: Line | undefined
  /** The tag of a peer that has said goodbye: what it sent before may still come. */
  #gone: Tag | undefined
  #absentUntilMs = -Infinity

  constructor(name: string, me: string) {
    this.name = name
    this.#me = me
  }

  /** The server's token for the two of us; '' where it gave none. */
  get pair(): string {
    return this.#entry?.pair ?? ''
  }

  get standing(): PeerStanding {
    if (!this.#entry?.newer) return 'older'
    return this.#entry.proven ? 'proven' : 'unproven'
  }

  /** What attempts to get through have to know of it. */
  get target(): Omit<Situation, 'mine'> | undefined {
    const entry = this.#entry
    return (
      entry && {
        theirs: entry.nat === undefined ? undefined : parseHint(entry.nat),
        endpoint: entry.endpoint,
        offered: entry.hosts.filter(({ address, port }) => address === entry.endpoint.address && port >= 1024),
        consented: this.pair !== '',
      }
    )
  }

  /** What is new about it; `stale` is the entry of a peer that has just said goodbye there. */
  learn(line: Line, nowMs: number): 'stale' | 'moved' | 'proven' | 'known' {
    const known = this.#entry
    const moved = !known || !sameEndpoint(known.endpoint, line.endpoint)
    if (!moved && nowMs < this.#absentUntilMs) return 'stale'
    this.#entry = line
    if (moved) return 'moved'
    return line.proven && !known.proven ? 'proven' : 'known'
  }

  leave(tag: Tag | undefined, nowMs: number): void {
    this.#gone = tag
    this.#absentUntilMs = nowMs + absentMs
  }

  isGone(tag: Tag | undefined): boolean {
    return tag !== undefined && this.#gone !== undefined && sameBytes(tag, this.#gone)
  }

  /** The token that only the two of us and the server have makes a source of any address and port believable. */
  hasToken(pair: string): boolean {
    return pair !== '' && pair === this.pair
  }

  /** An older peer is believed from the phonebook's address: at its endpoint, elsewhere if it says who it is. */
  isOlderAt(from: Endpoint, text: string | undefined): boolean {
    const entry = this.#entry
    if (!entry || entry.newer || entry.endpoint.address !== from.address) return false
    return sameEndpoint(entry.endpoint, from) || text === directMessage(this.name, this.#me)
  }

  /** An older peer, or ours on an older server, may be here before its entry is: it will say so again. */
  isEarly(text: string): boolean {
    return !this.#entry && text === directMessage(this.name, this.#me)
  }
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i])
