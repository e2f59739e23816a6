// What is done beside the checks of the candidates: finds out how our own NAT maps, and where that and the peer's ask for more
// than checks, tries one attempt after the other, with fresh sockets.
import { pacesFor } from '../behavior/paces.ts'
import { mappedOf } from '../behavior/samples.ts'
import type { Alternate } from '../dialects/phonebook/codec.ts'
import { type NatHint, formatHint } from '../dialects/phonebook/hint.ts'
import { type Endpoint, type Family, familyOf, isLoopback } from '../endpoint.ts'
import type { Host } from '../host.ts'
import { type Shot, type Situation, createAttempts } from './attempts.ts'
import type { ClientEvent } from './events.ts'
import { createExtras } from './extras.ts'
import { createOwnNat } from './own-nat.ts'
import { type Path, mainSocket, pathVia } from './paths.ts'
import { type Parameters, type Plan, type StrategyName, ourParameters } from './strategy.ts'

export type GettingThroughOptions = {
  readonly host: Host
  /** One of the two of us is. */
  readonly isFirst: boolean
  readonly strategy?: StrategyName | undefined
  readonly parameters?: Parameters | undefined
  /** The one that answers us. */
  readonly server: () => Endpoint | undefined
  /** Where it sees us. */
  readonly mapped: () => Endpoint | undefined
  readonly mainPort: (family: Family) => number
  readonly sendByMain: (bytes: Uint8Array, to: Endpoint) => void
  /** From the peer, or whoever, by a fresh socket. */
  readonly onDatagram: (bytes: Uint8Array, from: Path) => void
  readonly shoot: (shot: Shot, nowMs: number) => void
  /** What we tell the server has changed. */
  readonly onNews: (nowMs: number) => void
  readonly onActive: () => void
  readonly onEvent: (event: ClientEvent) => void
  readonly onExhausted: (nowMs: number) => void
}

export type GettingThrough = {
  /** What we know of our NAT, as the registration says it. */
  readonly nat: string | undefined
  readonly hint: NatHint | undefined
  /** Where a fresh socket is mapped that the peer is to know of. */
  readonly offered: readonly Endpoint[]
  readonly plan: Plan | undefined
  registered(server: Endpoint, mapped: Endpoint, alternates: readonly Alternate[], nowMs: number): void
  /** True where it was an answer to a question about our NAT. */
  receive(bytes: Uint8Array, from: Endpoint, nowMs: number): boolean
  /** What is known of the peer while we are looking for a way to it; undefined while we are not. */
  update(target: Omit<Situation, 'mine'> | undefined, nowMs: number): void
  send(bytes: Uint8Array, to: Endpoint, via: number, ttl: number | undefined): void
  /** There is a session, by this socket. */
  connected(via: number | undefined): void
  tick(nowMs: number): void
  deadline(): number
  close(): void
}

export const createGettingThrough = (options: GettingThroughOptions): GettingThrough => {
  const { host, parameters = ourParameters, onEvent, server } = options
  const family = (): Family => familyOf(server()?.address ?? '0.0.0.0')
  let target: Omit<Situation, 'mine'> | undefined
  /** The sockets of the attempt that runs. */
  let opened: readonly number[] = []
  let openings = 0
  let offered: readonly Endpoint[] = []

  const extras = createExtras(
    {
      host,
      sendByMain: options.sendByMain,
      onDatagram: (bytes, from, via) => options.onDatagram(bytes, pathVia(from, via)),
      onActive: options.onActive,
    },
    family,
  )
  const { exchanges } = extras

  const ownNat = createOwnNat({
    exchanges,
    main: () => ({ id: mainSocket, localPort: options.mainPort(family()) }),
    hasNone() {
      const at = options.mapped()
      if (!at || at.port !== options.mainPort(familyOf(at.address))) return false
      return isLoopback(at.address) || host.addresses().includes(at.address)
    },
    release: ({ id }) => extras.close(id),
    onNews() {
      options.onNews(host.now())
      reconsider(host.now())
    },
  })

  const reconsider = (nowMs: number): void => {
    if (target) attempts.update({ ...target, mine: ownNat.hint }, nowMs)
    else attempts.stop()
  }

  const attempts = createAttempts({
    isFirst: options.isFirst,
    parameters,
    forced: options.strategy,
    random: () => host.random(),
    shoot: options.shoot,
    sample: (nowMs, done) => ownNat.sample(nowMs, done),
    open(count, done) {
      for (const via of opened) extras.close(via)
      opened = offered = []
      const mine = ++openings
      extras.open(count, (vias, nowMs) => {
        if (mine !== openings) return vias.forEach(extras.close) // the next attempt has begun meanwhile
        opened = vias
        done(vias, nowMs)
      })
    },
    offer(via, nowMs) {
      const to = server()
      if (!to) return
      const question = { test: 'offer', socket: { id: via, localPort: 0 }, to, pausesMs: pacesFor(0).answered }
      exchanges.ask(question, nowMs, (sample, atMs) => {
        const mapped = mappedOf(sample)
        if (!mapped || !opened.includes(via)) return
        offered = [mapped]
        options.onNews(atMs)
      })
    },
    onPlan: plan => onEvent({ event: 'plan', ...plan }),
    onAttempt: (strategy, attempt) => onEvent({ event: 'attempt', strategy, attempt }),
    onExhausted: options.onExhausted,
  })

  return {
    get nat() {
      return ownNat.hint && formatHint(ownNat.hint)
    },
    get hint() {
      return ownNat.hint
    },
    get offered() {
      return offered
    },
    get plan() {
      return attempts.plan
    },
    registered: (at, mapped, alternates, nowMs) => ownNat.registered(at, mapped, alternates, nowMs),
    receive: (bytes, from, nowMs) => exchanges.receive(mainSocket, bytes, from, nowMs),
    update(now, nowMs) {
      target = now
      reconsider(nowMs)
    },
    send: (bytes, to, via, ttl) => extras.send(bytes, to, via, ttl),
    connected(via) {
      target = undefined
      attempts.stop()
      extras.keepOnly(via)
    },
    tick(nowMs) {
      exchanges.tick(nowMs)
      attempts.tick(nowMs)
    },
    deadline: () => Math.min(exchanges.deadline(), attempts.deadline()),
    close: () => extras.keepOnly(undefined),
  }
}
