// Law: pure. The endpoints at which the peer may be, and when each is to be checked next.
import { type Endpoint, sameEndpoint } from '../endpoint.ts'
import type { Tag } from '../dialects/phonebook/peer.ts'
import { headerBytes } from '../headers.ts'
import type { Manners, PeerStanding } from './manners.ts'
import { type Path, pathKey } from './paths.ts'
import { sameBytes } from './peer.ts'
import { checkPauseMs, textEveryMs } from './schedule.ts'
import type { Session } from './session.ts'
import type { CandidateKind, Targets } from './targets.ts'

export type Candidate = {
  readonly endpoint: Path
  readonly kind: CandidateKind
  sent: number
  /** The last time; 0: never. */
  checkedMs: number
  /** Infinity: not to be checked. */
  nextMs: number
  /** The peer's tag as a check from there said it, and as the answer to a check of ours did. */
  tag?: Tag
  confirmedTag?: Tag
}

/** The peer-reflexive ones come from whoever knows the pair token, so their number needs a bound. */
const mostCandidates = 16

export class Candidates {
  readonly #byKey = new Map<string, Candidate>()
  readonly #manners: Manners

  constructor(manners: Manners) {
    this.#manners = manners
  }

  get size(): number {
    return this.#byKey.size
  }

  get(endpoint: Path): Candidate | undefined {
    return this.#byKey.get(pathKey(endpoint))
  }

  /** Where the session's peer, and not just somebody who was once sent our tag, has answered a check of ours. */
  isPathOf({ endpoint, tag }: Session, from: Path): boolean {
    if (sameEndpoint(endpoint, from)) return true
    const confirmed = this.get(from)?.confirmedTag
    return confirmed !== undefined && tag !== undefined && sameBytes(confirmed, tag)
  }

  all(): Candidate[] {
    return [...this.#byKey.values()]
  }

  /**
   * Those that are to be checked now, who has waited longest first: of the endpoints of one address good manners let one be
   * checked at a time, and the dead one must not be it for ever. Of new ones, where a check of the peer's came from.
   */
  due(nowMs: number): Candidate[] {
    const due = this.all().filter(({ nextMs }) => nextMs <= nowMs)
    return due.length < 2 ? due : due.sort((a, b) => a.checkedMs - b.checkedMs || Number(!a.tag) - Number(!b.tag))
  }

  /** A candidate that was not known is due at once. */
  add(endpoint: Path, kind: CandidateKind, nowMs: number): Candidate | undefined {
    const known = this.get(endpoint)
    if (known) return known
    if (this.size >= mostCandidates && !this.#forgetOne()) return undefined
    const candidate: Candidate = { endpoint, kind, sent: 0, checkedMs: 0, nextMs: nowMs }
    this.#byKey.set(pathKey(endpoint), candidate)
    return candidate
  }

  /** The oldest of those that the phonebook does not name, or not any more, makes room: addresses may change for years. */
  #forgetOne(): boolean {
    for (const forgettable of ['peer-reflexive', 'host']) {
      for (const [key, { kind }] of this.#byKey) if (kind === forgettable) return this.#byKey.delete(key)
    }
    return false
  }

  /** What the phonebook shows now. While there is a path, the peer's hosts are worth a try only if it has moved. */
  aim({ endpoint, hosts }: Omit<Targets, 'problem'>, hasMoved: boolean, hasPath: boolean, nowMs: number): void {
    const targets = endpoint ? [endpoint, ...hosts] : hosts
    for (const { address } of targets) this.#manners.renew(address, nowMs)
    if (hasMoved) this.#keepOnly(targets)
    if (endpoint) this.add(endpoint, 'server-reflexive', nowMs)
    if (hasPath && !hasMoved) return
    for (const host of hosts) this.add(host, 'host', nowMs)
  }

  #keepOnly(endpoints: readonly Endpoint[]): void {
    for (const [key, { endpoint }] of this.#byKey) {
      if (!endpoints.some(other => sameEndpoint(other, endpoint))) this.#byKey.delete(key)
    }
  }

  /** The checks begin anew, at once: dense, or at the pace of those that are left to find whoever comes back. */
  restart(pace: 'dense' | 'sparse', nowMs: number): void {
    for (const candidate of this.#byKey.values()) {
      candidate.sent = pace === 'dense' ? 0 : Infinity
      candidate.nextMs = nowMs
    }
  }

  /** The phonebook shows the peer again: those at rest are tried again, and all of them anew once it has proven where it is. */
  wake(isProven: boolean, nowMs: number): void {
    if (isProven) this.restart('dense', nowMs)
    else if (this.deadline() === Infinity) this.restart('sparse', nowMs)
  }

  rest(): void {
    for (const candidate of this.#byKey.values()) candidate.nextMs = Infinity
  }

  clear(): void {
    this.#byKey.clear()
  }

  deadline(): number {
    let earliest = Infinity
    for (const { nextMs } of this.#byKey.values()) earliest = Math.min(earliest, nextMs)
    return earliest
  }

  /**
   * Whether a check of `length` bytes may go to the candidate now; counts it and plans the next one. If not, the candidate
   * waits for as long as good manners ask.
   */
  spend(candidate: Candidate, length: number, standing: PeerStanding, nowMs: number): boolean {
    const { address } = candidate.endpoint
    const bytes = length + headerBytes(address)
    const earliest = this.#manners.earliest(address, bytes, standing, nowMs)
    if (earliest > nowMs) {
      candidate.nextMs = earliest
      return false
    }
    this.#manners.sent(address, bytes, nowMs)
    candidate.sent++
    candidate.checkedMs = nowMs
    candidate.nextMs = nowMs + (standing === 'older' ? textEveryMs : checkPauseMs(candidate.sent))
    return true
  }
}
