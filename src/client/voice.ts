// Law: pure. All that we ever say to the peer, and which of our checks an answer belongs to.
import {
  type Inner,
  type Tag,
  type TransactionId,
  directMessage,
  encodePeerMessage,
  encodeText,
} from '../dialects/phonebook/peer.ts'
import type { Path } from './paths.ts'
import type { PrivateLine } from './private-line.ts'
import { sameBytes } from './peer.ts'
import type { Session } from './session.ts'
import { Transactions } from './transactions.ts'

export type VoiceOptions = {
  readonly me: string
  readonly peer: string
  readonly randomBytes: (count: number) => Uint8Array
  readonly send: (bytes: Uint8Array, to: Path, ttl?: number) => void
}

/** Something that asks to be answered, ready to be sent: a check, or the text that an older peer understands. */
export type Question = { readonly bytes: Uint8Array; readonly transaction: TransactionId | undefined }

const none = new Uint8Array()
/** For as long as an attempt takes. */
const shotMs = 40_000

export class Voice {
  /** Ours: whatever is sent to us in a session carries it. */
  readonly tag: Tag
  /** Seals what is said in a private session. */
  line: PrivateLine | undefined
  readonly #options: VoiceOptions
  readonly #transactions = new Transactions()
  /** Of all that our tag ever sends: a peer that did not notice an outage goes on counting. */
  #sequence = 0
  /** Of all the shots towards an address: whichever port of it is hit, answers. */
  #shot: { readonly transaction: TransactionId; readonly address: string; readonly untilMs: number } | undefined

  constructor(options: VoiceOptions) {
    this.#options = options
    this.tag = options.randomBytes(8)
  }

  /** `pair`: the server's token for the two of us, or ''. */
  check(pair: string, transaction = this.#options.randomBytes(12)): Question {
    const { me, peer } = this.#options
    const bytes = encodePeerMessage({ type: 'check', transaction, tag: this.tag, pair, from: me, to: peer })
    return { bytes, transaction }
  }

  text(): Question {
    return { bytes: encodeText(directMessage(this.#options.me, this.#options.peer)), transaction: undefined }
  }

  /** A check that any port of the address may answer, and more than one. */
  shoot(pair: string, to: Path, ttl: number | undefined, nowMs: number): void {
    const known = this.#shot
    const shot =
      known && known.address === to.address && nowMs < known.untilMs
        ? known
        : { transaction: this.#options.randomBytes(12), address: to.address, untilMs: nowMs + shotMs }
    this.#shot = shot
    this.#options.send(this.check(pair, shot.transaction).bytes, to, ttl)
  }

  ask({ bytes, transaction }: Question, to: Path, nowMs: number): void {
    if (transaction) this.#transactions.open(transaction, to, nowMs)
    this.#options.send(bytes, to)
  }

  /** True for the response to a check of ours, from where that went; once, if it was not a shot. */
  isAnswered(transaction: TransactionId, from: Path, nowMs: number): boolean {
    const shot = this.#shot
    if (shot?.address === from.address && nowMs < shot.untilMs && sameBytes(shot.transaction, transaction)) return true
    return this.#transactions.settle(transaction, from, nowMs)
  }

  respond(transaction: TransactionId, to: Path): void {
    this.#options.send(encodePeerMessage({ type: 'check-response', transaction, tag: this.tag, observed: to }), to)
  }

  data(session: Session, payload: Uint8Array, nowMs: number): void {
    const { tag } = session
    if (session.isPrivate) this.#seal(session.endpoint, { type: 'data', payload })
    else if (!tag) this.#options.send(payload, session.endpoint)
    else {
      const sequence = this.#sequence++ >>> 0
      this.#options.send(encodePeerMessage({ type: 'data', tag, sequence, payload }), session.endpoint)
    }
    session.sent(nowMs)
  }

  /** `to`: another path to the same peer. */
  keepalive(session: Session, nowMs: number, to = session.endpoint): void {
    const { tag } = session
    if (session.isPrivate) this.#seal(to, { type: 'keepalive', payload: none })
    else this.#options.send(tag ? encodePeerMessage({ type: 'keepalive', tag }) : this.text().bytes, session.endpoint)
    session.sent(nowMs)
  }

  /** Older peers have no word for it. */
  goodbye(session: Session): void {
    const { tag, endpoint } = session
    if (session.isPrivate) this.#seal(endpoint, { type: 'close', payload: none })
    else if (tag) this.#options.send(encodePeerMessage({ type: 'close', tag }), endpoint)
  }

  #seal(endpoint: Path, inner: Inner): void {
    const bytes = this.line?.seal(inner)
    if (bytes) this.#options.send(bytes, endpoint)
  }
}
