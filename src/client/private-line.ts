// Law: never touches a socket or a clock. The private line with the peer: the two messages of its handshake, sent until they are
// answered, and what is sealed and opened after it. docs/security-of-a-session.md tells it with a ladder.
import {
  type Inner,
  type PeerMessage,
  type Tag,
  decodeInner,
  encodePeerMessage,
  innerKind,
  sealedHead,
  sealedHeadFor,
} from '../dialects/phonebook/peer.ts'
import { type Identity, publicKeysOf } from '../identity.ts'
import { type KeyPair, keyLength, keyPairOf } from '../keys.ts'
import { type HandshakeState, createHandshake } from '../noise/handshake-state.ts'
import { type Transport, createTransport } from '../noise/transport.ts'
import { encodeUtf8 } from '../utf8.ts'
import { type Path, pathKey } from './paths.ts'
import { sameBytes } from './peer.ts'

export type PrivateLineOptions = {
  readonly identity: Identity
  readonly me: string
  readonly peer: string
  /** As the server knows it. */
  readonly stage: string
  readonly psk?: Uint8Array | undefined
  /** Ours. */
  readonly tag: Tag
  readonly randomBytes: (count: number) => Uint8Array
  readonly send: (bytes: Uint8Array, to: Path) => void
  /** Whether so many bytes may go where nothing of ours was answered yet. */
  readonly mayGreet: (to: Path, length: number, nowMs: number) => boolean
  /** The peer shows a key, and does not answer by it. */
  readonly onStuck: () => void
}

type LineMessage = PeerMessage & { type: 'hello' | 'welcome' | 'sealed' }

/** What came over the line, from the peer whose tag this is, and from nobody else. */
export type Opened = Inner & {
  readonly tag: Tag
  /** Said after all that came before: where it came from is where the peer is. */
  readonly isNewest: boolean
}

/** The handshake, of the side that begins it. */
type Asked = {
  readonly tag: Tag
  readonly e: KeyPair
  state: HandshakeState
  /** The peer has answered a check of ours with this tag. */
  isConfirmed: boolean
  readonly bytes: Uint8Array
  readonly sentMs: Map<string, number>
}
/** Of the side that answers. */
type Answered = {
  readonly to: Uint8Array
  readonly bytes: Uint8Array
  readonly tag: Tag
  readonly transport: Transport
}
type Up = { readonly tag: Tag; readonly transport: Transport }
type Repeated = { readonly to: Path; nextMs: number; pauseMs: number }

const firstPauseMs = 100
const longestPauseMs = 1000
/** After the last answer to a check: who is gone is not called for ever (safety.md rule 5). */
const helloMs = 30_000
/** Two reasons to say hello in one moment are one. */
const spacingMs = 20
const stuckMs = 5000
const mostGreetings = 8
/** Lines that wait for a first message: one is the peer's, others may be old hellos said again. */
const mostAnswered = 4
/** In a second: whoever knows our tag can say hello and welcome, and to look at one takes half a millisecond. */
const mostComputed = 200
const none = new Uint8Array()
const noTag = new Uint8Array(8)
const helloLength = encodePeerMessage({ type: 'hello', tag: noTag, from: noTag, noise: new Uint8Array(48) }).length

export class PrivateLine {
  readonly #options: PrivateLineOptions
  #peerKey: string | undefined
  #theirs: Uint8Array | undefined
  #asked: Asked | undefined
  /** The latest ones; one of them may be what is up. */
  #answered: readonly Answered[] = []
  #up: Up | undefined
  #wasUp = false
  #head: Uint8Array = none
  #hello: (Repeated & { readonly untilMs: number }) | undefined
  /** Says that we are there, until the peer says something: what was lost on the way would leave it waiting. */
  #greeting: (Repeated & { left: number }) | undefined
  /** When it is told that nothing comes of it; -Infinity: it was told. */
  #stuckAtMs = Infinity
  #computed = 0
  #computedFromMs = -Infinity

  constructor(options: PrivateLineOptions) {
    this.#options = options
  }

  /** As the phonebook shows it; another one, or none, ends what was under way. */
  set peerKey(key: string | undefined) {
    if (key === this.#peerKey) return
    this.#forget()
    this.#peerKey = key
    this.#theirs = key === undefined ? undefined : publicKeysOf(key)?.line
  }

  get peerKey(): string | undefined {
    return this.#peerKey
  }

  /** Both have a key: nothing is said in plain any more. */
  get isWanted(): boolean {
    return this.#theirs !== undefined
  }

  isUp(tag: Tag | undefined): boolean {
    return this.#up !== undefined && tag !== undefined && sameBytes(this.#up.tag, tag)
  }

  /** The peer with this tag was heard from there. `confirmed`: it answered a check, so that it may be asked again and again. */
  knock(to: Path, tag: Tag, confirmed: boolean, nowMs: number): void {
    if (!this.#theirs || this.isUp(tag)) return
    if (confirmed && this.#stuckAtMs === Infinity) this.#stuckAtMs = nowMs + stuckMs
    if (!this.#begins(this.#theirs)) return
    const isSame = this.#asked !== undefined && sameBytes(this.#asked.tag, tag)
    // Anybody can forge a check with a tag of his own; the answer to a check of ours is the peer's.
    if (!isSame && !confirmed && this.#asked?.isConfirmed) return
    const isSoon = isSame && nowMs - (this.#asked?.sentMs.get(pathKey(to)) ?? -Infinity) < spacingMs
    if (!confirmed && (isSoon || !this.#options.mayGreet(to, helloLength, nowMs))) return
    if (!isSame) this.#ask(tag, this.#theirs)
    const asked = this.#asked
    if (confirmed) this.#hello = { to, nextMs: nowMs + firstPauseMs, pauseMs: firstPauseMs, untilMs: nowMs + helloMs }
    if (asked && confirmed) asked.isConfirmed = true
    if (!asked || isSoon) return
    if (asked.sentMs.size >= 64) asked.sentMs.clear()
    asked.sentMs.set(pathKey(to), nowMs)
    this.#options.send(asked.bytes, to)
  }

  receive(message: LineMessage, from: Path, nowMs: number): Opened | undefined {
    if (!sameBytes(message.tag, this.#options.tag)) return undefined
    switch (message.type) {
      case 'hello':
        return this.#answer(message.from, message.noise, from, nowMs)
      case 'welcome':
        return this.#welcome(message.noise, from, nowMs)
      case 'sealed':
        return this.#open(message.bytes)
    }
  }

  seal(inner: Inner): Uint8Array | undefined {
    return this.#up?.transport.seal(this.#head, innerKind(inner), inner.payload)
  }

  /** The peer has said goodbye; should it come back, it begins anew. */
  leave(): void {
    this.#forget()
  }

  #forget(): void {
    this.#asked = this.#up = this.#hello = this.#greeting = undefined
    this.#answered = []
    this.#stuckAtMs = Infinity
  }

  tick(nowMs: number): void {
    const hello = this.#hello
    if (hello && this.#asked && nowMs >= hello.nextMs) {
      this.#options.send(this.#asked.bytes, hello.to)
      later(hello, nowMs)
      if (hello.nextMs > hello.untilMs) this.#hello = undefined
    }
    const greeting = this.#greeting
    if (greeting && nowMs >= greeting.nextMs) {
      const bytes = this.seal({ type: 'keepalive', payload: none })
      if (bytes) this.#options.send(bytes, greeting.to)
      later(greeting, nowMs)
      if (--greeting.left === 0) this.#greeting = undefined
    }
    if (nowMs < this.#stuckAtMs || this.#stuckAtMs === -Infinity) return
    this.#stuckAtMs = -Infinity
    this.#options.onStuck()
  }

  deadline(): number {
    const stuckMs = this.#stuckAtMs === -Infinity ? Infinity : this.#stuckAtMs
    return Math.min(this.#hello?.nextMs ?? Infinity, this.#greeting?.nextMs ?? Infinity, stuckMs)
  }

  /** The smaller static key begins; two with the same one go by their names. */
  #begins(theirs: Uint8Array): boolean {
    const { identity, me, peer } = this.#options
    const mine = identity.line.publicKey
    const at = mine.findIndex((byte, i) => byte !== theirs[i])
    return at < 0 ? me < peer : (mine[at] ?? 0) < (theirs[at] ?? 0)
  }

  #handshake(initiator: boolean, tag: Tag, theirs: Uint8Array, e: KeyPair): HandshakeState {
    const { identity, me, peer, stage, psk, tag: ours } = this.#options
    const [names, tags] = initiator
      ? [
          [me, peer],
          [ours, tag],
        ]
      : [
          [peer, me],
          [tag, ours],
        ]
    const about = encodeUtf8(['stage-manager line 1', stage, ...names, ''].join('\n'))
    return createHandshake({
      initiator,
      prologue: Uint8Array.from([...about, ...tags.flatMap(bytes => [...bytes])]),
      s: identity.line,
      e,
      rs: theirs,
      psk,
    })
  }

  #ephemeral(): KeyPair {
    return keyPairOf(this.#options.randomBytes(keyLength))
  }

  #ask(tag: Tag, theirs: Uint8Array): void {
    const e = this.#ephemeral()
    const state = this.#handshake(true, tag, theirs, e)
    const noise = state.writeMessage(none)
    const bytes = noise && encodePeerMessage({ type: 'hello', tag, from: this.#options.tag, noise })
    this.#hello = undefined
    this.#asked = bytes && { tag, e, state, isConfirmed: false, bytes, sentMs: new Map() }
  }

  /**
   * The first hello that holds makes the line: it has our tag in it, so something of ours has arrived. From then on one makes
   * another line only with the first message that is sealed on it: an old hello may be said again by anybody.
   */
  #answer(tag: Tag, noise: Uint8Array, from: Path, nowMs: number): Opened | undefined {
    if (!this.#theirs || this.#begins(this.#theirs)) return undefined
    const known = this.#answered.find(({ to, tag: its }) => sameBytes(to, noise) && sameBytes(its, tag))
    if (known) {
      this.#options.send(known.bytes, from)
      return undefined
    }
    if (!this.#mayCompute(nowMs)) return undefined
    const state = this.#handshake(false, tag, this.#theirs, this.#ephemeral())
    const answer = state.readMessage(noise) && state.writeMessage(none)
    const keys = state.keys()
    if (!answer || !keys) return undefined
    const bytes = encodePeerMessage({ type: 'welcome', tag, noise: answer })
    const answered = { to: noise, bytes, tag, transport: createTransport(keys) }
    this.#answered = [...this.#answered, answered].slice(-mostAnswered)
    this.#options.send(bytes, from)
    if (this.#wasUp) return undefined
    this.#rise(answered)
    return { type: 'keepalive', payload: none, tag, isNewest: true }
  }

  #mayCompute(nowMs: number): boolean {
    if (nowMs - this.#computedFromMs >= 1000) [this.#computedFromMs, this.#computed] = [nowMs, 0]
    return ++this.#computed <= mostComputed
  }

  #welcome(noise: Uint8Array, from: Path, nowMs: number): Opened | undefined {
    const asked = this.#asked
    if (!asked || !this.#theirs || !this.#mayCompute(nowMs)) return undefined
    const keys = asked.state.readMessage(noise) && asked.state.keys()
    if (!keys) {
      // Of somebody who knows our tag, and not the peer's key. What failed is of no more use; the peer's answer may be on its way.
      asked.state = this.#handshake(true, asked.tag, this.#theirs, asked.e)
      asked.state.writeMessage(none)
      return undefined
    }
    this.#rise({ tag: asked.tag, transport: createTransport(keys) })
    this.#asked = this.#hello = undefined
    this.#greeting = { to: from, nextMs: nowMs + firstPauseMs, pauseMs: firstPauseMs, left: mostGreetings }
    return { type: 'keepalive', payload: none, tag: asked.tag, isNewest: true }
  }

  #open(bytes: Uint8Array): Opened | undefined {
    const up = this.#up
    const opened = this.#openBy(up, bytes)
    if (opened) return opened
    for (const answered of this.#answered) {
      const first = answered.transport === up?.transport ? undefined : this.#openBy(answered, bytes)
      if (!first) continue
      this.#answered = [answered]
      this.#rise(answered)
      return first
    }
    return undefined
  }

  #openBy(line: Up | undefined, bytes: Uint8Array): Opened | undefined {
    if (!line) return undefined
    const { tag, transport } = line
    const before = transport.newest
    const payload = transport.open(bytes, sealedHead)
    const inner = payload && decodeInner(payload)
    if (!inner) return undefined
    this.#greeting = undefined
    return { ...inner, tag, isNewest: transport.newest > before }
  }

  #rise({ tag, transport }: Up): void {
    this.#up = { tag, transport }
    this.#wasUp = true
    this.#head = sealedHeadFor(tag)
    this.#stuckAtMs = Infinity
  }
}

const later = (repeated: Repeated, nowMs: number): void => {
  repeated.pauseMs = Math.min(2 * repeated.pauseMs, longestPauseMs)
  repeated.nextMs = nowMs + repeated.pauseMs
}
