// Who is answered, with how much, and who has to make room; the figures S1, S2 and S6 are in safety.test.ts.
import fc from 'fast-check'
import t from 'tap'
import { formatLine, mostHosts, packedAnswer } from '../src/dialects/phonebook/codec.ts'
import { formatHint, mostHintPorts } from '../src/dialects/phonebook/hint.ts'
import { createForger, overhear, serverEndpoint, words } from '../src/lab/forger.ts'
import { createStage } from '../src/lab/stage.ts'
import { type Network, isWithin, parseNetwork } from '../src/networks.ts'
import type { Registration } from '../src/entry.ts'
import { behaviors } from '../src/nat-profile.ts'
import { Phonebook } from '../src/phonebook.ts'
import { Admission } from '../src/server/admission.ts'
import { Buckets } from '../src/server/buckets.ts'

const [, , APD] = behaviors

const at = (address: string): Registration['endpoint'] => ({ address, port: 5000 })
const who = (name: string, address: string): Registration => ({
  name,
  stage: '',
  endpoint: at(address),
  door: 'phonebook',
  via: 0,
  newer: true,
  hosts: [],
})

t.test('who makes room: a free slot, the own crowd, the unproven, the oldest; as one table', async t => {
  const fill = (book: Phonebook, address: (i: number) => string, prove: (i: number) => boolean = () => false): void => {
    for (let i = 0; i < 8; i++) {
      const { entry } = book.register(who(`e${i}`, address(i)), i)
      if (prove(i)) book.prove(entry)
    }
  }
  const spread = (i: number): string => `192.0.${i}.1`
  const rows: [string, (book: Phonebook) => void, string, string | undefined][] = [
    ['all alike: the oldest', book => fill(book, spread), '198.51.100.1', 'e0'],
    ['the unproven before the proven', book => fill(book, spread, i => i !== 5), '198.51.100.1', 'e5'],
    ['all proven: the oldest', book => fill(book, spread, () => true), '198.51.100.1', 'e0'],
    [
      'a crowd makes room for its own',
      book => fill(book, i => (i < 4 ? spread(i) : `198.51.100.${i}`)),
      '198.51.100.1',
      'e4',
    ],
    [
      'a quarter of the book is no crowd yet',
      book => fill(book, i => (i < 6 ? spread(i) : `198.51.100.${i}`)),
      '198.51.100.1',
      'e0',
    ],
    ['the crowd of somebody else does not matter', book => fill(book, i => `192.0.2.${i}`), '198.51.100.1', 'e0'],
  ]
  for (const [story, prepare, newcomer, victim] of rows) {
    const book = new Phonebook({ capacity: 8 })
    prepare(book)
    t.equal(book.register(who('new', newcomer), 100).displaced?.name, victim, story)
  }
  const plain = new Phonebook({ capacity: 8, plainRing: true })
  fill(plain, spread, i => i === 0)
  t.equal(plain.register(who('new', '198.51.100.1'), 100).displaced?.name, 'e0', 'the plain ring spares nobody')
})

t.test('an expired entry makes room before anybody else', async t => {
  const book = new Phonebook({ capacity: 2, expiryMs: 1000 })
  book.register(who('old', '192.0.2.1'), 0)
  book.register(who('fresh', '192.0.2.2'), 900)
  const { displaced, entry } = book.register(who('new', '192.0.2.3'), 1500)
  t.equal(displaced, undefined)
  t.equal(entry.slot, 0)
})

t.test('buckets: constant in size, refilled by time, never more than full', async t => {
  const buckets = new Buckets({ size: 16, burst: 100, perSecond: 10, key: 1 })
  t.equal(buckets.level('a', 0), 100)
  t.ok(buckets.take('a', 100, 0))
  t.notOk(buckets.take('a', 1, 0))
  t.equal(buckets.level('a', 5000), 50)
  t.equal(buckets.level('a', 1e9), 100)
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(50), fc.nat(2000), fc.nat(200))), steps => {
      const one = new Buckets({ size: 1, burst: 100, perSecond: 10, key: 7 })
      let nowMs = 0
      let taken = 0
      for (const [key, ms, bytes] of steps) {
        nowMs += ms
        if (one.take(`key${key}`, bytes, nowMs)) taken += bytes
      }
      return taken <= 100 + nowMs / 100
    }),
  )
})

t.test('a neighbour who asks for large books takes nobody his answer of sixteen, however long its lines', async t => {
  const admission = new Admission({}, 1)
  const now = (): number => 0
  const payer = { endpoint: { address: '2001:db8::1', port: 5000 }, creditBytes: 0 }
  for (let most = 2 * 1024 * 1024; most >= 1; most /= 2) admission.pay(payer, most, 1, 'proven', now)
  const { bytes: left } = admission.allowance(payer, 0, 'proven', now)
  t.ok(left < 8192, `${left} bytes are left to who asks for more`)

  const endpoint = { address: '2001:db8:1111:2222:3333:4444:5555:6666', port: 65_535 }
  const entry = { slot: 4095, name: 'n'.repeat(64), endpoint }
  const common = { newer: true, proven: true, key: 'k'.repeat(86) }
  const [pair, cookie] = ['p'.repeat(16), 'c'.repeat(16)]
  const nat = formatHint({ mapping: APD, filtering: APD, ports: Array<number>(mostHintPorts).fill(65_535) })
  const own = { ...common, cookie, alternates: [{ port: 65_535 }, endpoint] }
  const sought = { ...common, pair, nat, hosts: Array.from({ length: mostHosts }, () => endpoint) }
  const others = Array.from({ length: 14 }, () => common)
  const lines = [own, sought, ...others].map(fields => formatLine(entry, 4096, fields))
  const bytes = lines.join('').length
  const longest = Math.max(...lines.map(({ length }) => length))
  const datagrams = Math.ceil(bytes / (packedAnswer - longest))
  for (let i = 0; i < 10; i++)
    t.ok(admission.pay(payer, bytes, datagrams, 'proven', now), `${bytes} bytes in ${datagrams} datagrams`)
})

t.test('networks: written as CIDR, asked by address', async t => {
  const rows: [string, string, boolean][] = [
    ['192.0.2.0/24', '192.0.2.255', true],
    ['192.0.2.0/24', '192.0.3.0', false],
    ['192.0.2.128/25', '192.0.2.127', false],
    ['192.0.2.7', '192.0.2.7', true],
    ['0.0.0.0/0', '255.1.2.3', true],
    ['0.0.0.0/0', '::1', false],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/33', '2001:db8:8000::1', false],
    ['::/0', '2001:db8::1', true],
  ]
  for (const [network, address, within] of rows) {
    t.equal(isWithin(address, parseNetwork(network) as Network), within, `${address} in ${network}`)
  }
  for (const wrong of [
    '',
    '192.0.2.0/33',
    '192.0.2.0/',
    '192.0.2.0/-1',
    '192.0.2/24',
    '::/129',
    'a/8',
    '1.2.3.4/8/8',
  ]) {
    t.equal(parseNetwork(wrong), undefined, wrong)
  }
})

t.test('whom the operator denies is not answered, and counted', async t => {
  const stage = createStage({ seed: 9, trace: false, link: { latencyMs: 1 } })
  const allow = [parseNetwork('198.51.100.0/24') as Network]
  const { server: running } = stage.startServer({ allow, deny: [parseNetwork('198.51.100.3') as Network] })
  const good = stage.startClient('good', 'x')
  const denied = stage.world.host({ address: '198.51.100.33', name: 'denied' })
  stage.startClient('bad', 'x', { on: stage.world.host({ address: '192.0.2.1', name: 'elsewhere' }) })
  stage.startClient('also', 'x', { on: denied })
  stage.world.run(2000)
  t.ok(good.of('registered').length > 0)
  t.same([...running.phonebook.entries()].map(({ name }) => name).toSorted(), ['also', 'good'])
  t.ok(running.counters().dispositions.denied > 2)
})

t.test('classic: no limits, as the older server had none', async t => {
  const stage = createStage({ seed: 10, trace: false, keepEvents: false, link: { latencyMs: 1 } })
  let out = 0
  overhear(stage.hostOf('server'), bytes => (out += bytes.length + 28))
  stage.startServer({ classic: true, expiryMs: Infinity })
  const forge = createForger(stage)
  for (let i = 0; i < 2000; i++) forge(words(`n${i % 16}`), { address: '192.0.2.1', port: 5000 })
  stage.world.run(1000)
  t.ok(out > 16 * 1900 * 40, 'whole answers, however many')
})

t.test('a proven host that asks for the whole of a large stage again and again gets it at a bounded rate', async t => {
  const rows = [
    { options: {}, mostPerSecond: 256 * 1024 },
    { options: { classic: true }, mostPerSecond: Infinity },
  ]
  for (const { options, mostPerSecond } of rows) {
    const stage = createStage({ seed: 11, trace: false, keepEvents: false, link: { latencyMs: 1 } })
    let out = 0
    const reader = stage.world.host({ address: '198.51.100.77', name: 'reader' })
    overhear(stage.hostOf('server'), (bytes, to) => (out += to.address === '198.51.100.77' ? bytes.length + 28 : 0))
    stage.startServer({ expiryMs: Infinity, ...options })
    const forge = createForger(stage)
    for (let i = 0; i < 2000; i++)
      forge(words(`n${i} v=2 seek=x`), { address: `192.0.${i >> 8}.${i & 255}`, port: 5000 })
    let cookie = ''
    let entries = 0
    const socket = reader.udp()
    socket.onDatagram(bytes => {
      const text = new TextDecoder().decode(bytes)
      cookie ||= /,cookie=([\w-]+)/.exec(text)?.[1] ?? ''
      entries += text.split('\n').length - 1
    })
    const ask = (more = ''): void => socket.send(words(`reader v=2 cookie=${cookie}${more}`), serverEndpoint)
    socket.send(words('reader v=2'), serverEndpoint)
    stage.world.run(100)
    entries = 0
    ask()
    stage.world.run(200)
    t.equal(entries, 2001, 'the whole book, once')
    out = 0
    const asks = 400
    for (let i = 0; i < asks; i++) {
      ask()
      stage.world.run(stage.world.now() + 10)
    }
    const free = asks * 16 * 280 // sixteen entries an answer
    t.ok(out <= 1024 * 1024 + free + 4.2 * mostPerSecond, `${out} bytes in 4 s`)
    t.ok(out > (mostPerSecond === Infinity ? 20e6 : 2e6), `${out} bytes in 4 s`)
    entries = 0
    ask(' seek=n7')
    stage.world.run(stage.world.now() + 10)
    t.equal(entries, 2, 'who seeks somebody is answered as ever')
  }
})
