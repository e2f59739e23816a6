// Drives the registrar and the puncher with a host's sockets and clock. Knows neither real sockets nor a simulation.
import { type Endpoint, familyOf, isLoopback } from '../endpoint.ts'
import { StageError } from '../errors.ts'
import type { Host } from '../host.ts'
import type { Identity } from '../identity.ts'
import { nearest } from '../nearest.ts'
import { privateStage } from '../stage-secret.ts'
import type { Door } from '../entry.ts'
import { createAlarm } from './alarm.ts'
import type { ClientEvent, Waiting } from './events.ts'
import { createGettingThrough } from './getting-through.ts'
import { identityError, silentError, timeoutError, verdictError } from './giving-up.ts'
import type { Parameters, StrategyName } from './strategy.ts'
import { isWorthWaiting, verdictFrom } from './verdict.ts'
import { type Sent, longestMessage, payloadOf } from './message.ts'
import { familiesToOffer, hostsToOffer, withMapped } from './own-hosts.ts'
import { dialectOf, unansweredMs } from './other-dialect.ts'
import { checkNames } from './own-name.ts'
import { createForwarding } from './forwarding.ts'
import type { PunchState } from './punch-state.ts'
import { Puncher } from './puncher.ts'
import { Registrar } from './registrar.ts'
import { createSockets } from './sockets.ts'
import { StageView } from './stage-view.ts'
import { watchWaiting } from './waiting.ts'

export type ClientOptions = {
  /** Name or IP address of the Stage Manager. */
  server: string
  port?: number
  name: string
  peer: string
  /** The room. */
  stage?: string
  /** For a stage of those who know it; it never leaves this machine. */
  stageSecret?: string | undefined
  /** Who we are: claims the name. Default: nobody in particular. */
  identity?: Identity | undefined
  /** The key that the peer was met with before: it is met with that one, or not at all. */
  knownKey?: string | undefined
  /** Says nothing to a peer without a private line. A secret stage, and a known key, ask for that anyway. */
  requireEncryption?: boolean
  /** Offers our own addresses to a peer behind the same NAT. Default: true. */
  offerHosts?: boolean
  /** Asks the gateway, by UPnP-IGD or NAT-PMP, to forward a port to us, and offers that to the peer. Default: false. */
  map?: boolean
  /** Between two registrations while looking for the peer. */
  intervalMs?: number
  /** Gives up when not connected by then. Default: never. */
  timeoutMs?: number
  /** Whoever listens here sees every event, in order and at once. */
  onEvent?: (event: ClientEvent) => void
  /** Goes on after a verdict instead of failing. Default: true. */
  keepTrying?: boolean
  /** Tries this one and no other. */
  strategy?: StrategyName
  /** Of the strategies: how many sockets, probes, and how fast. */
  parameters?: Parameters
}

export type Client = {
  readonly state: PunchState
  /** Where the peer is, while connected. */
  readonly endpoint: Endpoint | undefined
  /** Older peers take text only. */
  readonly form: 'binary' | 'text' | undefined
  /** The most bytes that one message to this peer may have. */
  readonly longest: number
  send(message: string | Uint8Array): Sent
  /** The event `closed` follows: at once, or when the forwarded port is taken back. */
  close(): void
}

/** A server that has not answered by then will hardly do so. */
const serverSilentMs = 10_000

export const connect = (host: Host, options: ClientOptions): Client => {
  const { server, port = 8080, offerHosts = true, map = false, timeoutMs, onEvent = () => {} } = options
  const name = options.name.normalize('NFC')
  const peer = options.peer.normalize('NFC')
  checkNames(name, peer)
  const secret = options.stageSecret === undefined ? undefined : privateStage(options.stageSecret, options.stage ?? '')
  const stage = secret?.wireName ?? options.stage ?? ''
  if ((secret || options.requireEncryption || options.knownKey !== undefined) && !options.identity)
    throw new StageError('usage', 'A private line needs an identity: give one')
  const startedMs = host.now()
  const view = new StageView()
  let closed = false
  let cancelTimeout = (): void => {}
  let cancelUnanswered = (): void => {}
  let cancelSilent = (): void => {}
  let wasConnected = false
  /** When the server last said unasked that the peer has registered. */
  let peerSeenMs = -Infinity
  let looksLike: Door | undefined

  const hosts = (): Endpoint[] => {
    // A server on loopback has its clients on the same machine, where the address that it sees is the one to use.
    if (!registrar.server || isLoopback(registrar.server.address)) return []
    const family = familyOf(registrar.server.address)
    const own = offerHosts ? hostsToOffer(host.addresses(), family, of => sockets.local(of)?.port) : []
    return withMapped([forwarding.endpoint, ...through.offered], own, family)
  }

  const forwarding = createForwarding({
    host,
    seen: () => registrar.mapped,
    onEvent: event => emit(event),
    onChanged() {
      registrar.offer(host.now())
      alarm.set()
    },
  })

  const puncher = new Puncher({
    me: name,
    peer,
    startedMs,
    line: options.identity && { identity: options.identity, stage, psk: secret?.psk },
    trust: { knownKey: options.knownKey, required: options.requireEncryption || secret !== undefined },
    randomBytes: n => host.randomBytes(n),
    reaches: family => sockets.local(family) !== undefined,
    send(bytes, to, ttl) {
      if (to.via !== undefined) through.send(bytes, to, to.via, ttl)
      else sockets.send(bytes, to)
    },
    onEvent: event => emit(event),
  })
  const through = createGettingThrough({
    host,
    isFirst: name < peer,
    strategy: options.strategy,
    parameters: options.parameters,
    server: () => registrar.server,
    mapped: () => registrar.mapped,
    mainPort: family => sockets.local(family)?.port ?? 0,
    sendByMain: (bytes, to) => sockets.send(bytes, to),
    onDatagram: (bytes, from) => puncher.receive(bytes, from, host.now()),
    shoot: (shot, nowMs) => puncher.shoot(shot, nowMs),
    onNews: nowMs => registrar.offer(nowMs),
    onActive: () => alarm.set(),
    onEvent: event => emit(event),
    onExhausted: nowMs => judge(nowMs),
  })
  const registrar = new Registrar({
    name,
    seek: peer,
    stage,
    identity: options.identity,
    hosts,
    nat: () => through.nat,
    intervalMs: options.intervalMs,
    random: () => host.random(),
    send: (bytes, to) => sockets.send(bytes, to),
    lookup: () => sockets.lookup(),
    onEvent: event => emit(event),
  })

  const emit = (event: ClientEvent): void => {
    if (closed) return
    onEvent(event)
    if (closed) return // by whoever listens
    if (event.event === 'quiet') registrar.renew(host.now())
    if (event.event === 'connected') {
      wasConnected = true
      cancelTimeout()
      through.connected(puncher.session?.endpoint.via)
      registrar.setConnected(true, host.now())
    }
    if (event.event === 'lost') {
      registrar.setConnected(false, host.now())
      through.update(puncher.target, host.now())
      waiting.begin()
    }
  }

  const alarm = createAlarm(
    host,
    () => Math.min(registrar.deadline(), through.deadline(), puncher.deadline()),
    nowMs => {
      registrar.tick(nowMs)
      through.tick(nowMs)
      puncher.tick(nowMs)
    },
  )

  const receive = (bytes: Uint8Array, from: Endpoint): void => {
    const now = host.now()
    if (through.receive(bytes, from, now)) return alarm.set()
    const lines = registrar.receive(bytes, from, now)
    const isPush = lines?.every(line => line.name !== name)
    if (!lines) puncher.receive(bytes, from, now)
    else if (lines.length === 0) looksLike ??= dialectOf(bytes)
    for (const line of lines ?? []) {
      if (view.note(line)) {
        const { slot, count, endpoint } = line
        emit({ event: 'entry', slot, count, name: line.name, endpoint })
      }
      if (line.name === name && line.cookie !== undefined)
        through.registered(from, line.endpoint, line.alternates ?? [], now)
      if (line.name !== peer) continue
      if (isPush) peerSeenMs = now
      puncher.learn(line, registrar.mapped, from, now)
      through.update(puncher.target, now)
    }
    alarm.set()
  }

  const fail = (error: StageError): void => {
    emit({ event: 'failed', reason: error.code, error })
    close()
  }

  const sockets = createSockets({
    host,
    server,
    port,
    onDatagram: receive,
    alsoOpen: servers => (offerHosts && !servers.every(isLoopback) ? familiesToOffer(host.addresses()) : []),
    onFound(servers) {
      registrar.found(servers, host.now())
      alarm.set()
      if (map) forwarding.begin(registrar.server, sockets.local(4)?.port)
    },
    hasAnswered: () => registrar.answered,
    onFailed: fail,
  })

  const whatFor = (): Waiting | undefined => {
    if (!registrar.answered || registrar.misses > 2) return { on: 'server', servers: registrar.servers }
    if (puncher.state === 'punching') return { on: 'punch', endpoints: puncher.endpoints, heard: puncher.heard }
    // What is to be said of these was said, and the phonebook has the peer, or is not shown to us.
    if (registrar.taken || puncher.refusedKey) return undefined
    const there = view.names().filter(other => other !== name && other !== peer)
    const near = nearest(peer, there)
    return {
      on: 'peer',
      peer,
      there,
      others: there.length > 0 ? 0 : Math.max(0, view.count - 1),
      ...(near !== undefined && { near }),
    }
  }

  const waiting = watchWaiting(
    host,
    whatFor,
    () => puncher.state === 'connected',
    what => emit({ event: 'waiting', elapsedMs: host.now() - startedMs, ...what }),
  )

  const close = (): void => {
    if (closed) return
    puncher.close()
    closed = true
    alarm.stop()
    for (const stop of [waiting.stop, cancelTimeout, cancelUnanswered, cancelSilent]) stop()
    through.close()
    sockets.close()
    forwarding.end(() => onEvent({ event: 'closed' }))
  }

  const judge = (nowMs: number): void => {
    // An older peer may look for us only twice a minute.
    if (closed || (registrar.answered && puncher.standing === 'older')) return
    const goesOn = (options.keepTrying ?? true) || wasConnected
    const problem = identityError({ name, peer }, registrar.taken, puncher.refusedKey)
    if (problem) return goesOn ? undefined : fail(problem)
    const { target } = puncher
    const verdict = verdictFrom({
      peer,
      serverAnswered: registrar.answered,
      mapped: registrar.mapped,
      endpoint: target?.endpoint,
      mine: through.hint,
      theirs: target?.theirs,
      plan: through.plan,
      standing: puncher.standing,
      mutual: target?.consented ?? false,
      peerSilentMs: nowMs - peerSeenMs,
      heard: puncher.heard,
      nameTaken: registrar.isContested(nowMs),
    })
    emit({ event: 'verdict', elapsedMs: nowMs - startedMs, ...verdict })
    if (!goesOn && !isWorthWaiting(verdict)) fail(verdictError(verdict, { name, peer }, server))
  }

  const giveUp = (): void => {
    const seconds = (timeoutMs ?? 0) / 1000
    const found = registrar.servers.map(({ address }) => address)
    if (!registrar.answered) return fail(silentError(server, found, port, seconds))
    const problem = identityError({ name, peer }, registrar.taken, puncher.refusedKey)
    fail(problem ?? timeoutError({ name, peer }, view.names().includes(peer), seconds))
  }

  if (timeoutMs !== undefined) cancelTimeout = host.after(timeoutMs, giveUp)
  cancelUnanswered = host.after(unansweredMs, () => {
    if (registrar.answered) return
    const { servers } = registrar
    emit({ event: 'unanswered', elapsedMs: host.now() - startedMs, servers, ...(looksLike && { looksLike }) })
  })
  cancelSilent = host.after(serverSilentMs, () => void (registrar.answered || judge(host.now())))
  waiting.begin()
  sockets.lookup()

  return {
    get state() {
      return puncher.state
    },
    get endpoint() {
      return puncher.session?.endpoint
    },
    get form() {
      return puncher.session && (puncher.session.tag ? 'binary' : 'text')
    },
    get longest() {
      return longestMessage(puncher.session)
    },
    send(message) {
      if (closed || !puncher.session) return 'not-connected'
      const payload = payloadOf(message, puncher.session)
      if (typeof payload === 'string') return payload
      puncher.send(payload, host.now())
      alarm.set()
      return 'sent'
    },
    close,
  }
}
