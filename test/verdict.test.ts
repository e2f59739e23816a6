// Why two did not meet: the client's own verdict, held against worlds in which we know what we broke.
import t from 'tap'
import { type Cause, type Evidence, causes, isWorthWaiting, verdictFrom } from '../src/client/verdict.ts'
import type { ClientEvent } from '../src/client/events.ts'
import { type Parameters, ourParameters } from '../src/client/strategy.ts'
import type { ClientOptions } from '../src/client/client.ts'
import { drawWays, variedNetwork } from '../src/lab/network.ts'
import { type Place, placeOf, siteNamed } from '../src/lab/sites.ts'
import { fourSockets, stageIn } from '../src/lab/stage.ts'
import { type Topology, createTopology } from '../src/lab/topology.ts'
import type { SimHost } from '../src/sim/host.ts'
import { seededRandom } from '../src/sim/random.ts'

type Verdict = ClientEvent & { event: 'verdict' }

type Scenario = {
  readonly cause: Cause
  /** One of these pairs, in turn. */
  readonly pairs: readonly (readonly [string, string])[]
  readonly alice?: Partial<ClientOptions>
  readonly bob?: Partial<ClientOptions>
  /** Happens before anybody starts. */
  readonly before?: (topology: Topology) => void
  /** Somebody else, on a public host, has taken Alice's name to look for Carol. */
  readonly impostor?: boolean
  /** Happens some seconds after Bob's start; Alice comes then. */
  readonly later?: (topology: Topology) => void
  readonly network?: typeof variedNetwork
  /** A server with one port, as older ones have. */
  readonly onePort?: boolean
}

const few: Parameters = { ...ourParameters, sockets: 2, probes: 20 }
const easy = [
  ['portrest', 'portrest'],
  ['restricted', 'portrest'],
  ['firewall', 'eim-random'],
] as const

const scenarios: readonly Scenario[] = [
  { cause: 'server-silent', pairs: [['blocked', 'portrest'] as const, ['blocked', 'symrand'] as const] },
  {
    cause: 'both-dependent',
    pairs: [
      ['symrand', 'symrand'],
      ['symseq', 'symrand'],
      ['adm-apdf', 'symrand'],
      ['adm-apdf', 'adm-apdf'],
    ],
  },
  { cause: 'same-nat', pairs: [['cgn', 'same-cgn']] },
  { cause: 'name-taken', pairs: [['symrand', 'symrand']], impostor: true },
  { cause: 'one-way', pairs: easy, before: ({ bob }) => makeDeaf(bob, '198.51.100.') },
  { cause: 'peer-gone', pairs: easy, later: ({ bob }) => bob.stop() },
  { cause: 'not-sought', pairs: easy, bob: { peer: 'carol' } },
  {
    cause: 'no-path',
    pairs: easy,
    network: { ...variedNetwork, direct: { latencyMs: [10, 50], jitterMs: [0, 0], loss: [1, 1] } },
  },
  { cause: 'unlucky', pairs: [['portrest', 'symrand']], alice: { parameters: few }, bob: { parameters: few } },
  {
    cause: 'unknown',
    pairs: [
      ['portrest', 'symrand'],
      ['symrand', 'symrand'],
    ],
    onePort: true,
  },
]

/** What comes from these addresses is lost at the door: a firewall that lets everything out, and not everything in. */
const makeDeaf = (host: SimHost, prefix: string): void => {
  const udp = host.udp.bind(host)
  host.udp = at => {
    const socket = udp(at)
    const onDatagram = socket.onDatagram.bind(socket)
    socket.onDatagram = handler =>
      onDatagram((bytes, from) => void (from.address.startsWith(prefix) || handler(bytes, from)))
    return socket
  }
}

const limitMs = 30_000

/** Alice's first verdict; undefined where she came through, or had none. */
const verdictIn = (scenario: Scenario, seed: string, i: number): Verdict | 'connected' | undefined => {
  const [a, b] = scenario.pairs[i % scenario.pairs.length] as readonly [string, string]
  const place = placeOf(siteNamed(a), siteNamed(b)) as Place
  const random = seededRandom(seed, 'start')
  const ways = drawWays(scenario.network ?? variedNetwork, seededRandom(seed, 'ways'))
  const topology = createTopology(place.profileA, place.profileB, { ...place, seed, ways })
  const { world } = topology
  scenario.before?.(topology)
  const stage = stageIn(world, topology.hosts)
  stage.startServer(scenario.onePort ? {} : { listen: fourSockets('4') })
  const bobFirst = scenario.later !== undefined || random.next() < 0.5
  const start = (name: 'alice' | 'bob') =>
    stage.startClient(name, name === 'alice' ? 'bob' : 'alice', name === 'alice' ? scenario.alice : scenario.bob)
  const first = start(bobFirst ? 'bob' : 'alice')
  const other = world.host({ name: 'impostor', address: '203.0.113.66' })
  if (scenario.impostor) stage.startClient('alice', 'carol', { on: other })
  world.run(1000 + random.next() * 4000)
  scenario.later?.(topology)
  if (scenario.later) world.run(world.now() + 3000)
  const second = start(bobFirst ? 'alice' : 'bob')
  const alice = bobFirst ? second : first
  const told = (): Verdict | undefined => alice.of('verdict')[0]
  world.runUntil(() => told() !== undefined || alice.client.state === 'connected', world.now() + limitMs)
  return told() ?? (alice.client.state === 'connected' ? 'connected' : undefined)
}

t.test('a verdict from one side alone, where we know what we broke', async t => {
  const runs = Number(process.env['VERDICT_RUNS'] ?? 24)
  for (const scenario of scenarios) {
    const found = new Map<string, number>()
    let slowestMs = 0
    for (let i = 0; i < runs; i++) {
      const verdict = verdictIn(scenario, `${scenario.cause} ${i}`, i)
      if (verdict === 'connected') continue
      const cause = verdict?.cause ?? 'none'
      found.set(cause, (found.get(cause) ?? 0) + 1)
      slowestMs = Math.max(slowestMs, verdict?.elapsedMs ?? Infinity)
    }
    const failed = [...found.values()].reduce((sum, count) => sum + count, 0)
    const right = found.get(scenario.cause) ?? 0
    const others = [...found].filter(([cause]) => cause !== scenario.cause).map(([cause, count]) => `${count} ${cause}`)
    const text = `${scenario.cause}: ${right} of ${failed}${others.length > 0 ? `, ${others.join(', ')}` : ''}`
    t.comment(`${text}; after ${(slowestMs / 1000).toFixed(1)} s at most`)
    t.ok(failed >= runs * 0.9, `${scenario.cause}: they did fail (${failed} of ${runs})`)
    t.ok(right >= 0.9 * failed, text)
  }
})

t.test('the impossible is said in twenty seconds, whoever began', async t => {
  for (const pairs of [[['symrand', 'symrand']], [['symseq', 'symrand']]] as const) {
    for (let i = 0; i < 6; i++) {
      const topology = createTopology(siteProfile(pairs[0][0]), siteProfile(pairs[0][1]), { seed: `impossible ${i}` })
      const stage = stageIn(topology.world, topology.hosts)
      stage.startServer({ listen: fourSockets('4') })
      const names = i % 2 === 0 ? (['alice', 'bob'] as const) : (['bob', 'alice'] as const)
      const sides = names.map((name, n) => {
        if (n === 1) topology.world.run(i * 700)
        return stage.startClient(name, name === 'alice' ? 'bob' : 'alice', { keepTrying: false })
      })
      topology.world.run(topology.world.now() + 20_000)
      for (const side of sides) {
        t.match(side.first('verdict'), { cause: 'both-dependent', hard: 'both', confidence: 'certain' })
        t.match(side.first('failed'), { reason: 'peer-unreached' })
      }
    }
  }
})

const siteProfile = (name: string) => placeOf(siteNamed(name), siteNamed('none'))?.profileA as Place['profileA']

t.test('what is known decides in this order', async t => {
  const known: Evidence = {
    peer: 'bob',
    serverAnswered: true,
    mapped: { address: '198.51.100.2', port: 5000 },
    endpoint: { address: '192.0.2.2', port: 5000 },
    mine: { mapping: 'endpoint-independent', filtering: undefined, ports: [] },
    theirs: { mapping: 'endpoint-independent', filtering: undefined, ports: [] },
    plan: { strategy: 'direct', part: 'both', odds: 1, because: 'so' },
    standing: 'proven',
    mutual: true,
    peerSilentMs: 1000,
    heard: false,
    nameTaken: false,
  }
  const table: [Cause, Partial<Evidence>][] = [
    ['no-path', {}],
    ['unknown', { theirs: undefined }],
    ['unlucky', { plan: { strategy: 'spray', part: 'open', odds: 0.99, because: 'so' } }],
    ['both-dependent', { plan: { strategy: 'relay', part: 'both', odds: 0.03, because: 'so' } }],
    ['same-nat', { endpoint: { address: '198.51.100.2', port: 6000 } }],
    ['one-way', { heard: true, endpoint: { address: '198.51.100.2', port: 6000 } }],
    ['peer-gone', { peerSilentMs: Infinity, heard: true }],
    ['peer-gone', { mutual: false, standing: 'unproven' }],
    ['not-sought', { mutual: false, peerSilentMs: Infinity }],
    ['name-taken', { nameTaken: true, mutual: false }],
    ['server-silent', { serverAnswered: false, nameTaken: true }],
  ]
  for (const [cause, change] of table) {
    const verdict = verdictFrom({ ...known, ...change })
    t.equal(verdict.cause, cause)
    t.ok(verdict.helps.length > 0 && verdict.evidence.length > 0 && verdict.text.endsWith('.'), verdict.text)
    t.equal(isWorthWaiting(verdict), cause === 'peer-gone' || cause === 'not-sought')
  }
  t.same(new Set(table.map(([cause]) => cause)), new Set(causes), 'every cause has its row')
})
