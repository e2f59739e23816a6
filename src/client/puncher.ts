// Law: never touches a socket or a clock. Phonebook entries, datagrams and the time go in; datagrams, events and the next
// deadline come out. docs/dialects.md, "Between two peers", is the protocol; docs/how-it-works.md tells it as a story.
import { type Endpoint, type Family, sameEndpoint } from '../endpoint.ts'
import type { Line } from '../dialects/phonebook/codec.ts'
import { type PeerMessage, type Tag, decodePeerMessage, isPeerMessage } from '../dialects/phonebook/peer.ts'
import { headerBytes } from '../headers.ts'
import { decodeUtf8 } from '../utf8.ts'
import { type Candidate, Candidates } from './candidates.ts'
import { Manners, type PeerStanding } from './manners.ts'
import { News, type NewsOptions } from './news.ts'
import { Peer, sameBytes } from './peer.ts'
import { type PunchState, nextState } from './punch-state.ts'
import { consentCheckMs } from './schedule.ts'
import { Session } from './session.ts'
import { EarlyChecks } from './early-checks.ts'
import type { Shot, Situation } from './attempts.ts'
import { type Path, pathVia, samePath } from './paths.ts'
import { type Opened, PrivateLine, type PrivateLineOptions } from './private-line.ts'
import { type Rival, SecondPath, type Tagged, rivalMs } from './second-path.ts'
import { targetsOf } from './targets.ts'
import { type KeyProblem, Trust, type TrustOptions } from './trust.ts'
import { Voice, type VoiceOptions } from './voice.ts'

export type PuncherOptions = NewsOptions &
  VoiceOptions & {
    /** The families that there is a socket of. */
    readonly reaches: (family: Family) => boolean
    /** Without it everything is said in plain. */
    readonly line?: Pick<PrivateLineOptions, 'identity' | 'stage' | 'psk'> | undefined
    readonly trust?: TrustOptions
  }

/** A path that was heard from within this time works: another one that works too is no reason to change. */
const quietMs = 300

export class Puncher {
  readonly #options: PuncherOptions
  readonly #peer: Peer
  readonly #news: News
  readonly #voice: Voice
  readonly #manners = new Manners()
  readonly #candidates = new Candidates(this.#manners)
  readonly #early = new EarlyChecks()
  readonly #second = new SecondPath()
  readonly #line: PrivateLine | undefined
  readonly #trust: Trust
  #state: PunchState = 'waiting'
  #session: Session | undefined

  constructor(options: PuncherOptions) {
    this.#options = options
    this.#peer = new Peer(options.peer, options.me)
    this.#news = new News(options)
    this.#voice = new Voice(options)
    this.#trust = new Trust(options.trust ?? {})
    if (!options.line) return
    this.#line = this.#voice.line = new PrivateLine({
      ...options,
      ...options.line,
      tag: this.#voice.tag,
      mayGreet: ({ address }, length, nowMs) =>
        this.#manners.mayGreet(address, length + headerBytes(address), this.#peer.standing, nowMs),
      onStuck: () => this.#news.stuck(),
    })
  }

  get state(): PunchState {
    return this.#state
  }

  get session(): Session | undefined {
    return this.#session
  }

  get heard(): boolean {
    return this.#news.isHeard
  }

  get endpoints(): Endpoint[] {
    return this.#candidates.all().map(({ endpoint }) => endpoint)
  }

  /** Why nothing comes of the entry that the phonebook shows now, if its key is to blame. */
  get refusedKey(): KeyProblem | undefined {
    return this.#trust.refused
  }

  /** A phonebook entry of the peer. `mapped`: where the server sees us. */
  learn(line: Line, mapped: Endpoint | undefined, server: Endpoint, nowMs: number): void {
    const { endpoint, hosts, problem } = targetsOf(line, mapped, server, this.#options.reaches)
    if (problem) return this.#news.refused(line.endpoint, problem)
    if (!this.#trust.accepts(line, problem => this.#news.keyRefused(problem))) return
    // In a talk that goes on elsewhere it is perhaps a stranger's, who has the name now: the peer may object first.
    if (!this.#session || sameEndpoint(this.#session.endpoint, line.endpoint)) this.#goByShownKey()
    if (!endpoint && hosts.length === 0) return // not yet
    const news = this.#peer.learn(line, nowMs)
    if (news === 'stale') return
    if (news === 'moved') this.#news.located(line.endpoint)
    this.#candidates.aim({ endpoint, hosts }, news === 'moved', this.#state === 'connected', nowMs)
    if (this.#state === 'punching') this.#candidates.wake(news === 'proven', nowMs)
    if (this.#state === 'waiting') this.#state = nextState(this.#state, 'located')
    const { session } = this
    if (session?.tag && !session.isPrivate) this.#line?.knock(session.endpoint, session.tag, true, nowMs)
    for (const { check, from } of this.#early.take(nowMs)) {
      if (this.#believes(from, check.pair)) this.#receiveCheck(check, from, nowMs)
    }
    this.tick(nowMs)
  }

  /** The peer, as far as attempts have to know it; while there is a session there are none. */
  get target(): Omit<Situation, 'mine'> | undefined {
    return this.#state === 'punching' ? this.#peer.target : undefined
  }

  get standing(): PeerStanding {
    return this.#peer.standing
  }

  /** One check of an attempt. */
  shoot({ via, to, ttl }: Shot, nowMs: number): void {
    if (this.#manners.mayShoot(to.address, nowMs)) this.#voice.shoot(this.#peer.pair, pathVia(to, via), ttl, nowMs)
  }

  /** A datagram that is not from the server. */
  receive(bytes: Uint8Array, from: Path, nowMs: number): void {
    const message = decodePeerMessage(bytes)
    if (message) this.#receiveMessage(message, from, nowMs)
    else if (!isPeerMessage(bytes)) this.#receiveText(bytes, from, nowMs)
  }

  tick(nowMs: number): void {
    for (const candidate of this.#candidates.due(nowMs)) this.#check(candidate, nowMs)
    const rival = this.#second.settled(nowMs)
    if (rival) this.#settleRival(rival, nowMs)
    this.#line?.tick(nowMs)
    const session = this.#session
    const due = session?.due(nowMs)
    if (!session || !due) return
    if (due === 'silent' || due === 'no-consent') return this.#lose(due, nowMs)
    if (due === 'doubt') this.#news.quiet()
    if (due !== 'keepalive') this.#sendCheck(session.endpoint, nowMs)
    else this.#voice.keepalive(session, nowMs)
  }

  /** When `tick` wants to be called. */
  deadline(): number {
    const sessionMs = Math.min(this.#session?.deadline() ?? Infinity, this.#line?.deadline() ?? Infinity)
    return Math.min(this.#candidates.deadline(), this.#second.deadline(), sessionMs)
  }

  /** Nothing where there is no session. */
  send(payload: Uint8Array, nowMs: number): void {
    if (this.#session) this.#voice.data(this.#session, payload, nowMs)
  }

  close(): void {
    if (this.#session) this.#voice.goodbye(this.#session)
  }

  #receiveMessage(message: PeerMessage, from: Path, nowMs: number): void {
    switch (message.type) {
      case 'check':
        return this.#receiveCheck(message, from, nowMs)
      case 'check-response': {
        if (this.#peer.isGone(message.tag) || !this.#voice.isAnswered(message.transaction, from, nowMs)) return
        this.#sign(from, nowMs)
        return this.#confirm(from, message.tag, nowMs)
      }
      case 'hello':
      case 'welcome':
      case 'sealed':
        return this.#receiveOpened(this.#line?.receive(message, from, nowMs), from, nowMs)
      default:
        // Only the peer knows our tag: it got it in a check of ours, so that check has arrived.
        if (!this.#line?.isWanted && sameBytes(message.tag, this.#voice.tag)) this.#receiveTagged(message, from, nowMs)
    }
  }

  #receiveCheck(message: PeerMessage & { type: 'check' }, from: Path, nowMs: number): void {
    const { me, peer } = this.#options
    if (message.from !== peer || message.to !== me || this.#peer.isGone(message.tag)) return
    if (!this.#believes(from, message.pair)) return this.#early.keep(message, from, nowMs)
    if (!this.#manners.mayRespond(from.address, nowMs)) return
    this.#voice.respond(message.transaction, from)
    // A check proves nothing about its source; with the token it comes from the peer all the same.
    if (this.#peer.hasToken(message.pair)) this.#sign(from, nowMs)
    else this.#hear(from, nowMs)
    const session = this.#session
    if (session?.tag && sameEndpoint(session.endpoint, from) && sameBytes(session.tag, message.tag)) return
    const candidate = this.#candidates.add(from, 'peer-reflexive', nowMs)
    if (!candidate) return
    candidate.tag = message.tag
    // A second path that works is known to both. To check it back would make the peer check it back, and so on for ever.
    const isOther =
      session?.tag !== undefined && this.#candidates.isPathOf(session, from) && sameBytes(session.tag, message.tag)
    if (isOther && nowMs - session.heardHereMs <= consentCheckMs + rivalMs) return
    this.#check(candidate, nowMs)
    this.#line?.knock(from, message.tag, false, nowMs)
  }

  /** Nobody but the peer can have said it, so where it comes from is where the peer is. */
  #receiveOpened(opened: Opened | undefined, from: Path, nowMs: number): void {
    if (!opened) return
    const { type, payload, tag, isNewest } = opened
    const known = this.#session
    if (!known || !samePath(known.endpoint, from)) this.#candidates.add(from, 'peer-reflexive', nowMs)
    this.#sign(from, nowMs)
    if (!known?.isPrivate || !known.tag || !sameBytes(known.tag, tag)) this.#establish(from, tag, nowMs)
    const session = this.#session
    session?.heard(from, nowMs)
    if (session && isNewest && !samePath(session.endpoint, from)) this.#move(session, from, nowMs)
    if (type === 'close') this.#lose('left', nowMs)
    else if (type === 'data') this.#news.message(payload, from)
  }

  #receiveTagged(message: Tagged, from: Path, nowMs: number): void {
    const tag = this.#candidates.get(from)?.tag
    if (!this.#session && tag && !this.#peer.isGone(tag)) {
      this.#sign(from, nowMs)
      this.#confirm(from, tag, nowMs)
    }
    const session = this.#session
    if (!session?.tag) return
    if (!this.#candidates.isPathOf(session, from)) return this.#challenge(message, from, nowMs)
    session.heard(from, nowMs)
    if (message.type === 'close') this.#lose('left', nowMs)
    else if (message.type === 'data' && session.isNew(message.sequence)) this.#news.message(message.payload, from)
  }

  /** The peer's mapping may have changed: what comes from a new source waits until a check there was answered. */
  #challenge(message: Tagged, from: Path, nowMs: number): void {
    const candidate = this.#candidates.add(from, 'peer-reflexive', nowMs)
    if (!candidate) return
    if (message.type === 'data') this.#second.hold(message, from)
    if (candidate.nextMs === Infinity) candidate.nextMs = nowMs
    this.tick(nowMs)
  }

  #release(nowMs: number): void {
    for (const { message, from } of this.#second.release()) {
      if (this.#session && this.#candidates.isPathOf(this.#session, from)) this.#receiveTagged(message, from, nowMs)
    }
  }

  #receiveText(bytes: Uint8Array, from: Path, nowMs: number): void {
    const text = decodeUtf8(bytes)
    const session = this.#session
    const isThere = session !== undefined && sameEndpoint(session.endpoint, from)
    if (session?.tag || !(isThere || this.#peer.isOlderAt(from, text))) {
      if (text !== undefined && !this.#peer.isEarly(text)) this.#news.stranger(text, bytes.length, from)
      return
    }
    this.#sign(from, nowMs)
    this.#candidates.add(from, 'peer-reflexive', nowMs)
    if (!session) this.#confirm(from, undefined, nowMs)
    else if (!sameEndpoint(session.endpoint, from)) this.#move(session, from, nowMs)
    this.#session?.heard(from, nowMs)
    this.#news.message(bytes, from)
  }

  /** A newer peer is believed where the phonebook says it is, or with the token that only the two of us have. */
  #believes(from: Path, pair: string): boolean {
    if (this.#peer.hasToken(pair) || this.#candidates.get(from)) return true
    return this.#session !== undefined && sameEndpoint(this.#session.endpoint, from)
  }

  /** Something valid came from the peer. */
  #sign(from: Path, nowMs: number): void {
    this.#manners.alive(from.address, nowMs)
    this.#hear(from, nowMs)
  }

  #hear(from: Path, nowMs: number): void {
    if (this.#session && sameEndpoint(this.#session.endpoint, from)) this.#session.heard(from, nowMs)
    this.#news.heard(from, nowMs)
  }

  /** A datagram of ours has reached the peer, whose tag is this (an older one has none). */
  #confirm(from: Path, tag: Tag | undefined, nowMs: number): void {
    const candidate = this.#candidates.get(from)
    if (candidate && tag) candidate.confirmedTag = tag
    if (tag && this.#line?.isWanted && !this.#line.isUp(tag)) return this.#line.knock(from, tag, true, nowMs)
    const session = this.#session
    if (!session) return this.#establish(from, tag, nowMs)
    const same = session.tag !== undefined && tag !== undefined && sameBytes(session.tag, tag)
    const here = sameEndpoint(session.endpoint, from)
    if (same && candidate) candidate.nextMs = Infinity
    if (same) session.consented(nowMs)
    if (same) this.#release(nowMs)
    if (same && (here || nowMs - session.heardHereMs < quietMs)) return
    if (same && session.isPrivate) this.#voice.keepalive(session, nowMs, from) // what the peer opens tells it where we are
    // Another tag here: the peer was started anew. Elsewhere: that, or somebody else has its name now.
    if (!session.tag || !tag || here) return this.#establish(from, tag, nowMs)
    if (this.#second.rival) return
    this.#second.challenge({ endpoint: from, tag, sinceMs: nowMs })
    this.#candidates.rest()
    this.#sendCheck(session.endpoint, nowMs)
  }

  #settleRival({ endpoint, tag, sinceMs }: Rival, nowMs: number): void {
    const session = this.#session
    if (!session?.tag || session.heardHereMs >= sinceMs) return
    if (sameBytes(session.tag, tag)) return this.#move(session, endpoint, nowMs)
    this.#goByShownKey()
    if (this.#line?.isWanted) this.#line.knock(endpoint, tag, true, nowMs)
    else this.#establish(endpoint, tag, nowMs)
  }

  #goByShownKey(): void {
    if (this.#line) this.#line.peerKey = this.#trust.shown
  }

  #establish(endpoint: Path, tag: Tag | undefined, nowMs: number): void {
    const isPrivate = this.#line?.isUp(tag) ?? false
    this.#session = new Session(endpoint, tag, nowMs, isPrivate)
    this.#second.clear()
    this.#candidates.rest()
    this.#state = nextState(this.#state, 'confirmed')
    const key = isPrivate ? this.#line?.peerKey : undefined
    if (key !== undefined) this.#trust.met(key)
    this.#news.connected(endpoint, tag, { private: isPrivate, ...(key !== undefined && { key }) }, nowMs)
    if (!tag || isPrivate) this.#voice.keepalive(this.#session, nowMs) // which confirms to the peer that we hear it
  }

  #move(session: Session, to: Path, nowMs: number): void {
    session.moveTo(to, nowMs)
    this.#candidates.rest()
    this.#news.moved(to)
    if (session.isPrivate) this.#sendCheck(to, nowMs) // it is to agree to what it gets there
  }

  #lose(reason: 'silent' | 'no-consent' | 'left', nowMs: number): void {
    if (reason === 'left') {
      this.#peer.leave(this.#session?.tag, nowMs)
      this.#line?.leave()
    }
    this.#session = undefined
    this.#second.clear()
    this.#goByShownKey()
    this.#state = nextState(this.#state, reason)
    this.#news.lost(reason)
    if (reason === 'left') return this.#candidates.rest()
    this.#candidates.restart('sparse', nowMs)
    this.tick(nowMs)
  }

  #check(candidate: Candidate, nowMs: number): void {
    const standing = this.#peer.standing
    const question = standing === 'older' ? this.#voice.text() : this.#voice.check(this.#peer.pair)
    if (!this.#candidates.spend(candidate, question.bytes.length, standing, nowMs)) return
    this.#voice.ask(question, candidate.endpoint, nowMs)
    this.#news.checked(candidate, question.transaction ? 'check' : 'text')
  }

  /** Asks the peer of a session whether it still hears us. */
  #sendCheck(endpoint: Path, nowMs: number): void {
    this.#voice.ask(this.#voice.check(this.#peer.pair), endpoint, nowMs)
    this.#session?.checked(nowMs)
    this.#session?.sent(nowMs)
  }
}
