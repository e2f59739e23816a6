// The production server and client through NATs: who reaches whom, how fast, and what stops the others.
import t from 'tap'
import { stageIn } from '../src/lab/stage.ts'
import { type TopologyOptions, createTopology } from '../src/lab/topology.ts'
import { type NatProfile, ipVersions, profileNamed, profiles } from '../src/nat-profile.ts'
import { readProfile } from '../src/own-profile.ts'
import { type Random, seededRandom } from '../src/sim/random.ts'
import { dropsOf } from '../src/lab/behind-nat.ts'

type Meeting = TopologyOptions & { bobLaterMs?: number; limitMs?: number }

/** Alice is there first; Bob comes later. They get until `limitMs` after that. */
const meet = (
  profileA: NatProfile,
  profileB: NatProfile,
  { bobLaterMs = 5000, limitMs = 30_000, ...options }: Meeting,
) => {
  const topology = createTopology(profileA, profileB, options)
  const stage = stageIn(topology.world, topology.hosts, { ip: options.ip ?? '4' })
  const { world } = topology
  stage.startServer()
  const alice = stage.startClient('alice', 'bob')
  world.run(bobLaterMs)
  const bob = stage.startClient('bob', 'alice')
  const both = [alice, bob]
  const isConnected = world.runUntil(
    () => both.every(({ client }) => client.state === 'connected'),
    bobLaterMs + limitMs,
  )
  const last = (kind: 'heard' | 'connected'): number =>
    Math.max(...both.map(side => side.of(kind)[0]?.atMs ?? Infinity)) - bobLaterMs
  return { ...topology, alice, bob, isConnected, heardMs: last('heard'), connectedMs: last('connected') }
}

const pick = <T>(items: readonly T[], random: Random): T => items[Math.floor(random.next() * items.length)] as T

const part = (random: Random, least: number, most: number): number => least + random.next() * (most - least)

/** Ways between three places on a map: none is longer than the two others together. */
const waysOnAMap = (random: Random) => {
  const [other, late] = [part(random, 1, 200), part(random, 1, 200)]
  const between = Math.abs(late - other) + part(random, 0, 100)
  return { late, other, between }
}

const waysOf = ({ late, other, between }: ReturnType<typeof waysOnAMap>) => ({
  aliceServer: { latencyMs: other },
  bobServer: { latencyMs: late },
  aliceBob: { latencyMs: between },
})

const isCone = ({ kind, mapping }: NatProfile): boolean => kind !== 'blocked' && mapping === 'endpoint-independent'
const cones = [...profiles.values()].filter(isCone)
/** Over IPv6 whatever lets UDP through is one. */
const open = [...profiles.values()].filter(({ kind }) => kind !== 'blocked')

/** Whether the endpoint that the phonebook shows of this side is open to whatever source the other side comes from. */
const isOpen = ({ kind, mapping, filtering }: NatProfile): boolean =>
  kind !== 'blocked' &&
  (kind === 'public' ||
    filtering === 'endpoint-independent' ||
    (mapping === 'endpoint-independent' && filtering === 'address-dependent'))

t.test('who reaches whom: two of one endpoint each, or one that is open to the observed source', async t => {
  const all = [...profiles.values()]
  const older = ['none', 'fullcone', 'restricted', 'portrest', 'symseq', 'symrand']
  let reached = 0
  for (const [row, a] of all.entries()) {
    const cells = all.slice(row).map(b => {
      const runs = [1, 2, 3].map(seed => {
        const ways = waysOf(waysOnAMap(seededRandom(seed, 'map')))
        return meet(a, b, { seed, ways, trace: false, limitMs: 10_000 }).isConnected
      })
      const works = runs.filter(Boolean).length
      const isBlocked = a.kind === 'blocked' || b.kind === 'blocked'
      if (!isBlocked && ((isCone(a) && isCone(b)) || isOpen(a) || isOpen(b))) t.equal(works, 3, `${a.name} x ${b.name}`)
      if (isBlocked) t.equal(works, 0)
      if (works === 3 && older.includes(a.name) && older.includes(b.name)) reached++
      return works === 3 ? 'yes' : works === 0 ? ' - ' : ` ${works} `
    })
    t.comment(`${a.name.padEnd(15)}${'    '.repeat(row)}${cells.join(' ')}`)
  }
  t.comment(`${reached} of the 21 pairs of ${older.join(', ')}`)
  t.ok(reached >= 16, 'the older programs: 10 both ways, 6 one way')
})

t.test('one-endpoint pairs on any map: heard within the bound, connected one way later', async t => {
  let [worstHeard, worstConnected] = [-Infinity, -Infinity]
  for (let seed = 1; seed <= 450; seed++) {
    const random = seededRandom(seed, 'cones')
    const ip = ipVersions[seed % ipVersions.length] ?? '4'
    const pool = ip === '6' ? open : cones
    const [a, b] = [pick(pool, random), pick(pool, random)]
    const map = waysOnAMap(random)
    const { heardMs, connectedMs } = meet(a, b, {
      seed,
      ip,
      trace: false,
      bobLaterMs: part(random, 2000, 60_000),
      ways: waysOf(map),
    })
    const bound = Math.max(2 * map.late, map.late + map.other) + map.between
    const [heardLate, connectedLate] = [heardMs - bound, connectedMs - bound - map.between]
    const story = `seed ${seed}, IPv${ip}: ${a.name} x ${b.name}, ${JSON.stringify(map)}`
    t.ok(heardLate <= 20 && connectedLate <= 20, `${story}: ${heardLate} and ${connectedLate} over`)
    worstHeard = Math.max(worstHeard, heardLate)
    worstConnected = Math.max(worstConnected, connectedLate)
  }
  t.comment(`over the bound at worst: heard ${worstHeard.toFixed(3)} ms, connected ${worstConnected.toFixed(3)} ms`)
})

t.test('where the way between is a short cut, the first checks die at a NAT; they meet all the same', async t => {
  const stricts = cones.filter(({ early }) => early !== 'naive')
  const over: number[] = []
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed, 'short cut')
    const [late, other, between] = [part(random, 1, 200), part(random, 1, 200), part(random, 1, 10)]
    const ways = waysOf({ late, other, between })
    const meeting = meet(pick(stricts, random), pick(stricts, random), { seed, ways, trace: false })
    t.ok(meeting.isConnected, `seed ${seed}`)
    over.push(meeting.connectedMs - Math.max(2 * late, late + other) - 2 * between)
  }
  over.sort((a, b) => a - b)
  t.comment(`over the bound: median ${over[100]?.toFixed(1)} ms, worst ${over.at(-1)?.toFixed(1)} ms`)
})

t.test('loss, jitter and reordering', async t => {
  const times: number[] = []
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed, 'rough')
    const rough = () => ({ latencyMs: part(random, 1, 100), jitterMs: part(random, 0, 40), loss: 0.1, reorder: 0.1 })
    const [a, b] = [pick(cones, random), pick(cones, random)]
    const ways = { aliceServer: rough(), bobServer: rough(), aliceBob: rough() }
    const { connectedMs } = meet(a, b, { seed, ways, trace: false })
    if (a.early === 'naive' || b.early === 'naive') continue
    t.ok(connectedMs < 10_000, `seed ${seed}: ${a.name} x ${b.name}, ${connectedMs}`)
    times.push(connectedMs)
  }
  times.sort((a, b) => a - b)
  t.comment(
    `${times.length} meetings: median ${times[times.length >> 1]?.toFixed(0)} ms, worst ${times.at(-1)?.toFixed(0)}`,
  )
})

t.test('restricted x symrand: the restricted side answers the source that it observes', async t => {
  const { isConnected, alice, bob, nats, connectedMs } = meet(profileNamed('restricted'), profileNamed('symrand'), {
    seed: 1,
  })
  t.ok(isConnected)
  t.comment(`connected after ${connectedMs} ms; the bound for one-endpoint pairs is 40`)
  const found = alice.first('located').endpoint
  t.equal(alice.client.endpoint?.address, found.address)
  t.not(alice.client.endpoint?.port, found.port, 'not where the phonebook says')
  t.equal(bob.client.endpoint?.port, 49_152)
  t.equal(nats.get('nat-a')?.profile.name, 'restricted')
})

t.test('one side is open, the other has a new port for everybody: within a second', async t => {
  const over: number[] = []
  const opens = [...profiles.values()].filter(isOpen)
  const others = [...profiles.values()].filter(({ kind, mapping }) => kind === 'nat' && mapping !== cones[0]?.mapping)
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed, 'open')
    const map = waysOnAMap(random)
    const ends = [pick(opens, random), pick(others, random)]
    const [a, b] = random.next() < 0.5 ? ends : ends.reverse()
    const { connectedMs } = meet(a as NatProfile, b as NatProfile, { seed, ways: waysOf(map), trace: false })
    over.push(connectedMs - Math.max(2 * map.late, map.late + map.other) - 2 * map.between)
  }
  over.sort((a, b) => a - b)
  t.comment(`over the bound: median ${over[150]?.toFixed(1)} ms, worst ${over.at(-1)?.toFixed(1)} ms`)
  t.ok((over.at(-1) ?? Infinity) < 1000)
})

t.test('a naive router and a short cut: what stops them has a name', async t => {
  const ways = waysOf({ late: 20, other: 190, between: 5 })
  const { isConnected, world } = meet(profileNamed('portrest-naive'), profileNamed('portrest'), { seed: 1, ways })
  t.comment(`connected: ${isConnected}`)
  t.ok(dropsOf(world).includes('nat-a: filtering'), 'Bob was early')
  t.ok(world.trace.records.some(({ kind, reason }) => kind === 'forward' && reason === 'port-taken'))
})

t.test('blocked: nothing gets out, and the trace says so', async t => {
  const { isConnected, world, alice } = meet(profileNamed('blocked'), profileNamed('none'), { seed: 1 })
  t.notOk(isConnected)
  t.same([...new Set(dropsOf(world))], ['nat-a: blocked'])
  t.match(alice.first('waiting'), { on: 'server', atMs: 5000 }, 'and the client, after five seconds')
})

t.test('behind the same NAT they meet inside, hairpinning or not', async t => {
  for (const profile of profiles.values()) {
    if (profile.kind !== 'nat') continue
    for (const hairpinning of [false, true]) {
      const meeting = meet({ ...profile, hairpinning }, profile, { seed: 1, shared: 'nat' })
      const story = `${profile.name}, hairpinning ${hairpinning}`
      if (!meeting.isConnected) {
        t.fail(story)
        continue
      }
      t.ok(meeting.connectedMs <= 40, `${story}: ${meeting.connectedMs}`)
      t.same([meeting.alice.client.endpoint?.address, meeting.bob.client.endpoint?.address], ['10.1.0.3', '10.1.0.2'])
    }
  }
})

t.test('two layers count as the harder one', async t => {
  const [fullcone, portrest, symrand] = ['fullcone', 'portrest', 'symrand'].map(profileNamed) as [
    NatProfile,
    NatProfile,
    NatProfile,
  ]
  const both = { seed: 1, cgnA: portrest, cgnB: portrest }
  t.equal(meet(fullcone, portrest, both).connectedMs, 40)
  t.ok(meet(fullcone, fullcone, { seed: 1, cgnA: symrand }).isConnected)
  t.ok(meet(symrand, fullcone, { seed: 1, cgnA: fullcone }).isConnected)
  t.ok(meet(symrand, fullcone, { seed: 1, cgnB: fullcone }).isConnected)
  const neighbours = meet(fullcone, fullcone, { seed: 1, shared: 'cgn', cgnA: portrest })
  t.ok(dropsOf(neighbours.world).includes('cgn-a: hairpinning-off'), 'two customers of one provider need its hairpin')
  const turned = meet(fullcone, fullcone, { seed: 1, shared: 'cgn', cgnA: { ...portrest, hairpinning: true } })
  t.ok(turned.isConnected)
})

t.test('a conversation outlives the shortest lifetimes in silence', async t => {
  const short = readProfile({ lifetime: { unrepliedMs: 30_000, streamMs: 30_000, refresh: 'outbound' } })
  const { world, alice, bob } = meet(short, short, { seed: 1 })
  world.run(world.now() + 600_000)
  t.equal(alice.client.state, 'connected')
  t.same([...alice.of('lost'), ...bob.of('lost')], [])
})

t.test('the same seed tells the same story', async t => {
  const story = (seed: number): string => {
    const rough = { latencyMs: 20, jitterMs: 10, loss: 0.1, duplicate: 0.05, reorder: 0.05 }
    const ways = { aliceServer: rough, bobServer: rough, aliceBob: rough }
    const { world } = meet(profileNamed('restricted'), profileNamed('symrand'), {
      seed,
      ways,
      cgnA: profileNamed('portrest'),
    })
    world.run(60_000)
    return world.trace.hash()
  }
  t.same([1, 2, 3].map(story), [1, 2, 3].map(story))
  t.equal(new Set([1, 2, 3].map(story)).size, 3)
})
