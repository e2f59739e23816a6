// Both address families: what a client tells of itself, whom it may be aimed at, and who meets over IPv6 that IPv4 keeps
// apart; and that nobody who has IPv4 alone is any worse off.
import fc from 'fast-check'
import t from 'tap'
import type { ClientEvent } from '../src/client/events.ts'
import { hostsToOffer } from '../src/client/own-hosts.ts'
import { isWorldwide, targetsOf } from '../src/client/targets.ts'
import {
  decodeLines,
  decodeRegistration,
  encodeRegistration,
  longestRegistration,
} from '../src/dialects/phonebook/codec.ts'
import { type Endpoint, type Family, classifyAddress, endpointKey, familyOf } from '../src/endpoint.ts'
import { hostAround } from '../src/host-around.ts'
import { dropsOf } from '../src/lab/behind-nat.ts'
import { createForger, words } from '../src/lab/forger.ts'
import { hostBehind } from '../src/lab/home.ts'
import { meet } from '../src/lab/meeting.ts'
import type { Network } from '../src/lab/network.ts'
import { startOlderServer } from '../src/lab/older-server.ts'
import { port, stageIn } from '../src/lab/stage.ts'
import { serverAddresses } from '../src/server-addresses.ts'
import { createTopology } from '../src/lab/topology.ts'
import { connect } from '../src/client/client.ts'
import { planTopology } from '../src/kernel/plan.ts'
import { ipVersions, profileNamed, profiles } from '../src/nat-profile.ts'
import { seededRandom } from '../src/sim/random.ts'
import type { SimHost } from '../src/sim/host.ts'

const at = (address: string, port = 5000): Endpoint => ({ address, port })
const global = (n: number): string => `2001:db8:a:1::${n}`

// What we tell

t.test('of our own addresses: each family has its share, and nobody is told what leads nowhere', async t => {
  const home = ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']
  const six = [1, 2, 3, 4, 5].map(global)
  const rows: [story: string, own: string[], family: Family, offered: string[]][] = [
    ['IPv4 alone', ['10.0.0.2'], 4, ['10.0.0.2']],
    ['IPv4 alone, many', home, 4, home.slice(0, 4)],
    ['one of each', ['10.0.0.2', global(1)], 4, ['10.0.0.2', global(1)]],
    ['many of each', [...home, ...six], 4, ['10.0.0.2', '10.0.0.3', global(1), global(2)]],
    ['what one family leaves the other one gets', [...home, global(1)], 4, [...home.slice(0, 3), global(1)]],
    ['in either direction', ['10.0.0.2', ...six], 4, ['10.0.0.2', ...six.slice(0, 3)]],
    ['link-local', ['fe80::1', '169.254.0.1', '10.0.0.2'], 4, ['10.0.0.2']],
    ['unique local means something at home only', ['10.0.0.2', 'fd00::1'], 4, ['10.0.0.2']],
    ['and there it may be of use', ['fd00::1', global(1)], 6, ['fd00::1', global(1)]],
    ['a server over IPv6: private IPv4 addresses are nobody else’s business', ['10.0.0.2', global(1)], 6, [global(1)]],
    ['but a global one is', ['198.51.100.7', global(1)], 6, [global(1), '198.51.100.7']],
    ['6to4 and Teredo', ['10.0.0.2', '2002:c000:204::1', '2001:0:1::1'], 4, ['10.0.0.2']],
    ['nothing', [], 4, []],
  ]
  for (const [story, own, family, offered] of rows) {
    const ports = (of: Family): number => (of === 4 ? 4444 : 6666)
    const expected = offered.map(address => at(address, ports(familyOf(address))))
    t.same(hostsToOffer(own, family, ports), expected, story)
    const only = expected.filter(({ address }) => familyOf(address) === 4)
    const four = hostsToOffer(own, family, of => (of === 4 ? 4444 : undefined))
    t.ok(
      only.every(one => four.some(other => endpointKey(one) === endpointKey(other))),
      `${story}, no socket of IPv6`,
    )
    t.ok(
      four.every(({ address }) => familyOf(address) === 4),
      `${story}, no socket of IPv6`,
    )
  }
})

t.test('the longest registration there can be has room for four of the longest addresses', async t => {
  const long = '2001:db8:1111:2222:3333:4444:5555:6666'
  const full = (letter: string): string => letter.repeat(64)
  const hosts = Array.from({ length: 4 }, () => at(long, 65_535))
  const request = {
    name: full('n'),
    newer: true,
    seek: full('s'),
    stage: full('t'),
    cookie: full('c').slice(16),
    hosts,
  }
  const bytes = encodeRegistration(request)
  t.comment(`${bytes.length} bytes of ${longestRegistration}`)
  t.ok(bytes.length <= longestRegistration)
  t.same(decodeRegistration(bytes), request)
})

// Whom we may be aimed at

t.test('to another family an entry leads with the token of two who have both proven who they are', async t => {
  const four = at('198.51.100.1')
  const [server4, server6] = [at('203.0.113.10', 8080), at('2001:db8:5::10', 8080)]
  const six = at(global(2))
  type Row = [story: string, entry: Endpoint, hosts: Endpoint[], pair: boolean, server: Endpoint, tried: Endpoint[]]
  const rows: Row[] = [
    ['IPv6 beside IPv4', four, [six], true, server4, [four, six]],
    ['not proven yet', four, [six], false, server4, [four]],
    ['a port of the system', four, [at(six.address, 53)], true, server4, [four]],
    ['unique local', four, [at('fd00::1')], true, server4, [four]],
    ['link-local', four, [at('fe80::1')], true, server4, [four]],
    ['loopback', four, [at('::1')], true, server4, [four]],
    ['multicast', four, [at('ff02::1')], true, server4, [four]],
    ['our own network by 6to4', four, [at('2002:a00:1::')], true, server4, [four]],
    ['by NAT64', four, [at('64:ff9b::a00:1')], true, server4, [four]],
    ['by Teredo', four, [at('2001:0:a00:1::')], true, server4, [four]],
    ['the mirror image', six, [four], true, server6, [six, four]],
    ['the mirror image, private', six, [at('10.0.0.1')], true, server6, [six]],
    ['the mirror image, not proven', six, [four], false, server6, [six]],
    ['seen over IPv6, and we over IPv4', six, [], true, server4, [six]],
    ['the same, not proven', six, [], false, server4, []],
    ['seen over IPv4, and we over IPv6', four, [six], true, server6, [four, six]],
    ['two of the same family at different sites', four, [at('203.0.113.66')], true, server4, [four]],
  ]
  for (const [story, endpoint, hosts, isPaired, server, tried] of rows) {
    const line = { endpoint, hosts, newer: true, pair: isPaired ? 'token' : undefined }
    const mapped = at(familyOf(server.address) === 4 ? '192.0.2.1' : '2001:db8:b:1::2')
    const found = targetsOf(line, mapped, server, () => true)
    t.same([...(found.endpoint ? [found.endpoint] : []), ...found.hosts], tried, story)
    t.equal(found.problem, undefined, `${story}: no reason to complain`)
    const narrow = targetsOf(line, mapped, server, family => family === familyOf(server.address))
    const all = [...(narrow.endpoint ? [narrow.endpoint] : []), ...narrow.hosts]
    t.ok(
      all.every(({ address }) => familyOf(address) === familyOf(server.address)),
      `${story}, a socket of one family`,
    )
  }
  const astray = { endpoint: at('10.0.0.1'), hosts: [six], newer: true, pair: 'token' }
  const none = { endpoint: undefined, hosts: [], problem: /private address/ }
  t.match(
    targetsOf(astray, four, server4, () => true),
    none,
    'whoever lies of one place is believed of no other',
  )
  const older = { endpoint: six, hosts: [], newer: false, pair: undefined }
  t.match(targetsOf(older, four, server4, () => true).problem, /another address family/)
  const only = { endpoint: six, hosts: [], newer: true, pair: 'token' }
  t.match(targetsOf(only, four, server4, family => family === 4).problem, /another address family/)
})

t.test('an address of all the world is none of ours, whatever its bits', async () => {
  const bits = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(bits, groups => {
      const address = new URL(`http://[${groups.map(group => group.toString(16)).join(':')}]`).hostname.slice(1, -1)
      const first = groups[0] ?? 0
      const isUnicast = first >> 13 === 1 && first !== 0x2002 && !(first === 0x2001 && groups[1] === 0)
      return isWorldwide(address) === isUnicast && (!isUnicast || classifyAddress(address) === 'global')
    }),
  )
})

// Who meets

const still: Network = { latencyMs: [1, 100], jitterMs: [0, 0], loss: [0, 0] }
const symrand = profileNamed('symrand')

t.test('two behind NATs that nobody gets through meet over IPv6, through two firewalls', async t => {
  const times: number[] = []
  for (let seed = 1; seed <= 200; seed++) {
    const place = { profileA: symrand, profileB: symrand }
    const [first, offsetMs] = [seed % 2 ? 'alice' : 'bob', 100 * (seed % 40)] as const
    const options = { seed, first, offsetMs, network: still }
    if (seed <= 20) t.notOk(meet({ ...options, place, limitMs: 3000 }).connected, `seed ${seed}: not over IPv4`)
    const over: string[] = []
    const found = meet({
      ...options,
      place: { ...place, ip: 'both' },
      onEvent: (_peer, event) => void (event.event === 'connected' && over.push(event.endpoint.address)),
    })
    if (!found.connected || over.some(address => familyOf(address) === 4)) t.fail(`seed ${seed}: ${over.join()}`)
    times.push(found.connectedMs ?? Infinity)
  }
  times.sort((a, b) => a - b)
  t.ok((times.at(-1) ?? Infinity) < 2000)
  t.comment(`connected: median ${times[100]?.toFixed(0)} ms, worst ${times.at(-1)?.toFixed(0)} ms`)
})

t.test('where IPv4 works it takes no longer with IPv6 beside it, and the first that works wins', async t => {
  const cones = [...profiles.values()].filter(
    ({ kind, mapping, early }) => kind !== 'blocked' && mapping === 'endpoint-independent' && early !== 'naive',
  )
  let faster = 0
  for (let seed = 1; seed <= 150; seed++) {
    const random = seededRandom(seed, 'pair')
    const [profileA, profileB] = [0, 0].map(() => cones[Math.floor(random.next() * cones.length)] ?? symrand)
    if (!profileA || !profileB) continue
    const options = { seed, first: 'alice', offsetMs: 1000 + 10_000 * random.next(), network: still } as const
    const [four, both] = (['4', 'both'] as const).map(ip => meet({ ...options, place: { profileA, profileB, ip } }))
    const [alone, beside] = [four?.connectedMs ?? 0, both?.connectedMs ?? Infinity]
    t.ok(beside <= alone + 1e-6, `seed ${seed}: ${profileA.name} x ${profileB.name}: ${beside} and ${alone} ms`)
    if (beside < alone - 1e-6) faster++
  }
  t.comment(`faster in ${faster} of 150`)
})

t.test('one has IPv6 alone, the other one is seen over IPv4: they meet', async t => {
  const topology = createTopology(symrand, profileNamed('none'), { seed: 1, ip: 'both' })
  const { world } = topology
  world.dns.set('stage.test', [serverAddresses['4'][0], serverAddresses['6'][0]])
  const stage = stageIn(world, topology.hosts, { ip: 'both' })
  stage.startServer()
  const { host } = hostBehind(world, { name: 'carol', nat: 'firewall', address: '2001:db8:c:1::2' })
  const alice = stage.startClient('alice', 'carol', { server: 'stage.test' })
  const carol = stage.startClient('carol', 'alice', { server: 'stage.test', on: host })
  world.run(5000)
  t.match(alice.first('registered').server, { address: serverAddresses['4'][0] })
  t.match(carol.first('registered').server, { address: serverAddresses['6'][0] })
  t.equal(alice.client.endpoint?.address, '2001:db8:c:1::2')
  t.equal(carol.client.endpoint?.address, '2001:db8:a:1::2')
  t.same([...alice.of('refused'), ...carol.of('refused'), ...alice.of('lost'), ...carol.of('lost')], [])
  t.comment(`connected ${carol.first('connected').elapsedMs.toFixed(0)} ms after the start`)
})

t.test('and a server that has IPv6 alone: peers with a public IPv4 address each have that too', async t => {
  const closed = { ...profileNamed('none') }
  const topology = createTopology(closed, closed, { seed: 1, ip: 'both' })
  const stage = stageIn(topology.world, topology.hosts, { ip: 'both' })
  stage.startServer({ listen: [{ address: '::', port }] })
  const [alice, bob] = [
    stage.startClient('alice', 'bob', { server: serverAddresses['6'][0] }),
    stage.startClient('bob', 'alice', { server: serverAddresses['6'][0] }),
  ]
  topology.world.run(2000)
  t.same([alice.client.state, bob.client.state], ['connected', 'connected'])
  const tried = new Set(alice.of('check-sent').map(({ endpoint }) => endpoint.address))
  t.same(tried, new Set(['2001:db8:b::2', '192.0.2.2']))
})

/** Alice and Bob of the lab, both with IPv4 that works and IPv6. */
const dualStack = () => {
  const portrest = profileNamed('portrest')
  const topology = createTopology(portrest, portrest, { seed: 1, ip: 'both' })
  return { ...topology, stage: stageIn(topology.world, topology.hosts, { ip: 'both' }) }
}

const sentOver = (host: SimHost, world: ReturnType<typeof dualStack>['world'], family: Family): number =>
  world.trace.records.filter(
    ({ kind, box, to }) => kind === 'send' && box === host.name && familyOf(to.address) === family,
  ).length

t.test('who went away without a word and comes back to its address is found there again', async t => {
  const topology = createTopology(symrand, symrand, { seed: 1, ip: 'both' })
  const { world, bob } = topology
  const stage = stageIn(world, topology.hosts, { ip: 'both' })
  stage.startServer()
  const alice = stage.startClient('alice', 'bob')
  stage.startClient('bob', 'alice')
  world.run(3000)
  t.equal(alice.client.state, 'connected')
  bob.stop()
  world.run(200_000)
  t.equal(alice.client.state, 'punching', 'every check that good manners allow has gone there')
  const back = stage.startClient('bob', 'alice')
  world.run(230_000)
  t.same([alice.client.state, back.client.state], ['connected', 'connected'])
  t.ok(back.first('connected').elapsedMs < 6000)
  t.comment(`connected again ${back.first('connected').elapsedMs.toFixed(0)} ms after its start`)
})

t.test('--no-host: nothing of IPv6 is told, asked for, or tried', async t => {
  const { world, alice, bob, stage } = dualStack()
  stage.startServer()
  const [one, other] = [stage.startClient('alice', 'bob', { offerHosts: false }), stage.startClient('bob', 'alice', {})]
  world.run(3000)
  t.same([one.client.state, other.client.state], ['connected', 'connected'])
  t.equal(sentOver(alice, world, 6), 0)
  t.equal(sentOver(bob, world, 6), 0, 'nobody told him where')
  t.equal(alice.held.sockets, 1)
  t.equal(bob.held.sockets, 2)
})

t.test('an older server ignores what it does not know, and they meet as ever', async t => {
  const { world, server, alice, stage } = dualStack()
  const older = startOlderServer(server, { port })
  const [one, other] = [stage.startClient('alice', 'bob'), stage.startClient('bob', 'alice')]
  world.run(5000)
  t.same([one.client.state, other.client.state], ['connected', 'connected'])
  t.equal(older.crashed, false)
  t.equal(sentOver(alice, world, 6), 0)
})

t.test('addresses that promise more than the system has: no word of it, and IPv4 as ever', async t => {
  const failures: Record<string, (host: SimHost) => SimHost['udp']> = {
    'no socket of IPv6 can be opened': host => at =>
      host.udp(familyOf(at?.address ?? '0.0.0.0') === 6 ? { ...at, address: '2001:db8:99::1' } : at),
    'nothing can be sent over it': host => at => {
      const socket = host.udp(at)
      if (familyOf(at?.address ?? '0.0.0.0') === 4) return socket
      socket.send = () => socket.fail(Object.assign(new Error('send ENETUNREACH'), { code: 'ENETUNREACH' }), false)
      return socket
    },
  }
  for (const [story, udpOf] of Object.entries(failures)) {
    const { world, alice, stage } = dualStack()
    stage.startServer()
    const events: ClientEvent[] = []
    const host = hostAround(alice, { udp: udpOf(alice) })
    const options = { server: serverAddresses['4'][0], port, name: 'alice', peer: 'bob' }
    const one = connect(host, { ...options, onEvent: event => events.push(event) })
    const other = stage.startClient('bob', 'alice')
    world.run(60_000)
    t.same([one.state, other.client.state], ['connected', 'connected'], story)
    t.same(
      events.filter(({ event }) => event === 'failed' || event === 'lost'),
      [],
      story,
    )
  }
})

// Who is bothered

t.test('a forged entry aims nothing over IPv6, and a proven one keeps to its budgets', async t => {
  const victims = [1, 2, 3, 4].map(n => `2001:db8:66::${n}`)
  const hosts = victims.map(address => ` host=[${address}]:7000`).join('')
  for (const isProven of [false, true]) {
    const { world, alice, stage } = dualStack()
    stage.startServer()
    stage.startClient('alice', 'mallory')
    const mallory = world.host({ name: 'mallory', address: '192.0.2.66' })
    const forge = createForger(stage)
    const socket = mallory.udp({ port: 7000 })
    let cookie = ''
    socket.onDatagram(bytes => (cookie = decodeLines(bytes)[0]?.cookie ?? cookie))
    for (let second = 0; second < 120; second++) {
      const words_ = words(`mallory v=2 seek=alice${hosts}${isProven && cookie ? ` cookie=${cookie}` : ''}`.padEnd(400))
      if (isProven) socket.send(words_, at(serverAddresses['4'][0], port))
      else forge(words_, at('192.0.2.66', 7000), at(serverAddresses['4'][0], port))
      world.run(world.now() + 1000)
    }
    const sent = world.trace.records.filter(({ kind, box }) => kind === 'send' && box === 'alice')
    const to = (address: string): number => sent.filter(record => record.to.address === address).length
    if (!isProven) t.same(victims.map(to), [0, 0, 0, 0], 'not one datagram')
    else
      t.ok(
        victims.every(address => to(address) > 0 && to(address) <= 60),
        `${victims.map(to).join()} in two minutes`,
      )
    t.equal(sentOver(alice, world, 6) > 0, isProven)
  }
})

// The lab

t.test('a site of IPv6 in the lab: nothing is translated, and each filtering lets in whom it should', async t => {
  const own = '2001:db8:a:1::2'
  const [one, other] = serverAddresses['6']
  const servers = [at(one, 3478), at(one, 3479), at(other ?? '', 3478)]
  const rows: [profile: string, letsIn: boolean[]][] = [
    ['none', [true, true, true]],
    ['fullcone', [true, true, true]],
    ['restricted', [true, true, false]],
    ['portrest', [true, false, false]],
    ['symrand', [true, false, false]],
    ['symrand-adf', [true, true, false]],
    ['portrest-naive', [true, false, false]],
    ['firewall', [true, false, false]],
    ['blocked', [false, false, false]],
  ]
  for (const [name, letsIn] of rows) {
    const { world, alice, server } = createTopology(profileNamed(name), profileNamed('none'), { seed: 1, ip: '6' })
    const inside = alice.udp({ address: '::', port: 5000 })
    const heard: string[] = []
    inside.onDatagram((_bytes, from) => heard.push(endpointKey(from)))
    const sockets = servers.map(endpoint => server.udp(endpoint))
    let seen: Endpoint | undefined
    sockets[0]?.onDatagram((_bytes, from) => (seen = from))
    world.run(1)
    inside.send(words('open'), servers[0] as Endpoint)
    world.run(100)
    if (name !== 'blocked') t.same(seen, at(name === 'none' ? '2001:db8:a::2' : own), `${name}: not translated`)
    for (const socket of sockets) socket.send(words('in'), seen ?? at(own))
    world.run(200)
    t.same(
      servers.map(endpoint => heard.includes(endpointKey(endpoint))),
      letsIn,
      name,
    )
    if (letsIn.includes(false)) t.match(dropsOf(world).join(), /fw-a: (filtering|blocked)/, name)
    world.run(200_000)
    const before = heard.length
    sockets[0]?.send(words('late'), seen ?? at(own))
    world.run(200_100)
    t.equal(heard.length > before, name === 'none', `${name}: nobody is let in for ever`)
  }
})

t.test('hosts have the same addresses in the simulation and in the kernel', async t => {
  const names = ['none', 'portrest', 'firewall', 'cgn'] as const
  for (const ip of ipVersions) {
    for (const name of names) {
      const profile = profileNamed(name === 'cgn' ? 'portrest' : name)
      const place = { ip, ...(name === 'cgn' && { cgnA: profile }) }
      const { hosts } = createTopology(profile, profile, { seed: 1, ...place })
      const { addresses } = planTopology(profile, profile, place)
      for (const host of hosts) t.same(addresses.get(host.name), host.addresses(), `IPv${ip}, ${name}: ${host.name}`)
    }
  }
})
