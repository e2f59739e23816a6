// The simulated NATs: what each profile does as seen from outside, RFC 4787's requirements, and the name of every rule
// that drops a datagram.
import fc from 'fast-check'
import t from 'tap'
import { type Endpoint, formatEndpoint, sameEndpoint } from '../src/endpoint.ts'
import { behindNat, endpointOf, probe, s1, s1b, s2, s2b } from '../src/lab/behind-nat.ts'
import { survives } from '../src/lab/lifetimes.ts'
import { notSimulated, requirements } from '../src/lab/requirements.ts'
import { type NatProfile, assignments, behaviors, profileNamed, profiles } from '../src/nat-profile.ts'
import { readProfile } from '../src/own-profile.ts'
import { createMappings } from '../src/sim/mappings.ts'
import { seededRandom } from '../src/sim/random.ts'
import { dropReasons, recordText } from '../src/sim/trace.ts'

const [EI, AD, APD] = behaviors
const seconds = 1000

t.test('every profile is what it says, as a probe from inside finds it', async t => {
  const table: Record<string, string> = {
    none: `${EI} ${EI} preserving`,
    fullcone: `${EI} ${EI} preserving`,
    restricted: `${EI} ${AD} preserving`,
    portrest: `${EI} ${APD} preserving`,
    'eim-random': `${EI} ${APD} random`,
    adm: `${AD} ${AD} hashed`,
    'adm-apdf': `${AD} ${APD} hashed`,
    symseq: `${APD} ${APD} sequential +1`,
    symrand: `${APD} ${APD} random`,
    'symrand-eif': `${APD} ${EI} random`,
    'symrand-adf': `${APD} ${AD} random`,
    firewall: `${EI} ${APD} preserving`,
    'portrest-naive': `${EI} ${APD} preserving`,
    blocked: 'no UDP',
  }
  t.same(Object.keys(table), [...profiles.keys()], 'and these are all')
  for (const [name, expected] of Object.entries(table)) {
    const verdict = probe(profileNamed(name))
    const said = verdict === 'no UDP' ? verdict : `${verdict.mapping} ${verdict.filtering} ${verdict.ports}`
    t.equal(said, expected, name)
  }
})

t.test('any behaviors, put together at will, are found again', async () => {
  const assignments = ['preserving', 'random', 'hashed'] as const
  const behavior = fc.constantFrom(...behaviors)
  fc.assert(
    fc.property(behavior, behavior, fc.constantFrom(...assignments), (mapping, filtering, assignment) => {
      // Several mappings of one host can't all have its own port.
      if (assignment === 'preserving' && mapping !== EI) return true
      const profile = readProfile({ mapping, filtering, ports: { assignment, overloading: false } })
      const verdict = probe(profile)
      return verdict !== 'no UDP' && verdict.mapping === mapping && verdict.filtering === filtering
    }),
    { numRuns: 30 },
  )
})

// --- RFC 4787 ---

t.test('RFC 4787: which requirements each profile breaks, and no others', async t => {
  const ideal = readProfile({
    name: 'rfc4787',
    like: 'restricted',
    ports: { parity: true },
    lifetime: { unrepliedMs: 300 * seconds, streamMs: 300 * seconds },
    hairpinning: true,
  })
  // Linux's lifetimes are short for all of them, and hairpinning takes a rule of its own.
  const table: [NatProfile, string][] = [
    [ideal, ''],
    [profileNamed('fullcone'), '4 5 9'],
    [profileNamed('restricted'), '4 5 9'],
    [profileNamed('portrest'), '3 4 5 8 9 11'],
    [profileNamed('eim-random'), '3 3a 4 5 8 9'],
    [profileNamed('adm'), '1 3a 4 5 9'],
    [profileNamed('adm-apdf'), '1 3 3a 4 5 8 9'],
    [profileNamed('symseq'), '1 3 3a 4 5 8 9'],
    [profileNamed('symrand'), '1 3 3a 4 5 8 9'],
    [profileNamed('symrand-eif'), '1 3a 4 5 9'],
    [profileNamed('symrand-adf'), '1 3a 4 5 9'],
    [profileNamed('portrest-naive'), '3 4 5 8 9 11'],
    [readProfile({ like: 'fullcone', hairpinning: true, ports: { parity: true } }), '5'],
    [readProfile({ like: 'fullcone', pooling: 'arbitrary', lifetime: { refresh: 'inbound' } }), '2 4 5 6 9'],
  ]
  for (const [profile, broken] of table) {
    const found = Object.entries(requirements).filter(([, isMet]) => !isMet(profile))
    t.equal(found.map(([name]) => /^REQ-(\w+)/.exec(name)?.[1]).join(' '), broken, profile.name)
  }
  for (const [name, why] of Object.entries(notSimulated)) t.comment(`${name} is not simulated: ${why}`)
})

// --- the fields, one by one ---

type Lab = ReturnType<typeof behindNat>

t.test('lifetimes: unreplied, stream, and what refreshes', async t => {
  const both = profileNamed('portrest')
  const outbound = readProfile({ lifetime: { refresh: 'outbound' } })
  const inbound = readProfile({ lifetime: { refresh: 'inbound' } })
  const short = readProfile({ lifetime: { unrepliedMs: 5 * seconds, streamMs: 9 * seconds } })
  const table = [
    ['nobody answered', both, [], 30],
    [
      'answered at once: not yet a stream',
      both,
      [
        [1, 'in'],
        [1.5, 'out'],
      ],
      30,
    ],
    ['nobody answered, and it went out again', both, [[20, 'out']], 30],
    [
      'a stream: still talking after two seconds',
      both,
      [
        [1, 'in'],
        [3, 'out'],
      ],
      120,
    ],
    [
      'a stream that only comes in',
      both,
      [
        [1, 'in'],
        [3, 'in'],
      ],
      120,
    ],
    [
      'what comes in does not refresh',
      outbound,
      [
        [1, 'in'],
        [3, 'in'],
      ],
      27,
    ],
    [
      'but makes a stream of what goes out',
      outbound,
      [
        [1, 'in'],
        [3, 'out'],
      ],
      120,
    ],
    [
      'what goes out does not refresh',
      inbound,
      [
        [1, 'in'],
        [3, 'out'],
      ],
      28,
    ],
    [
      'what comes in does',
      inbound,
      [
        [1, 'in'],
        [3, 'in'],
      ],
      120,
    ],
    ['short, unreplied', short, [], 5],
    [
      'short, a stream',
      short,
      [
        [1, 'in'],
        [3, 'out'],
      ],
      9,
    ],
  ] as const
  for (const [story, profile, script, silence] of table) t.equal(survives(profile, script), silence, story)
})

t.test('every session has a lifetime of its own: talking to one does not keep the door open for another', async t => {
  const keepsUp = (name: string): string[] => {
    const lab = behindNat(profileNamed(name))
    const socket = lab.inside(5000)
    lab.seen(socket, s2)
    for (let n = 0; n < 10; n++) lab.world.after(n * 10 * seconds, () => socket.send('to the other', s1))
    lab.rest(95 * seconds)
    lab.at(s2).send('still there?', { address: '198.51.100.2', port: 5000 })
    lab.rest()
    return lab.drops()
  }
  t.same(keepsUp('fullcone'), [])
  t.same(keepsUp('restricted'), ['nat-a: mapping-expired'])
  t.same(keepsUp('portrest'), ['nat-a: mapping-expired'])
})

t.test('ports: fallback, range, step, parity, contiguity', async t => {
  const ports = (lab: Lab, inside: number[], host = lab.alice): number[] =>
    inside.map(port => endpointOf(lab.seen(lab.inside(port, host), s1)).port)

  const preserving = behindNat(profileNamed('fullcone'))
  t.same(ports(preserving, [5000, 500]), [5000, 500])
  const [other = 0, low = 0] = ports(preserving, [5000, 500], preserving.neighbour)
  t.ok(other !== 5000 && other >= 1024, `5000 is taken: ${other}`)
  t.ok(low !== 500 && low < 1024, `500 is taken: ${low}`)

  const all = Array.from({ length: 1030 }, (_, i) => 5000 + i)
  const symseq = behindNat(profileNamed('symseq'))
  for (const port of all) symseq.inside(port).send('all at once', s1)
  symseq.rest()
  t.same(
    symseq.at(s1).heard.map(({ from }) => from.port),
    Array.from({ length: 1024 }, (_, i) => 40_000 + i),
  )
  t.same(symseq.drops(), Array(6).fill('nat-a: no-port-left'))
  symseq.rest(31 * seconds)
  t.same(ports(symseq, [7000, 7001]), [40_000, 40_001], 'round the range')

  const backwards = readProfile({ mapping: APD, ports: { assignment: 'sequential', step: -3, first: 100, last: 111 } })
  t.same(ports(behindNat(backwards), [1, 2, 3, 4, 5]), [100, 109, 106, 103, NaN], 'a step that never meets the others')

  for (const [name, first, last] of [
    ['eim-random', 1024, 32_767],
    ['symrand', 1024, 65_535],
  ] as const) {
    const found = ports(behindNat(profileNamed(name)), all)
    t.ok(
      found.every(port => port >= first && port <= last),
      name,
    )
    t.ok(Math.min(...found) < first + (last - first) / 50 && Math.max(...found) > last - (last - first) / 50)
  }

  const parity = behindNat(readProfile({ ports: { assignment: 'random', parity: true } }))
  t.ok(ports(parity, all).every((port, i) => (port - i) % 2 === 0))

  const contiguous = behindNat(readProfile({ ports: { assignment: 'random', contiguity: true } }))
  const [rtp = 0, rtcp = 0, before = 0] = ports(contiguous, [5004, 5005, 5003])
  t.same([rtcp, before], [rtp + 1, rtp - 1])
})

t.test('ports: overloading as in Linux, where two hosts share one towards different remote endpoints', async t => {
  const lab = behindNat(profileNamed('portrest'))
  const [mine, theirs] = [lab.inside(5000), lab.inside(5000, lab.neighbour)]
  t.equal(lab.seen(mine, s1), '198.51.100.2:5000')
  t.equal(lab.seen(theirs, s2), '198.51.100.2:5000')
  t.ok(lab.reaches(s1, endpointOf('198.51.100.2:5000'), mine))
  t.ok(lab.reaches(s2, endpointOf('198.51.100.2:5000'), theirs))
  t.not(lab.seen(theirs, s1), '198.51.100.2:5000', 'towards the same one, not')
})

t.test('pooling: a host keeps its address, or every mapping gets any', async t => {
  const addresses = (pooling: string): number[] => {
    const lab = behindNat(readProfile({ addresses: 4, pooling }))
    return [lab.alice, lab.neighbour].map(host => {
      const seen = Array.from({ length: 30 }, (_, i) => endpointOf(lab.seen(lab.inside(5000 + i, host), s1)).address)
      return new Set(seen).size
    })
  }
  t.same(addresses('paired'), [1, 1])
  t.same(addresses('arbitrary'), [4, 4])
})

t.test('a firewall translates nothing', async t => {
  const lab = behindNat(profileNamed('firewall'))
  t.equal(lab.seen(lab.inside(5000), s1), '198.51.100.2:5000')
  t.equal(lab.seen(lab.inside(5000, lab.neighbour), s1), '198.51.100.77:5000')
})

t.test('hairpinning: off, or with the external source and as strict as the outside', async t => {
  for (const [like, hairpinning, hears] of [
    ['fullcone', false, []],
    ['fullcone', true, ['198.51.100.2:5000']],
    ['restricted', true, []],
    ['portrest', true, []],
  ] as const) {
    const lab = behindNat(readProfile({ like, hairpinning }))
    const theirs = lab.inside(6000, lab.neighbour)
    lab.seen(theirs, s1)
    lab.inside(5000).send('over the hairpin', { address: '198.51.100.2', port: 6000 })
    lab.rest()
    t.same(
      theirs.heard.map(({ from }) => formatEndpoint(from)),
      hears,
      `${like}, ${hairpinning}`,
    )
    t.same(lab.drops(), hears.length > 0 ? [] : [`nat-a: ${hairpinning ? 'filtering' : 'hairpinning-off'}`])
  }
})

t.test('a naive router gives the port to whoever comes early; a short time to live avoids it', async t => {
  const bobAt = { address: '192.0.2.2', port: 7000 }
  const aliceAt = { address: '198.51.100.2', port: 5000 }
  const punch = (profile: NatProfile, bobsTtl: number): { lab: Lab; from: string; heard: number } => {
    const lab = behindNat(profile)
    const [alice, bob] = [lab.inside(5000), lab.outside(7000)]
    lab.seen(alice, s1)
    bob.send('too early', aliceAt, bobsTtl)
    lab.rest()
    alice.send('hello', bobAt)
    lab.rest()
    bob.send('hello', aliceAt)
    lab.rest()
    return { lab, from: bob.heard.map(({ from }) => formatEndpoint(from)).join(), heard: alice.heard.length }
  }
  const [polite, rejecting, naive] = [
    profileNamed('portrest'),
    readProfile({ early: 'reject' }),
    profileNamed('portrest-naive'),
  ]
  for (const profile of [polite, rejecting, naive]) {
    const { lab, from, heard } = punch(profile, 1)
    t.equal(`${from} ${heard}`, '198.51.100.2:5000 1', `${profile.name}: the opener dies on the way`)
    t.same(lab.drops(), ['internet: ttl'])
  }
  for (const ttl of [64, 2]) {
    for (const profile of [polite, rejecting]) t.match(punch(profile, ttl), { from: '198.51.100.2:5000', heard: 1 })
  }

  const { lab, from, heard } = punch(naive, 64)
  t.notMatch(from, /:5000$/, 'another port')
  t.equal(heard, 0, 'and the punch fails')
  t.same(lab.drops(), ['nat-a: filtering', 'nat-a: port-taken'])
  const left = lab.world.trace.records.filter(({ kind, to }) => kind === 'forward' && to.port === 7000)
  t.match(left, [{ reason: 'port-taken', before: { from: { port: 5000 } } }], 'the trace says why the port changed')
  t.equal(lab.seen(lab.inside(5001), s1), '198.51.100.2:5001', 'other flows keep theirs')
  lab.rest(31 * seconds)
  const again = lab.outside(7001)
  lab.inside(5002).send('later', { address: '192.0.2.2', port: 7001 })
  lab.rest()
  t.same(
    again.heard.map(({ from }) => from.port),
    [5002],
  )
})

t.test('an early packet that would die a step further on is naive enough: it is for the router itself', async t => {
  const lab = behindNat(profileNamed('portrest-naive'))
  const bob = lab.outside(7000)
  bob.send('dies at the next hop', { address: '198.51.100.2', port: 5000 }, 2)
  lab.rest()
  lab.inside(5000).send('hello', { address: '192.0.2.2', port: 7000 })
  lab.rest()
  t.not(bob.heard[0]?.from.port, 5000)
})

t.test('an answer leaves by the mapping that its question came in by', async t => {
  for (const name of ['symrand-eif', 'symrand-adf', 'adm']) {
    const lab = behindNat(profileNamed(name))
    const socket = lab.inside(5000)
    const external = lab.seen(socket, s1)
    const stranger = name === 'symrand-eif' ? s2 : s1b
    t.ok(lab.reaches(stranger, endpointOf(external), socket), name)
    t.equal(lab.seen(socket, stranger), external)
    t.equal(lab.seen(socket, s2b) === external, false, 'and no other flow does')
  }
})

t.test('who comes in by another mapping than the host talks to him by is shown under another port', async t => {
  const lab = behindNat(profileNamed('symrand-eif'))
  const [socket, bob] = [lab.inside(5000), lab.outside(7000)]
  const byServer = endpointOf(lab.seen(socket, s1))
  socket.send('mine', { address: '192.0.2.2', port: 7000 })
  lab.rest()
  bob.send('to where the server sees you', byServer)
  lab.rest()
  const shown = socket.heard.at(-1)?.from ?? s1
  t.equal(shown.address, '192.0.2.2')
  t.not(shown.port, 7000)
  socket.send('answer', shown)
  socket.send('another of mine', { address: '192.0.2.2', port: 7000 })
  lab.rest()
  const [own, answer, another] = bob.heard.map(({ from }) => formatEndpoint(from))
  t.equal(answer, formatEndpoint(byServer))
  t.not(own, answer)
  t.equal(another, own)
  bob.send('once more', byServer)
  lab.rest()
  t.same(socket.heard.at(-1)?.from, shown, 'and stays so')
})

t.test('any traffic through any profile: in comes what was permitted, to whom it was, and nothing else', async () => {
  const lifetime = { unrepliedMs: 30_000, streamMs: 30_000, refresh: 'outbound' } as const
  const assignment = fc.constantFrom(...assignments)
  const behavior = fc.constantFrom(...behaviors)
  // Few of each, so that they collide.
  const endpoint = (net: string) =>
    fc.record({ address: fc.constantFrom(`${net}.1`, `${net}.2`), port: fc.integer({ min: 5000, max: 5002 }) })
  const step = fc.record({
    way: fc.constantFrom('out', 'in'),
    internal: endpoint('10.1.0'),
    remote: endpoint('192.0.2'),
    which: fc.nat(50),
    pauseMs: fc.constantFrom(0, 0, 1000, 20_000, 30_000),
  })
  const must = (isSo: unknown, what: string): undefined => {
    if (!isSo) throw new Error(what)
  }
  fc.assert(
    fc.property(
      behavior,
      behavior,
      assignment,
      fc.boolean(),
      fc.array(step, { maxLength: 60 }),
      fc.integer(),
      (...all) => {
        const [mapping, filtering, assignment, shares, steps, seed] = all
        const overloading = shares && filtering === APD
        const ports = { assignment, first: 5000, last: 5009, overloading }
        const profile = readProfile({ mapping, filtering, ports, lifetime })
        const nat = createMappings({ profile, addresses: ['198.51.100.2'], random: seededRandom(seed), most: 1000 })
        const left: { internal: Endpoint; external: Endpoint; remote: Endpoint; atMs: number }[] = []
        const leave = (internal: Endpoint, to: Endpoint, atMs: number) => {
          const out = nat.outbound(internal, to, atMs)
          if (typeof out === 'string') return must(out === 'no-port-left', out)
          const others = left.filter(other => sameEndpoint(other.external, out.from) && atMs < other.atMs + 30_000)
          const strangers = others.filter(other => !sameEndpoint(other.internal, internal))
          must(!strangers.some(({ remote }) => !overloading || sameEndpoint(remote, out.to)), 'two hosts on one port')
          left.push({ internal, external: out.from, remote: out.to, atMs })
          return out
        }
        const permits = (seen: Endpoint, remote: Endpoint): boolean =>
          filtering === EI || (seen.address === remote.address && (filtering === AD || seen.port === remote.port))
        let nowMs = 0
        for (const { way, internal, remote, which, pauseMs } of steps) {
          nowMs += pauseMs
          const external = left[which % Math.max(1, left.length)]?.external
          if (way === 'out' || !external) {
            leave(internal, remote, nowMs)
            continue
          }
          const permission = left.findLast(
            each => sameEndpoint(each.external, external) && permits(each.remote, remote) && nowMs < each.atMs + 30_000,
          )
          const entering = nat.inbound(external, remote, nowMs)
          if (typeof entering === 'string') {
            must(!permission, `${entering}, although it was permitted`)
            continue
          }
          must(permission && sameEndpoint(entering.to, permission.internal), 'nobody had permitted that')
          const answer = leave(entering.to, entering.from, nowMs)
          must(answer && sameEndpoint(answer.from, external) && sameEndpoint(answer.to, remote), 'another way back')
        }
      },
    ),
    { numRuns: 1000 },
  )
})

// --- the rules that drop ---

t.test('every dropped datagram names the box and the rule', async t => {
  const external = { address: '198.51.100.2', port: 5000 }
  const first = (lab: Lab): void => {
    lab.inside(5000).send('first', s1)
    lab.rest()
  }
  const table: [string, NatProfile, (lab: Lab) => void][] = [
    ['nat-a: no-mapping', profileNamed('fullcone'), lab => lab.at(s1).send('who?', external)],
    ['nat-a: filtering', profileNamed('restricted'), lab => (first(lab), lab.at(s2).send('a stranger', external))],
    ['nat-a: filtering', profileNamed('firewall'), lab => (first(lab), lab.at(s2).send('a stranger', external))],
    ['nat-a: no-mapping', profileNamed('firewall'), lab => lab.at(s1).send('unasked', external)],
    [
      'nat-a: mapping-expired',
      profileNamed('fullcone'),
      lab => (first(lab), lab.rest(31 * seconds), lab.at(s1).send('too late', external)),
    ],
    [
      'nat-a: port-taken',
      profileNamed('portrest-naive'),
      lab => {
        const bob = lab.outside(7000)
        bob.send('early', external)
        lab.rest()
        bob.send('again', external)
      },
    ],
    ['nat-a: hairpinning-off', profileNamed('fullcone'), lab => lab.inside(5000).send('me?', external)],
    ['nat-a: blocked', profileNamed('blocked'), lab => lab.inside(5000).send('out', s1)],
    ['nat-a: blocked', profileNamed('blocked'), lab => lab.at(s1).send('in', external)],
    ['nat-a: ttl', profileNamed('fullcone'), lab => lab.inside(5000).send('to the NAT', s1, 1)],
    ['internet: ttl', profileNamed('fullcone'), lab => lab.inside(5000).send('to the router', s1, 2)],
    ['nat-a: ttl', profileNamed('fullcone'), lab => (first(lab), lab.at(s1).send('to the NAT', external, 2))],
    [
      'nat-a: port-closed',
      profileNamed('fullcone'),
      lab => lab.inside(5000).send('router?', { ...s1, address: '10.1.0.1' }),
    ],
    [
      'nat-a: no-port-left',
      readProfile({ ports: { assignment: 'random', first: 9000, last: 9000 } }),
      lab => (first(lab), lab.inside(5001).send('second', s1)),
    ],
    [
      'nat-a: no-such-address',
      profileNamed('fullcone'),
      lab => lab.inside(5000).send('x', { ...s1, address: '10.9.9.9' }),
    ],
    ['server: port-closed', profileNamed('fullcone'), lab => lab.inside(5000).send('x', { ...s1, port: 1 })],
  ]
  for (const [expected, profile, happens] of table) {
    const lab = behindNat(profile)
    happens(lab)
    lab.rest()
    t.equal(lab.drops().at(-1), expected, `${profile.name}: ${expected}`)
  }
  const named = new Set(table.map(([rule]) => rule.split(': ')[1]))
  const elsewhere = ['loss', 'offline', 'family', 'table-full']
  t.same([...named, ...elsewhere].sort(), [...dropReasons].sort(), 'no rule without a story')
})

t.test('what dies at the NAT makes no mapping', async t => {
  const lab = behindNat(profileNamed('symseq'))
  const socket = lab.inside(5000)
  socket.send('dies', s1, 1)
  t.equal(lab.seen(socket, s1), '198.51.100.2:40000')
})

t.test('tables are bounded: a flood from inside is refused, and room is made by what is over', async t => {
  const lab = behindNat(profileNamed('symrand'), { most: 100 })
  const socket = lab.inside(5000)
  for (let port = 1; port <= 1000; port++) socket.send('flood', { address: '203.0.113.99', port })
  lab.rest()
  t.equal(lab.nat?.mappings.size, 100)
  t.equal(lab.world.trace.drops['table-full'], 900)
  lab.rest(31 * seconds)
  t.ok(lab.seen(socket, s1), 'half a minute later')
  t.equal(lab.nat?.mappings.size, 1)

  const naive = behindNat(profileNamed('portrest-naive'), { most: 100 })
  for (let port = 1; port <= 1000; port++) naive.at(s1).send('early', { address: '198.51.100.2', port })
  naive.rest()
  t.notOk(naive.seen(naive.inside(5000), s1), 'a naive router can be filled from outside')
  naive.rest(31 * seconds)
  t.ok(naive.seen(naive.inside(5000 + 1), s1))
})

// --- two layers, and the story as a whole ---

t.test('two layers: the harder one counts, and the time to live goes down at both', async t => {
  const [fullcone, symrand] = [profileNamed('fullcone'), profileNamed('symrand')]
  for (const [home, provider, mapping] of [
    [fullcone, fullcone, 1],
    [fullcone, symrand, 4],
    [symrand, fullcone, 4],
  ] as const) {
    const lab = behindNat(home, { cgnA: provider })
    const socket = lab.inside(5000)
    const seen = [s1, s1b, s2, s2b].map(remote => lab.seen(socket, remote) ?? '')
    t.equal(new Set(seen).size, mapping, `${home.name} behind ${provider.name}`)
    t.ok(seen.every(each => each.startsWith('198.51.100.2:')))
    t.ok(lab.reaches(s1, endpointOf(seen[0]), socket))
  }
  const lab = behindNat(fullcone, { cgnA: profileNamed('portrest') })
  const socket = lab.inside(5000)
  for (const ttl of [1, 2, 3, 4]) socket.send('how far?', s1, ttl)
  lab.rest()
  t.same(lab.drops(), ['nat-a: ttl', 'cgn-a: ttl', 'internet: ttl'])
  for (const ttl of [1, 2, 3, 4]) lab.at(s1).send('how far?', { address: '198.51.100.2', port: 5000 }, ttl)
  lab.rest()
  t.same(lab.drops().slice(3), ['internet: ttl', 'cgn-a: ttl', 'nat-a: ttl'])
  lab.at(s2).send('a stranger', { address: '198.51.100.2', port: 5000 })
  lab.rest()
  t.equal(lab.drops().at(-1), 'cgn-a: filtering')
})

t.test('the trace tells the whole way of a datagram', async t => {
  const lab = behindNat(profileNamed('fullcone'), { cgnA: profileNamed('symseq') })
  const socket = lab.inside(5000)
  lab.reaches(s1, endpointOf(lab.seen(socket, s1)), socket)
  t.same(lab.world.trace.records.map(recordText), [
    '0.000 send #1 alice 10.1.0.2:5000 > 203.0.113.10:3478 6',
    '0.000 forward #1 nat-a 10.1.0.2:5000 > 203.0.113.10:3478 => 100.64.0.2:5000 > 203.0.113.10:3478 6',
    '0.000 forward #1 cgn-a 100.64.0.2:5000 > 203.0.113.10:3478 => 198.51.100.2:40000 > 203.0.113.10:3478 6',
    '10.000 deliver #1 server 198.51.100.2:40000 > 203.0.113.10:3478 6',
    '100.000 send #2 server 203.0.113.10:3478 > 198.51.100.2:40000 6',
    '110.000 forward #2 cgn-a 203.0.113.10:3478 > 198.51.100.2:40000 => 203.0.113.10:3478 > 100.64.0.2:5000 6',
    '110.000 forward #2 nat-a 203.0.113.10:3478 > 100.64.0.2:5000 => 203.0.113.10:3478 > 10.1.0.2:5000 6',
    '110.000 deliver #2 alice 203.0.113.10:3478 > 10.1.0.2:5000 6',
  ])
})

t.test('the same seed tells the same story, another seed another one', async t => {
  const story = (seed: number, profile: NatProfile): string => {
    const rough = { latencyMs: 10, jitterMs: 30, loss: 0.1, reorder: 0.1, duplicate: 0.1 }
    const lab = behindNat(profile, { seed, ways: { aliceServer: rough, aliceBob: rough } })
    const sockets = Array.from({ length: 20 }, (_, i) => lab.inside(5000 + i))
    for (const socket of sockets) for (const remote of [s1, s1b, s2, s2b]) socket.send('hello', remote)
    lab.rest()
    for (const { heard } of [s1, s2].map(lab.at)) for (const { from } of heard) lab.at(s1b).send('hello', from)
    lab.rest()
    return lab.world.trace.hash()
  }
  for (const profile of profiles.values()) {
    t.equal(story(1, profile), story(1, profile), profile.name)
    if (profile.kind !== 'blocked') t.not(story(1, profile), story(2, profile))
  }
})

t.test('own profiles: a mistake is answered in one line that names the field and what it may be', async t => {
  const mistakes: [unknown, string][] = [
    [5, 'it must be an object'],
    [{ mapping: 'symmetric' }, `mapping must be one of ${behaviors.join(', ')}`],
    [{ ports: [] }, 'ports must be an object'],
    [{ ports: { first: 0 } }, 'ports.first must be a whole number from 1 to 65535'],
    [{ ports: { step: 0 } }, 'ports.step must not be 0'],
    [{ ports: { first: 9, last: 3 } }, 'ports.first must not be above ports.last, 3'],
    [{ lifetime: { refresh: 'never' } }, 'lifetime.refresh must be one of outbound, inbound, both'],
    [{ early: 'polite' }, 'early must be one of drop, reject, naive'],
    [{ hairpinning: 'yes' }, 'hairpinning must be true or false'],
    [{ name: 'portrest' }, 'name must not be that of a built-in profile, portrest'],
    [
      { like: 'fullcone', ports: { overloading: true } },
      `ports.overloading must be false, or filtering ${APD}: else nobody knows whose a datagram is`,
    ],
  ]
  for (const [value, problem] of mistakes) {
    t.throws(() => readProfile(value), { code: 'usage', message: `NAT profile: ${problem}` })
  }
  t.throws(() => readProfile({ maping: EI }), {
    message: /^NAT profile: maping is not one of name, like, kind, mapping,/,
  })
  t.throws(() => profileNamed('fulcone'), {
    message: /no NAT profile "fulcone": did you mean fullcone\? There are none, fullcone,/,
  })
  t.match(readProfile({ like: 'symrand', ports: { last: 2000 } }), { mapping: APD, ports: { first: 1024, last: 2000 } })
  for (const profile of profiles.values()) {
    const own = { ...profile, name: 'own' }
    t.same(readProfile(JSON.parse(JSON.stringify(own))), own)
  }
  t.throws(() => behindNat({ ...profileNamed('none') }, { shared: 'nat' }), RangeError)
})

t.test('datagrams by the hundred thousand', async t => {
  for (const [home = '', provider] of [['portrest'], ['symrand'], ['fullcone'], ['portrest', 'symrand']]) {
    const lab = behindNat(profileNamed(home), { trace: false, ...(provider && { cgnA: profileNamed(provider) }) })
    const count = 100_000
    const echo = lab.server.udp({ port: 7 })
    echo.onDatagram((bytes, from) => echo.send(bytes, from))
    const players = Array.from({ length: 100 }, () => lab.alice.udp())
    let caught = 0
    for (const player of players) {
      player.onDatagram(bytes => caught++ < count / 2 && player.send(bytes, { ...s1, port: 7 }))
      player.send(new Uint8Array(40), { ...s1, port: 7 })
    }
    const started = process.cpuUsage()
    lab.world.run(count)
    const { user, system } = process.cpuUsage(started)
    const { deliver } = lab.world.trace.counts
    const story = provider ? `${home} behind ${provider}` : home
    t.comment(`${story}: ${Math.round(deliver / ((user + system) / 1e6))} datagrams delivered per CPU second`)
    t.ok(deliver >= count)
  }
})
