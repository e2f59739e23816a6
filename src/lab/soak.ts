// R4: days of virtual time with 1 % loss, clients whose NATs forget them every hour, and two servers that die.
//
// What may fail, and nothing else:
// - A message that the link lost is lost. Any other one arrives, once, unless it was sent in a window of its pair.
// - A window of a pair begins when one of the two is rebound and ends one interval and 5 s later (R3: 20 s + 10 % + 5 s), or
//   so long after the server is back, where that is later and it was away in the window: two that move at a time need it.
// - In a window a session may be lost; at its end both are connected again.
// - A dead server opens no window (R1: who is connected loses nothing); an interval and 5 s after it is back everybody is in
//   the book.
// - Every hour, when nothing was rebound for a while, every host holds what it held an hour ago: one socket and no more timers.
//   When all are closed, nothing is left.
import { type Client, connect } from '../client/client.ts'
import type { ClientEvent } from '../client/events.ts'
import { decodePeerMessage } from '../dialects/phonebook/peer.ts'
import type { SimHost } from '../sim/host.ts'
import { seededRandom } from '../sim/random.ts'
import { type RebindingHost, behindForgetfulNat } from './rebinding.ts'
import { type Stage, type StageServer, createStage, port, serverAddress } from './stage.ts'

export type SoakOptions = {
  /** An even number. */
  readonly clients: number
  readonly hours: number
  readonly seed: number
  readonly onProgress?: (virtualMinutes: number) => void
}

export type SoakResult = {
  readonly clients: number
  readonly hours: number
  readonly seed: number
  readonly sent: number
  readonly delivered: number
  readonly lostOnLink: number
  /** Neither delivered nor lost by the link, in a window. */
  readonly lostInWindows: number
  readonly rebindings: number
  readonly restarts: number
  /** The longest that two of a pair were not both connected, after a rebinding. */
  readonly longestOutageMs: number
  readonly sessionsLost: number
  /** What all hosts held at each full hour. */
  readonly held: readonly Held[]
  readonly failed: number
  /** The first of them. */
  readonly failures: readonly string[]
}

export type Held = { readonly timers: number; readonly sockets: number; readonly entries: number }

const minuteMs = 60_000
const hourMs = 60 * minuteMs
/** An interval with its jitter, and 5 s. */
export const windowMs = 20_000 * 1.1 + 5000
/** No rebinding in the last part of an hour: all windows are closed when it strikes. */
const quietMs = 2 * minuteMs
const settleMs = 30_000
const outages = 2
/** So long after it was sent a message that is not here is lost. */
const lateMs = 5000
const flightMs = 50
const mostTimers = 2
const mostShown = 10
/** For each end of a way, so that 1 % of the datagrams is lost. */
const lossPerEnd = 1 - Math.sqrt(0.99)

type Side = {
  readonly name: string
  readonly host: SimHost
  readonly nat: RebindingHost
  readonly client: Client
  /** Of the message on its way; 0: none. */
  sentMs: number
  number: number
  arrived: number
  lostOnLink: number
}

type Pair = {
  readonly sides: readonly [Side, Side]
  windowFrom: number
  windowTo: number
  /** Since when not both were connected. */
  brokenMs: number
}

export const soak = ({ clients, hours, seed, onProgress }: SoakOptions): SoakResult => {
  const link = { latencyMs: 15, jitterMs: 10, loss: lossPerEnd }
  const stage = createStage({ seed, trace: false, keepEvents: false, link })
  const { world } = stage
  const random = seededRandom(seed, 'soak')
  const counts = { sent: 0, delivered: 0, lostOnLink: 0, lostInWindows: 0, rebindings: 0, sessionsLost: 0, failed: 0 }
  const failures: string[] = []
  const held: Held[] = []
  let longestOutageMs = 0
  let server: StageServer | undefined = stage.startServer()
  let serverBackMs = 0

  const fail = (what: string): void => {
    counts.failed++
    if (failures.length < mostShown) failures.push(`${clock(world.now())} ${what}`)
  }

  /** What was on its way when the window began is in it. */
  const inWindow = ({ windowFrom, windowTo }: Pair, atMs: number): boolean =>
    atMs >= windowFrom - flightMs && atMs <= windowTo

  const pairs = startPairs(stage, clients / 2, (pair, side, event) => {
    if (event.event === 'message') receive(pair, side, event.text)
    if (event.event === 'failed') fail(`${side.name} gave up: ${event.error.message}`)
    if (event.event === 'connected' || event.event === 'lost') watch(pair, side, event)
  })

  const watch = (pair: Pair, side: Side, event: ClientEvent & { event: 'connected' | 'lost' }): void => {
    if (event.event === 'lost') {
      counts.sessionsLost++
      if (pair.brokenMs === Infinity) pair.brokenMs = world.now()
      if (!inWindow(pair, world.now())) fail(`${side.name} lost its peer outside a window: ${event.reason}`)
    } else if (pair.brokenMs < Infinity && bothConnected(pair)) {
      longestOutageMs = Math.max(longestOutageMs, world.now() - pair.brokenMs)
      pair.brokenMs = Infinity
    }
  }

  const receive = (pair: Pair, side: Side, text: string): void => {
    const from = pair.sides.find(other => other !== side)
    const number = Number(text.slice(text.lastIndexOf(' ') + 1))
    if (!from || !text.startsWith('soak ')) return
    if (from.arrived === number) fail(`${side.name} got message ${number} twice`)
    from.arrived = number
    counts.delivered++
  }

  world.trace.onDrop = ({ bytes, to }, reason) => {
    if (reason !== 'loss' || to.port === port) return
    const message = decodePeerMessage(bytes)
    if (message?.type !== 'data') return
    const [, who = '', number] = new TextDecoder().decode(message.payload).split(' ')
    const side = sideOf(pairs, who)
    if (side) side.lostOnLink = Number(number)
  }

  const send = (pair: Pair, side: Side): void => {
    side.number++
    side.sentMs = world.now()
    counts.sent++
    const sent = side.client.send(`soak ${side.name} ${side.number}`)
    if (sent !== 'sent' && !inWindow(pair, world.now())) fail(`${side.name} can't send outside a window: ${sent}`)
    world.after(lateMs, () => settle(pair, side))
    world.after(minuteMs * (0.5 + random.next()), () => isRunning && send(pair, side))
  }

  const settle = (pair: Pair, side: Side): void => {
    if (side.arrived === side.number) return
    if (side.lostOnLink === side.number) counts.lostOnLink++
    else if (inWindow(pair, side.sentMs)) counts.lostInWindows++
    else fail(`message ${side.number} of ${side.name} was not lost on the link, and did not arrive`)
  }

  const rebind = (pair: Pair, side: Side): void => {
    counts.rebindings++
    if (world.now() > pair.windowTo + lateMs) pair.windowFrom = world.now()
    if (pair.brokenMs === Infinity && !bothConnected(pair)) pair.brokenMs = world.now()
    side.nat.rebind()
    openWindow(pair)
  }

  const openWindow = (pair: Pair): void => {
    pair.windowTo = Math.max(world.now(), serverBackMs) + windowMs
    if (serverBackMs === Infinity) return // the server's return opens it again
    world.after(windowMs, () => {
      if (world.now() >= pair.windowTo && !bothConnected(pair))
        fail(`${pair.sides[0].name} and ${pair.sides[1].name} are not back at the end of their window`)
    })
  }

  const restart = (): void => {
    server?.host.stop()
    server = undefined
    serverBackMs = Infinity
    const awayMs = 1000 + random.next() * minuteMs
    world.after(awayMs, () => {
      server = stage.startServer()
      serverBackMs = world.now()
      for (const pair of pairs) if (pair.windowTo === Infinity) openWindow(pair)
      world.after(windowMs, () => {
        const { size } = server?.server.phonebook ?? { size: 0 }
        if (size !== clients) fail(`${size} of ${clients} are in the book ${windowMs} ms after a restart`)
      })
    })
  }

  const strike = (): void => {
    const hosts = pairs.flatMap(({ sides }) => sides.map(side => side.host))
    for (const host of hosts) {
      const { timers, sockets } = host.held
      if (sockets !== 1 || timers > mostTimers) fail(`${host.name} holds ${sockets} sockets and ${timers} timers`)
    }
    for (const pair of pairs)
      if (!bothConnected(pair)) fail(`${pair.sides[0].name} and its peer are not connected at the full hour`)
    const sum = { timers: 0, sockets: 0, entries: server?.server.phonebook.size ?? 0 }
    for (const { held } of [...hosts, stage.hostOf('server')]) {
      sum.timers += held.timers
      sum.sockets += held.sockets
    }
    const [first = sum] = held
    held.push(sum)
    if (sum.timers > first.timers + clients || sum.sockets > first.sockets || sum.entries !== clients)
      fail(`all hold ${JSON.stringify(sum)}, an hour after the beginning ${JSON.stringify(first)}`)
  }

  let isRunning = true
  const restartsAt = Array.from({ length: outages }, (_, i) =>
    Math.floor(((i + 0.8 * random.next()) * hours * 60) / outages),
  ).map(minute => minute - Math.max(0, (minute % 60) - 56)) // well before the full hour
  world.run(settleMs)
  for (const pair of pairs) {
    if (!bothConnected(pair)) fail(`${pair.sides[0].name} and ${pair.sides[1].name} have not met in ${settleMs} ms`)
    for (const side of pair.sides) world.after(random.next() * minuteMs, () => send(pair, side))
  }
  for (let minute = 0; minute < hours * 60; minute++) {
    if (minute % 60 === 0) {
      for (const pair of pairs)
        for (const side of pair.sides)
          world.after(random.next() * (hourMs - quietMs - settleMs), () => rebind(pair, side))
    }
    if (restartsAt.includes(minute)) restart()
    world.run(Math.max(world.now(), (minute + 1) * minuteMs))
    onProgress?.(minute + 1)
    if (minute % 60 === 59) strike()
  }

  isRunning = false
  world.run(world.now() + 2 * minuteMs)
  for (const { sides } of pairs) for (const { client } of sides) client.close()
  server?.server.close()
  world.run(world.now() + hourMs)
  if (world.pending > 0) fail(`${world.pending} timers live on when all are closed`)
  for (const host of [...pairs.flatMap(({ sides }) => sides.map(({ host }) => host)), stage.hostOf('server')])
    if (host.held.sockets > 0) fail(`${host.name} has left ${host.held.sockets} sockets open`)
  return { clients, hours, seed, ...counts, restarts: restartsAt.length, longestOutageMs, held, failures }
}

const bothConnected = ({ sides }: Pair): boolean => sides.every(({ client }) => client.state === 'connected')

const sideOf = (pairs: readonly Pair[], name: string): Side | undefined =>
  pairs[Number(name.slice(1))]?.sides[name.startsWith('a') ? 0 : 1]

const startPairs = (
  { world }: Stage,
  count: number,
  onEvent: (pair: Pair, side: Side, event: ClientEvent) => void,
): Pair[] =>
  Array.from({ length: count }, (_, i) => {
    const start = (name: string, peer: string, number: number): Side => {
      const address = `198.18.${number >> 8}.${number & 255}`
      const host = world.host({ name, address })
      const nat = behindForgetfulNat(host)
      const client = connect(nat.host, {
        server: serverAddress,
        port,
        name,
        peer,
        onEvent: event => onEvent(pair, name.startsWith('a') ? pair.sides[0] : pair.sides[1], event),
      })
      return { name, host, nat, client, sentMs: 0, number: 0, arrived: 0, lostOnLink: 0 }
    }
    const sides = [start(`a${i}`, `b${i}`, 2 * i + 1), start(`b${i}`, `a${i}`, 2 * i + 2)] as const
    const pair: Pair = { sides, windowFrom: Infinity, windowTo: -Infinity, brokenMs: Infinity }
    return pair
  })

/** `13:05:42.250` of the virtual time. */
const clock = (ms: number): string => {
  const part = (value: number): string => String(Math.floor(value)).padStart(2, '0')
  return `${part(ms / hourMs)}:${part((ms / minuteMs) % 60)}:${part((ms / 1000) % 60)}.${String(Math.floor(ms % 1000)).padStart(3, '0')}`
}
