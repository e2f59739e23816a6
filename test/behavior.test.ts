// What kind of NAT: verdicts out of literal samples, the probe in a world where the truth is known, and how often it is
// right. Here nothing touches a real socket; check.test.ts is about the command.
import fc from 'fast-check'
import t from 'tap'
import { createExchanges } from '../src/behavior/exchanges.ts'
import { type FilteringTests, enoughRequests, filteringOf } from '../src/behavior/filtering.ts'
import { earlyOf } from '../src/behavior/early.ts'
import { hairpinningOf } from '../src/behavior/hairpinning.ts'
import { carrierGradeOf, layersOf } from '../src/behavior/layers.ts'
import { type Rung, agesMs, isOver, lifetimeOf } from '../src/behavior/lifetime.ts'
import { type MappingTests, mappingOf } from '../src/behavior/mapping.ts'
import { portsOf } from '../src/behavior/ports.ts'
import type { Answer, Sample } from '../src/behavior/samples.ts'
import { alternateOf } from '../src/behavior/server.ts'
import { type Decoded, binding, decode, encode } from '../src/dialects/stun/message.ts'
import { type Behavior, behaviors, profileNamed } from '../src/nat-profile.ts'
import {
  drawProfile,
  everyProfile,
  outcomeOf,
  properties,
  rowOf,
  shuffledNames,
  truthOf,
  wordsOf,
} from '../src/lab/accuracy.ts'
import { lifetimeInSim, runInSim } from '../src/lab/accuracy-sim.ts'
import { seededRandom } from '../src/sim/random.ts'

const [EI, AD, APD] = behaviors
const [A, B] = ['203.0.113.10', '203.0.113.11']
const server = { address: A, port: 3478 }
const X = '198.51.100.2'
const own = ['10.1.0.2']
const localPort = 5000

const answer = (port: number, rest: Partial<Answer> = {}): Answer => ({
  mapped: { address: X, port },
  from: server,
  other: { address: B, port: 3479 },
  errorCode: undefined,
  afterMs: 20,
  ...rest,
})
const sample = (answer?: Answer, rest: Partial<Sample> = {}): Sample => ({
  test: 'binding',
  localPort,
  to: server,
  sent: answer ? 1 : 8,
  answer,
  ...rest,
})
/** A binding that was mapped to that port; undefined: no answer. */
const mapped = (port: number | undefined): Sample => sample(port === undefined ? undefined : answer(port))

t.test('mapping behavior: the three tests of RFC 5780 section 4.3, as a table', async t => {
  type Row = [one: number | undefined, two: number | undefined, three: number | undefined, Behavior | 'unknown']
  const table: Row[] = [
    [5000, 5000, 5000, EI],
    [6000, 6000, 6000, EI],
    [6000, 6001, 6001, AD],
    [6000, 6001, 6002, APD],
    [6000, 6000, undefined, EI],
    [6000, undefined, 6000, EI],
    [6000, 6001, undefined, 'unknown'],
    [6000, undefined, 6002, 'unknown'],
    [6000, undefined, undefined, 'unknown'],
    [6000, 6000, 6002, 'unknown'], // it changed in between
    [undefined, 6000, 6000, 'unknown'],
  ]
  for (const [one, two, three, expected] of table) {
    const tests = { one: mapped(one), two: mapped(two), three: mapped(three) }
    t.equal(mappingOf([tests], own).is, expected, `${one} ${two} ${three}`)
  }
})

t.test('mapping behavior: a hash that gives two flows one port fools a socket, and not two', async t => {
  const byChance: MappingTests = { one: mapped(6000), two: mapped(6000), three: mapped(6000) }
  const dependent: MappingTests = { one: mapped(7000), two: mapped(7001), three: mapped(7001) }
  t.equal(mappingOf([byChance], own).is, EI)
  t.equal(mappingOf([byChance, dependent], own).is, AD)
  t.equal(mappingOf([dependent, byChance], own).is, AD)
})

t.test('an answer counts on the socket that asked: two of ours may share an external port', async t => {
  const asked: Uint8Array[] = []
  const exchanges = createExchanges({
    open: () => {},
    send: (_id, bytes) => void asked.push(bytes),
    randomBytes: count => new Uint8Array(count).fill(asked.length),
  })
  const [one, other] = [1, 2].map(id => ({ id, localPort: 5000 + id }))
  if (!one || !other) return
  const answered: string[] = []
  const ask = (test: string, response?: { socket: typeof one; port: number }): Uint8Array => {
    const question = { test, socket: one, to: server, pausesMs: [100], ...(response && { response }) }
    exchanges.ask(question, 0, sample => void answered.push(`${test} ${sample.answer ? 'answered' : 'silent'}`))
    const attributes = [{ name: 'XOR-MAPPED-ADDRESS', value: { address: X, port: 6000 } }] as const
    const { transactionId } = decode(asked.at(-1) ?? new Uint8Array()) as Decoded
    return encode({ class: 'success response', method: binding, transactionId, attributes })
  }
  const plain = ask('plain')
  t.notOk(exchanges.receive(other.id, plain, server, 10))
  t.ok(exchanges.receive(one.id, plain, server, 20))
  const elsewhere = ask('elsewhere', { socket: other, port: 6000 })
  t.notOk(exchanges.receive(one.id, elsewhere, server, 30), 'a server that ignores RESPONSE-PORT')
  t.ok(exchanges.receive(other.id, elsewhere, server, 40))
  ask('silence')
  exchanges.tick(100)
  t.same(answered, ['plain answered', 'elsewhere answered', 'silence silent'])
})

t.test('mapping behavior: what a server with one address can tell', async t => {
  const untranslated = sample(answer(localPort, { mapped: { address: '10.1.0.2', port: localPort } }))
  t.equal(mappingOf([{ one: untranslated }], own).is, EI, 'nothing is translated')
  t.equal(mappingOf([{ one: mapped(6000) }], own).is, 'unknown')
  t.equal(mappingOf([{ one: mapped(6000), otherPort: mapped(6000) }], own).is, 'unknown', 'EI or AD')
  t.equal(mappingOf([{ one: mapped(6000), otherPort: mapped(6001) }], own).is, APD)
})

const [both, portOnly, addressOnly] = [
  { ip: true, port: true },
  { ip: false, port: true },
  { ip: true, port: false },
]
const from = (change: typeof both): Answer =>
  answer(6000, { from: { address: change.ip ? B : A, port: change.port ? 3479 : 3478 } })
const came = (change: typeof both): Sample => sample(from(change), { change })
const silent = (change: typeof both, sent = 8): Sample => sample(undefined, { change, sent })
const controls = [both, portOnly, addressOnly].map(came)

t.test('filtering behavior: RFC 5780 section 4.4 and the fourth test, as a table', async t => {
  const table: [boolean, boolean, boolean, string][] = [
    [true, true, true, EI],
    [true, false, false, EI],
    [false, true, true, AD],
    [false, true, false, AD],
    [false, false, true, 'port-dependent'],
    [false, false, false, APD],
  ]
  for (const [two, three, four, expected] of table) {
    const tests: FilteringTests = {
      two: two ? came(both) : silent(both),
      three: three ? came(portOnly) : silent(portOnly),
      four: four ? came(addressOnly) : silent(addressOnly),
      controls,
    }
    for (const mapping of behaviors)
      t.equal(filteringOf(tests, server, mapping).is, expected, `${two} ${three} ${four}`)
  }
})

t.test('filtering behavior: silence alone is no filter', async t => {
  const tests = { two: silent(both), three: silent(portOnly), four: silent(addressOnly), controls }
  const because = (changed: Partial<FilteringTests>, mapping: Behavior = EI): string => {
    const finding = filteringOf({ ...tests, ...changed }, server, mapping)
    t.equal(finding.is, 'unknown')
    return finding.because
  }
  t.equal(because({ two: silent(both, enoughRequests - 1) }), 'too few requests')
  t.equal(because({ controls: [] }), 'the server may not have answered', 'not even through open holes')
  t.equal(because({ controls: [came(both)] }), 'the server may not have answered', 'not from the other port')
  t.equal(
    because({ controls: [came(both)] }, AD),
    'the server may not have answered',
    'which is to be seen with AD too',
  )
  t.equal(because({ two: sample(answer(6000), { change: both }) }), 'the server does not do what CHANGE-REQUEST asks')
  const refused = sample({ ...answer(6000), mapped: undefined, errorCode: 420 }, { change: both })
  t.equal(because({ two: refused }), 'the server answers 420 to CHANGE-REQUEST')
  t.equal(because({ two: undefined }), 'it takes a server with two addresses')
  t.equal(filteringOf({ ...tests, controls: [] }, server, APD).is, APD, 'no hole can be opened: the server is believed')
  t.equal(filteringOf(tests, server, 'unknown').is, 'unknown')
})

t.test('the alternate endpoint: believed only where it knows the first one', async t => {
  const said = { address: B, port: 3479 }
  const there = sample(answer(6000, { other: server }))
  const table: [typeof said | undefined, Sample[], believed: boolean, wrong: boolean][] = [
    [said, [there, there], true, false],
    [said, [there, mapped(undefined)], true, false],
    [said, [sample(answer(6000, { other: { address: B, port: 3478 } }))], true, false], // coturn
    [undefined, [], false, false],
    [said, [mapped(undefined), mapped(undefined)], false, true],
    [{ address: A, port: 3479 }, [there], false, true],
    [{ address: B, port: 3478 }, [there], false, true],
    [{ address: '192.168.1.1', port: 3479 }, [there], false, true],
    [{ address: '239.1.1.1', port: 3479 }, [there], false, true],
    [said, [sample(answer(6000, { other: undefined }))], false, true],
    [said, [sample(answer(6000, { other: { address: '192.0.2.1', port: 3478 } }))], false, true],
  ]
  for (const [other, samples, believed, wrong] of table) {
    const { endpoint, isWrong, because } = alternateOf(server, other, samples)
    t.same([endpoint !== undefined, isWrong], [believed, wrong], because)
  }
})

/** Sockets in their order: local port and mapped port. */
const portsSeen = (...pairs: [number, number][]) =>
  portsOf(pairs.map(([local, port]) => sample(answer(port), { localPort: local })))

t.test('port assignment, as a table', async t => {
  const locals = [5000, 5007, 5031, 5040, 5011, 5090]
  const seen = (...mapped: number[]) => portsSeen(...mapped.map((port, i): [number, number] => [locals[i] ?? 0, port]))
  t.match(seen(...locals), { is: 'preserving', preserved: 6 })
  t.match(seen(5000, 5007, 40_000, 5040, 5011, 5090), { is: 'preserving', preserved: 5 }, 'one was taken')
  t.match(seen(40_000, 40_001, 40_002, 40_003, 40_004, 40_005), { is: 'sequential', delta: 1, range: [40_000, 40_005] })
  t.match(seen(40_000, 39_998, 39_996, 39_994, 39_992), { is: 'sequential', delta: -2 })
  t.match(seen(41_020, 41_022, 40_000, 40_002, 40_004, 40_006), { is: 'sequential', delta: 2 }, 'round the range')
  t.match(seen(40_000, 40_003, 40_010, 40_012, 40_031), { is: 'sequential', delta: 2 }, 'a busy NAT')
  t.match(seen(61_214, 10_023, 33_333, 40_004, 20_000), { is: 'no pattern' })
  t.match(seen(40_000, 40_020, 40_003, 40_050, 40_020), { is: 'no pattern' }, 'near each other, up and down')
  t.match(seen(40_000, 40_001, 40_002), { is: 'unknown' }, 'too few')
  t.same(portsOf([sample(answer(1)), sample(answer(2, { mapped: { address: '192.0.2.9', port: 2 } }))]).addresses, [
    X,
    '192.0.2.9',
  ])
})

t.test('port assignment: a sequence is told from contiguity by a question downwards', async t => {
  const contiguous = portsSeen([5000, 9000], [5020, 400], [5030, 7777], [5021, 401], [4999, 8999])
  t.equal(contiguous.is, 'contiguous')
  const sequence = portsSeen([5000, 9000], [5001, 9001], [5002, 9002], [5003, 9003], [4999, 9004])
  t.match(sequence, { is: 'sequential', delta: 1 })
  const upwards = portsSeen([5000, 9000], [5001, 9001], [5002, 9002], [5003, 9003])
  t.match(upwards, { is: 'sequential', delta: 1 }, 'nobody asked downwards')
})

t.test('port assignment: nothing that is random passes for a pattern', async t => {
  const random = seededRandom('random ports')
  const port = (): number => 1024 + Math.floor(random.next() * 64_512)
  for (let i = 0; i < 2000; i++) {
    const first = port()
    const { is } = portsSeen(...[0, 1, 2, 3, 4, 5, 6, 7, -1].map((n): [number, number] => [first + n, port()]))
    if (is !== 'no pattern') t.fail(is)
  }
})

t.test('port assignment: any steady step is found, whatever else happens between two of them', async t => {
  const walk = fc.record({
    first: fc.integer({ min: 2000, max: 60_000 }),
    step: fc.integer({ min: 1, max: 20 }),
    noiseAt: fc.integer({ min: 0, max: 7 }),
  })
  const found = fc.check(
    fc.property(walk, ({ first, step, noiseAt }) => {
      const pairs = Array.from({ length: 8 }, (_, i): [number, number] => [
        1024 + 7 * i,
        first + step * (i < noiseAt ? i : i + 1),
      ])
      const { is, delta } = portsSeen(...pairs)
      return is === 'sequential' && delta === step
    }),
  )
  t.notOk(found.failed, JSON.stringify(found.counterexample))
})

t.test('hairpinning: that nothing came back tells something only where it would have been let in', async t => {
  const none = { sent: 8, arrived: 0 }
  t.equal(hairpinningOf({ sent: 8, arrived: 3 }, true, APD, APD).is, 'yes')
  t.equal(hairpinningOf(none, true, EI, APD).is, 'no')
  t.equal(hairpinningOf(none, true, APD, EI).is, 'no')
  t.equal(hairpinningOf(none, true, APD, AD).is, 'unknown')
  t.equal(hairpinningOf({ sent: 2, arrived: 0 }, true, EI, EI).is, 'unknown')
  t.equal(hairpinningOf(undefined, true, EI, EI).is, 'unknown')
  t.equal(hairpinningOf(none, false, EI, EI).is, 'not applicable')
})

t.test('a datagram that came too early: naive is who moves afterwards', async t => {
  t.equal(earlyOf(mapped(6000), mapped(6000), EI, APD).is, 'harmless')
  t.equal(earlyOf(mapped(6000), mapped(6001), EI, APD).is, 'naive')
  t.equal(earlyOf(mapped(6000), mapped(undefined), EI, APD).is, 'unknown')
  t.equal(earlyOf(mapped(6000), mapped(6001), APD, APD).is, 'unknown', 'it would have moved anyway')
  t.equal(earlyOf(mapped(6000), mapped(6000), EI, EI).is, 'let in')
  t.equal(earlyOf(mapped(6000), mapped(6000), EI, 'unknown').is, 'unknown')
})

t.test('layers of NAT: by the address that the gateway has outside', async t => {
  const table: [Partial<Parameters<typeof layersOf>[0]>, layers: string, carrierGrade: string][] = [
    [{ translated: false }, '0', 'no'],
    [{ gatewayWan: X }, '1', 'no'],
    [{ gatewayWan: '100.64.0.2' }, '2 or more', 'yes'],
    [{ gatewayWan: '192.168.1.7' }, '2 or more', 'unknown'],
    [{ gatewayWan: '192.0.2.7' }, '2 or more', 'unknown'],
    [{}, 'unknown', 'unknown'],
    [{ own: ['100.64.0.9'] }, 'unknown', 'yes'],
    [{ own: ['10.1.0.2', '100.100.1.1'] }, 'unknown', 'unknown'], // an overlay network has that range too
    [{ own: ['10.1.0.2', '2001:db8::1'] }, 'unknown', 'unknown'],
  ]
  for (const [given, layers, carrierGrade] of table) {
    const input = { translated: true, mapped: X, own, gatewayWan: undefined, ...given }
    t.same([layersOf(input).is, carrierGradeOf(input).is], [layers, carrierGrade], JSON.stringify(given))
  }
})

t.test('lifetime: between the last age at which it lived and the first at which it was gone', async t => {
  const rung = (seconds: number, alive: boolean, sent = alive ? 1 : 8): Rung => ({
    habit: 'stream',
    ageMs: seconds * 1000,
    alive,
    sent,
  })
  t.match(lifetimeOf([rung(10, true), rung(20, true), rung(24, false), rung(28, false)]), { ms: 22_000 })
  t.match(
    lifetimeOf([rung(10, true), rung(14, false), rung(18, true), rung(22, false)]),
    { ms: 20_000 },
    'one was lost',
  )
  t.match(lifetimeOf([rung(10, true), rung(14, false, 2), rung(18, false)]), { ms: 14_000 }, 'asked too seldom')
  t.match(lifetimeOf([rung(10, true), rung(300, true)]), { ms: undefined, aliveAtMs: 300_000 })
  t.match(lifetimeOf([]), { ms: undefined, because: 'not asked' })
  t.notOk(isOver([rung(10, true), rung(14, false), rung(18, true), rung(22, false)]))
  t.ok(isOver([rung(10, true), rung(14, false), rung(18, false)]))
  const ages = agesMs(300_000)
  t.ok(
    ages.every((age, i) => age - (ages[i - 1] ?? 0) <= 4000),
    'so that the middle is at most 2 s off',
  )
  t.ok(ages.length < 100, `${ages.length} mappings`)
})

t.test('each profile is recognised, with parameters drawn at random and no loss', async t => {
  for (const [name, family] of everyProfile.flatMap(name => [[name, 4] as const, [name, 6] as const])) {
    const options = { lossPercent: 0, addresses: 2, family } as const
    const runs = [0, 1, 2, 3].map(i =>
      runInSim(drawProfile(name, seededRandom(`${name} ${i}`), 'sim'), { seed: i, ...options }),
    )
    const story = `${name} over IPv${family}`
    for (const { said, truth } of runs) {
      for (const property of properties) t.equal(outcomeOf(truth, said, property), 'right', `${story}: ${property}`)
    }
    t.ok(Math.max(...runs.map(({ ms }) => ms)) < 3300, `${story} in ${Math.max(...runs.map(({ ms }) => ms))} ms`)
  }
})

t.test('a twentieth of all datagrams lost: nothing wrong is said, and hardly ever nothing', async t => {
  const random = seededRandom('shuffle')
  const runs = shuffledNames(everyProfile, 12, random).map((name, i) => {
    const options = { seed: i, lossPercent: 5, addresses: 2, family: i % 2 ? 6 : 4 } as const
    return runInSim(drawProfile(name, seededRandom(`${name} ${i}`), 'sim'), options)
  })
  const { mistakes, by } = rowOf('all', runs)
  t.same(mistakes, [])
  for (const property of properties) t.ok(by[property].unknown <= 0.02 * runs.length, property)
})

t.test('lifetime: within five seconds of the truth behind every profile, with and without loss', async t => {
  for (const [i, name] of everyProfile.entries()) {
    const profile = drawProfile(name, seededRandom(`lifetime ${name}`), 'sim')
    if (profile.kind === 'blocked') continue
    const { exchange, stream, problem } = lifetimeInSim(
      profile,
      { seed: i, lossPercent: 5 * (i % 2), addresses: 2, family: i % 4 < 2 ? 4 : 6 },
      400_000,
    )
    t.equal(problem, undefined, name)
    if (profile.kind === 'public') t.match([exchange, stream], [{ ms: undefined }, { ms: undefined }], name)
    else {
      t.ok(Math.abs((exchange.ms ?? 0) - profile.lifetime.unrepliedMs) <= 5000, `${name} ${exchange.because}`)
      t.ok(Math.abs((stream.ms ?? 0) - profile.lifetime.streamMs) <= 5000, `${name} ${stream.because}`)
    }
  }
})

t.test('a server with one address: it says what it can, and of the rest that it does not know', async t => {
  for (const name of ['fullcone', 'portrest', 'adm', 'symseq']) {
    const { said } = runInSim(profileNamed(name), { seed: 1, lossPercent: 0, addresses: 1 })
    t.match(said, { mapping: 'unknown', filtering: 'unknown' }, name)
    t.not(said?.ports, 'unknown', `${name}: ports can be seen anyway`)
  }
  const { said } = runInSim(profileNamed('none'), { seed: 1, lossPercent: 0, addresses: 1 })
  t.match(said, { mapping: EI, filtering: 'unknown' })
  const open = runInSim(profileNamed('symrand-eif'), { seed: 1, lossPercent: 0, addresses: 1 })
  t.equal(open.said?.mapping, APD, 'its other port can be learned, and sees another mapping')
})

t.test('the score can be bad: a verdict held against another profile is wrong', async t => {
  const { verdict } = runInSim(profileNamed('symrand'), { seed: 1, lossPercent: 0, addresses: 2 })
  const { by, mistakes } = rowOf('portrest', [
    { truth: truthOf(profileNamed('portrest')), said: wordsOf(verdict), ms: 1 },
    { truth: truthOf(profileNamed('blocked')), said: wordsOf(verdict), ms: 1 },
    { truth: truthOf(profileNamed('portrest')), said: undefined, ms: 1 },
  ])
  t.same(by.mapping, { right: 0, wrong: 3, unknown: 0 })
  t.match(mistakes, [`portrest: mapping is ${EI}, said ${APD}`])
})
