// Law: never touches a socket, a resolver or a clock. Keeps us registered: which server address is asked, when, with which
// cookie, and when the host has to be looked up again.
import { type Claim, claimBytes } from '../claim.ts'
import { type Endpoint, formatEndpoint, sameEndpoint } from '../endpoint.ts'
import { type Identity, fingerprintOf } from '../identity.ts'
import { toBase64url } from '../rfc4648.ts'
import { type Line, decodeLines, encodeRegistration } from '../dialects/phonebook/codec.ts'
import type { ClientEvent } from './events.ts'
import { jittered, pollDelayMs, retryDelayMs } from './schedule.ts'

/** Another address of the server is tried when this one has not answered for so long (RFC 8305 s.5 waits 250 ms). */
const nextAddressMs = 500
/** Unanswered registrations after which the host is looked up again. */
const missesUntilLookup = 2
const mostServers = 8
/** Whoever else has our name registers it at least every 20 s. */
const contestMs = 60_000
/** An answer is late after so many round trips. */
const roundTrips = 1.5

export type RegistrarOptions = {
  readonly name: string
  readonly seek: string
  readonly stage: string
  /** Claims the name, where there is one. */
  readonly identity?: Identity | undefined
  /** Our local candidates at this moment. */
  readonly hosts: () => readonly Endpoint[]
  /** What we know of our NAT, for the peer. */
  readonly nat?: () => string | undefined
  readonly intervalMs?: number | undefined
  readonly random: () => number
  readonly send: (bytes: Uint8Array, to: Endpoint) => void
  readonly lookup: () => void
  readonly onEvent: (event: ClientEvent) => void
}

export class Registrar {
  readonly #options: RegistrarOptions
  #servers: readonly Endpoint[] = []
  /** How many of the addresses are being tried; only the first one as long as it answers. */
  #trying = 1
  #nextAddressMs = Infinity
  #active: Endpoint | undefined
  #mapped: Endpoint | undefined
  #cookie: string | undefined
  #newerServer = false
  #misses = 0
  #awaiting = false
  #sentMs = 0
  /** As it was measured last: a server that is far away is not asked twice for each answer. */
  #roundTripMs = 0
  #nextMs = Infinity
  #lookingSinceMs = 0
  #connected = false
  /** A new cookie is echoed at once, but a server that makes one for each answer does not get us into a loop. */
  #echoed = false
  #conflict: Endpoint | undefined
  #conflictMs = -Infinity
  #standing: 'unknown' | 'owned' | 'taken' = 'unknown'
  /** The last one that was made: a signature costs as much as ten datagrams. */
  #signed: { readonly of: string; readonly sig: string } | undefined

  constructor(options: RegistrarOptions) {
    this.#options = options
  }

  /** The server that answers us; before that, the one asked first. */
  get server(): Endpoint | undefined {
    return this.#active ?? this.#servers[0]
  }

  get servers(): readonly Endpoint[] {
    return this.#servers
  }

  /** A server has answered, ever. */
  get answered(): boolean {
    return this.#active !== undefined
  }

  /** Registrations since the last answer. */
  get misses(): number {
    return this.#misses
  }

  /** The name is somebody else's, who has a key for it. */
  get taken(): boolean {
    return this.#standing === 'taken'
  }

  /** Somebody else registers our name, which nobody owns, again and again. */
  isContested(nowMs: number): boolean {
    return nowMs - this.#conflictMs < contestMs
  }

  /** Where the server sees us. */
  get mapped(): Endpoint | undefined {
    return this.#mapped
  }

  /** What the host name means now; the first time this starts the polling. */
  found(addresses: readonly Endpoint[], nowMs: number): void {
    const isFirst = this.#servers.length === 0
    const servers = addresses.slice(0, mostServers)
    // A resolver that turns its answers round says nothing new.
    const isKnown = (server: Endpoint): boolean => this.#servers.some(known => sameEndpoint(known, server))
    const changed = servers.length !== this.#servers.length || !servers.every(isKnown)
    if (!changed || servers.length === 0) return
    this.#servers = servers
    this.#trying = 1
    this.#nextAddressMs = this.#servers.length > 1 ? nowMs + nextAddressMs : Infinity
    if (isFirst) this.#lookingSinceMs = nowMs
    this.#register(nowMs)
  }

  /** The lines of a datagram, or undefined where it is not from a server of ours. */
  receive(bytes: Uint8Array, from: Endpoint, nowMs: number): Line[] | undefined {
    if (!this.#servers.some(server => sameEndpoint(server, from)) && !isSame(from, this.#active)) return undefined
    const lines = decodeLines(bytes)
    const own = lines.find(line => line.name === this.#options.name)
    if (own) this.#receiveOwn(own, from, nowMs)
    return lines
  }

  /** The peer was found or lost: another rhythm from now on. */
  setConnected(connected: boolean, nowMs: number): void {
    if (connected === this.#connected) return
    this.#connected = connected
    if (!connected) {
      this.#lookingSinceMs = nowMs
      this.#register(nowMs)
    } else if (!this.#awaiting) this.#nextMs = nowMs + this.#pollMs(nowMs)
  }

  /** There is something new to say. */
  renew(nowMs: number): void {
    this.#echoed = false
    if (this.#active) this.#register(nowMs)
  }

  /** What we offer has changed: said at once to the server that answers us, so that it tells whoever seeks us. */
  offer(nowMs: number): void {
    if (this.#active && !this.#connected) this.#register(nowMs)
  }

  tick(nowMs: number): void {
    if (nowMs >= this.#nextAddressMs) {
      this.#trying = Math.min(this.#trying + 1, this.#servers.length)
      this.#nextAddressMs = this.#trying < this.#servers.length ? nowMs + nextAddressMs : Infinity
      const next = this.#servers[this.#trying - 1]
      if (!this.#active && next) this.#sendTo(next)
    }
    if (nowMs < this.#nextMs) return
    if (this.#awaiting) this.#miss(nowMs)
    this.#echoed = false
    this.#register(nowMs)
  }

  deadline(): number {
    return Math.min(this.#nextMs, this.#nextAddressMs)
  }

  #miss(nowMs: number): void {
    this.#misses++
    if (this.#misses < missesUntilLookup) return
    this.#options.lookup()
    if (this.#active && this.#servers.length > 1 && this.#nextAddressMs === Infinity) this.#nextAddressMs = nowMs
  }

  #register(nowMs: number): void {
    this.#awaiting = true
    this.#sentMs = nowMs
    const retryMs = Math.max(retryDelayMs(this.#misses), roundTrips * this.#roundTripMs)
    this.#nextMs = nowMs + jittered(retryMs, this.#options.random())
    const active = this.#active
    const asked = this.#servers.slice(0, this.#trying)
    if (!active) asked.forEach(server => this.#sendTo(server))
    else if (this.#misses < missesUntilLookup) this.#sendTo(active)
    else [active, ...asked.filter(server => !isSame(server, active))].forEach(server => this.#sendTo(server))
  }

  #sendTo(server: Endpoint): void {
    const { name, seek, stage, identity, onEvent, send } = this.#options
    const cookie = this.#cookie
    const key = identity?.key
    const request = {
      name,
      newer: true,
      seek,
      stage,
      hosts: this.#options.hosts(),
      nat: this.#options.nat?.(),
      cookie,
      key,
      to: server,
      sig:
        identity && cookie !== undefined
          ? this.#sign({ to: server, cookie, stage, name, key: identity.key }, identity)
          : undefined,
    }
    onEvent({ event: 'registering', name, server })
    send(encodeRegistration(request, cookie === undefined && !this.#active), server)
  }

  #sign(claim: Claim, identity: Identity): string {
    const of = `${formatEndpoint(claim.to)} ${claim.cookie}`
    if (this.#signed?.of !== of) this.#signed = { of, sig: toBase64url(identity.sign(claimBytes(claim))) }
    return this.#signed.sig
  }

  #receiveOwn(own: Line, from: Endpoint, nowMs: number): void {
    const { name, onEvent } = this.#options
    // A newer server's answer has a cookie on our own line; without one it tells who else has our name now.
    if (own.cookie === undefined && this.#newerServer && isSame(from, this.#active) && !this.#isAnswer(own)) {
      return this.#noteConflict(own.endpoint, nowMs)
    }
    const news = !isSame(own.endpoint, this.#mapped) || !isSame(from, this.#active)
    this.#active = from
    this.#mapped = own.endpoint
    if (this.#awaiting && this.#misses === 0) this.#roundTripMs = nowMs - this.#sentMs
    this.#awaiting = false
    this.#misses = 0
    this.#trying = 1
    this.#nextAddressMs = Infinity
    this.#nextMs = nowMs + this.#pollMs(nowMs)
    this.#noteStanding(own)
    if (news && !own.taken) onEvent({ event: 'registered', name, server: from, endpoint: own.endpoint })
    this.#newerServer = own.cookie !== undefined
    if (own.cookie === this.#cookie) return
    this.#cookie = own.cookie
    if (own.cookie === undefined) return
    if (this.#echoed) return
    this.#register(nowMs)
    this.#echoed = true
  }

  /** An older server may have taken the place of a newer one: its answers show us where we are, and have no cookie. */
  #isAnswer(own: Line): boolean {
    return this.#awaiting && (isSame(own.endpoint, this.#mapped) || this.#misses >= missesUntilLookup)
  }

  /** Whose the name is, as the server has just said. */
  #noteStanding({ taken, key, cookie }: Line): void {
    const { name, identity, onEvent } = this.#options
    // With a cookie that is new to us we have not signed yet: the answer to that will tell.
    if (taken && identity && cookie !== this.#cookie) return
    const standing = taken ? 'taken' : key !== undefined && key === identity?.key ? 'owned' : 'unknown'
    const isNews = standing !== this.#standing
    this.#standing = standing
    if (!isNews) return
    if (standing === 'taken') onEvent({ event: 'name-taken', name })
    if (standing === 'owned') onEvent({ event: 'owned', name, fingerprint: fingerprintOf(identity?.key ?? '') })
  }

  #noteConflict(endpoint: Endpoint, nowMs: number): void {
    if (isSame(endpoint, this.#mapped)) return
    this.#conflictMs = nowMs
    if (isSame(endpoint, this.#conflict)) return
    this.#conflict = endpoint
    this.#options.onEvent({ event: 'name-conflict', name: this.#options.name, endpoint })
  }

  #pollMs(nowMs: number): number {
    const { intervalMs, random } = this.#options
    const state = { connected: this.#connected, lookingForMs: nowMs - this.#lookingSinceMs, intervalMs }
    return jittered(pollDelayMs(state), random())
  }
}

const isSame = (a: Endpoint | undefined, b: Endpoint | undefined): boolean =>
  a !== undefined && b !== undefined && sameEndpoint(a, b)
