// Almost valid datagrams against the production server and client, in a world: no exception may come out, and the books
// must balance. The same seed makes the same run, so a crash is told by its seed and its number.
import type { ClientEvent } from '../client/events.ts'
import { createDialects } from '../dialects/index.ts'
import type { Endpoint } from '../endpoint.ts'
import { identityOf, identitySeedLength } from '../identity.ts'
import { encodeUtf8 } from '../utf8.ts'
import { type Random, seededRandom } from '../sim/random.ts'
import type { Attachment, Box } from '../sim/segment.ts'
import { mutated } from './mutate.ts'
import { type Stage, createStage, port, serverAddress } from './stage.ts'

export const fuzzTargets = ['server', 'client', 'connected-client', 'bridge'] as const
export type FuzzTarget = (typeof fuzzTargets)[number]

export type FuzzOptions = {
  readonly target: FuzzTarget
  readonly count: number
  readonly seed: number
  /** Called now and then with how many are done. */
  readonly onProgress?: (done: number) => void
}

export type FuzzResult = {
  readonly target: FuzzTarget
  readonly seed: number
  readonly done: number
  /** What became of them, by name. */
  readonly outcomes: Readonly<Record<string, number>>
  /** The first thing that must not happen; the datagram that came last before it. */
  readonly crash?: { readonly error: Error; readonly datagram: Uint8Array }
}

const samples = createDialects().flatMap(dialect => [...dialect.samples])
const server: Endpoint = { address: serverAddress, port }
const forger: Box = { name: 'forger', receive() {} }
/** Datagrams between two steps of the clock, and how far it steps. */
const batch = 100
const stepMs = 50

export const fuzz = ({ target, count, seed, onProgress }: FuzzOptions): FuzzResult => {
  const stage = createStage({ seed, trace: false, keepEvents: false, link: { latencyMs: 1 } })
  const at = stage.world.internet.attach(forger, ['198.51.100.250'])
  const random = seededRandom(seed, `fuzz ${target}`)
  const run = targets[target](stage, random, at)
  let done = 0
  let datagram: Uint8Array = new Uint8Array()
  try {
    for (; done < count; done++) {
      datagram = run.next()
      if (done % batch === batch - 1) {
        stage.world.run(stage.world.now() + stepMs)
        run.rest?.(done)
        onProgress?.(done)
      }
    }
    stage.world.run(stage.world.now() + 1000)
    run.check?.(count)
  } catch (error) {
    return { target, seed, done, outcomes: run.outcomes(), crash: { error: error as Error, datagram } }
  }
  return { target, seed, done, outcomes: run.outcomes() }
}

type Run = {
  /** Sends one datagram. */
  next(): Uint8Array
  /** After a step of the clock. */
  rest?(done: number): void
  /** Throws where the outcome is not right. */
  check?(count: number): void
  outcomes(): Record<string, number>
}

let lastId = 1_000_000_000
const send = (at: Attachment, bytes: Uint8Array, from: Endpoint, to: Endpoint): Uint8Array => {
  at.send({ id: lastId++, from, to, bytes, ttl: 64 })
  return bytes
}

/** Few enough that some come again, as a dialect expects it of who has registered. */
const somebody = (random: Random): Endpoint =>
  random.next() < 0.5 ? anybody(random) : { address: '192.0.2.7', port: 5000 + Math.floor(random.next() * 8) }

const anybody = (random: Random): Endpoint => ({
  address: `192.0.${Math.floor(random.next() * 16)}.${Math.floor(random.next() * 256)}`,
  port: random.next() < 0.001 ? 0 : Math.floor(random.next() * 65_536),
})

const targets: Record<FuzzTarget, (stage: Stage, random: Random, at: Attachment) => Run> = {
  server(stage, random, at) {
    const stunOnly = { ...server, port: port + 1 }
    const listen = [
      { address: '0.0.0.0', port },
      { address: '0.0.0.0', port: port + 1, stunOnly: true },
    ]
    const running = stage.startServer({ listen, capacity: 256, deny: [{ bytes: [192, 0, 15, 0], bits: 24 }] }).server
    // Somebody owns a name that others try to have.
    stage.startClient('carol', 'alice', { identity: identityOf(random.bytes(identitySeedLength)) })
    return {
      next() {
        const from = random.next() < 0.002 ? server : somebody(random)
        const there = random.next() < 0.01 ? running.phonebook.numberedAt(somebody(random)) : undefined
        if (there) return send(at, encodeUtf8(there.name), from, server) // by another door
        return send(at, mutated(samples, random), from, random.next() < 0.02 ? stunOnly : server)
      },
      outcomes: () => ({ ...running.counters().dispositions }),
      check(count) {
        const { datagramsIn, dispositions } = running.counters()
        const counted = Object.values(dispositions).reduce((a, b) => a + b)
        if (datagramsIn < count || counted !== datagramsIn) throw new Error(`${count} sent, ${counted} accounted for`)
        if (running.phonebook.size > running.phonebook.capacity) throw new Error('more entries than slots')
      },
    }
  },

  client: (stage, random, at) => {
    const outcomes: Record<string, number> = {}
    const alice = stage.startClient('alice', 'bob', { onEvent: event => count(outcomes, event) })
    stage.world.run(50)
    return {
      next: () => send(at, mutated(samples, random), neighbour(random), homeOf(alice.host)),
      outcomes: () => outcomes,
    }
  },

  'connected-client'(stage, random, at) {
    const outcomes: Record<string, number> = {}
    stage.startServer()
    const alice = stage.startClient('alice', 'bob', { onEvent: event => count(outcomes, event) })
    const bob = stage.startClient('bob', 'alice')
    stage.world.run(1000)
    return {
      next: () => {
        const from = random.next() < 0.5 ? homeOf(bob.host) : neighbour(random)
        return send(at, mutated(samples, random), from, homeOf(alice.host))
      },
      outcomes: () => outcomes,
      check() {
        stage.world.run(stage.world.now() + 90_000)
        if (alice.client.endpoint?.address !== bob.host.addresses()[0]) throw new Error('Alice has lost Bob')
      },
    }
  },

  // Two servers, each taken for a client by the other: what the one says is said to the other.
  bridge(stage, random, at) {
    const second = '203.0.113.11'
    const servers = [
      stage.startServer({ capacity: 64 }),
      stage.startServer({ capacity: 64 }, stage.world.host({ address: second })),
    ]
    let said = 0
    const heardBy: Box = { name: 'bridge', receive: ({ bytes, from }) => void (said++, relay(bytes, from)) }
    const bridge = stage.world.internet.attach(heardBy, ['198.51.100.251'])
    const relay = (bytes: Uint8Array, from: Endpoint): void => {
      const to = from.address === second ? server : { address: second, port }
      send(bridge, bytes, { address: '198.51.100.251', port: 7000 }, to)
    }
    return {
      next: () => send(at, mutated(samples, random), { address: '198.51.100.251', port: 7000 }, server),
      outcomes: () => ({ said, ...servers[1]?.server.counters().dispositions }),
      check() {
        stage.world.run(stage.world.now() + 3000) // what was held back
        const before = said
        stage.world.run(stage.world.now() + 10_000)
        if (said > before) throw new Error(`the servers go on talking: ${said - before} datagrams in 10 s`)
        const { answered } = servers[1]?.server.counters().dispositions ?? { answered: 0 }
        if (answered > 0) throw new Error(`${answered} of a server's own words were answered`)
      },
    }
  },
}

const neighbour = (random: Random): Endpoint => {
  const kind = random.next()
  if (kind < 0.4) return server
  return kind < 0.7 ? { address: '198.51.100.2', port: 5000 } : anybody(random)
}

const homeOf = (host: { addresses(): string[] }): Endpoint => ({ address: host.addresses()[0] ?? '', port: 49_152 })

const count = (outcomes: Record<string, number>, { event }: ClientEvent): void => {
  outcomes[event] = (outcomes[event] ?? 0) + 1
}
