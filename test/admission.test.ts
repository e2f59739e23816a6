// Who is answered, with how much, and who has to make room: the server on the open Internet, in a world.
import fc from 'fast-check'
import t from 'tap'
import { type Network, isWithin, parseNetwork } from '../src/networks.ts'
import { Phonebook, type Registration } from '../src/phonebook.ts'
import { Buckets } from '../src/server/buckets.ts'
import { mutated } from '../src/lab/mutate.ts'
import { type Stage, createStage, port, serverAddress } from '../src/lab/stage.ts'
import { samples } from '../src/dialects/phonebook/samples.ts'
import { type Random, seededRandom } from '../src/sim/random.ts'
import type { Attachment, Box } from '../src/sim/segment.ts'
import { startOlderClient } from './fixtures/older-client.ts'

const text = (words: string): Uint8Array => new TextEncoder().encode(words)
const server = { address: serverAddress, port }
const headers = 28

/** Somebody who claims sources in 192.0.0.0/16, and sees what is sent there. */
const forger = (stage: Stage): { at: Attachment; bytesTo: Map<string, number>; sent: Map<string, number> } => {
  const bytesTo = new Map<string, number>()
  const sent = new Map<string, number>()
  const box: Box = { name: 'forger', receive() {} }
  return { at: stage.world.internet.attach(box, ['198.51.100.250']), bytesTo, sent }
}

let id = 2_000_000_000
const forge = (at: Attachment, bytes: Uint8Array, from: { address: string; port: number }): void =>
  at.send({ id: id++, from, to: server, bytes, ttl: 64 })

/** What the server has sent to each endpoint, and been sent from there, in bytes with headers. */
const ledgerOf = (stage: Stage, options: Parameters<Stage['startServer']>[0]) => {
  const out = new Map<string, number>()
  const host = stage.hostOf('server')
  const udp = host.udp.bind(host)
  host.udp = at => {
    const socket = udp(at)
    const send = socket.send.bind(socket)
    socket.send = (bytes, to, more) => {
      const key = `${to.address} ${to.port}`
      out.set(key, (out.get(key) ?? 0) + bytes.length + headers)
      send(bytes, to, more)
    }
    return socket
  }
  return { out, ...stage.startServer(options) }
}

/** Every third source is an older client with a name that is its own; the others seek each other, and take names. */
const registration = (random: Random, source: number): Uint8Array => {
  if (source % 3 === 0) return text(`n${source}`)
  if (random.next() < 0.3) return mutated(samples, random)
  const somebody = Math.floor(random.next() * 10) * 3 + 1
  const name = random.next() < 0.02 ? `n${somebody}` : `n${source}`
  return text(`${name} v=2 seek=n${somebody}${' '.repeat(Math.floor(random.next() * 60))}`)
}

t.test('S1, strict: 3.0 x to an unproven endpoint over any history, pushes included', async t => {
  for (let seed = 1; seed <= 3; seed++) {
    const stage = createStage({ seed, trace: false, keepEvents: false, link: { latencyMs: 1 } })
    const { out, server: running } = ledgerOf(stage, { strict: true, capacity: 32, broadcastMs: 700 })
    const { at } = forger(stage)
    const random = seededRandom(seed, 'sources')
    const sent = new Map<string, number>()
    for (let i = 0; i < 50_000; i++) {
      const source = Math.floor(random.next() * 30)
      const from = { address: `192.0.2.${source}`, port: 5000 }
      const bytes = registration(random, source)
      const key = `${from.address} ${from.port}`
      sent.set(key, (sent.get(key) ?? 0) + bytes.length + headers)
      forge(at, bytes, from)
      if (i % 50 === 0) stage.world.run(stage.world.now() + 40)
    }
    stage.world.run(stage.world.now() + 5000)
    let most = 0
    for (const [key, bytes] of out) most = Math.max(most, bytes / (sent.get(key) ?? 0))
    t.ok(running.counters().dispositions.answered > 10_000)
    t.ok(running.counters().pushed > 1000, `${running.counters().pushed} pushes among them`)
    t.ok(most <= 3, `seed ${seed}: at most ${most.toFixed(3)} x`)
    t.ok(most > 2.5, 'and the rule was felt')
  }
})

t.test('S1, by default: what is over 3 x stays within the buckets', async t => {
  const stage = createStage({ seed: 5, trace: false, keepEvents: false, link: { latencyMs: 1 } })
  const { out } = ledgerOf(stage, { capacity: 4096 })
  const { at } = forger(stage)
  const random = seededRandom(5, 'sources')
  let paid = 0
  for (let i = 0; i < 60_000; i++) {
    const who = Math.floor(random.next() * 200)
    const bytes = text(`older${who}`)
    paid += 3 * (bytes.length + headers)
    forge(at, bytes, { address: `192.0.2.${who}`, port: 5000 })
    if (i % 100 === 0) stage.world.run(stage.world.now() + 10)
    if (i === 300) {
      const soFar = [...out.values()].reduce((a, b) => a + b)
      t.ok(soFar > paid + 30_000, `a class of older clients gets whole answers: ${soFar} bytes for ${paid / 3}`)
    }
  }
  const seconds = stage.world.now() / 1000
  const sum = [...out.values()].reduce((a, b) => a + b)
  const bucket = 64 * 1024 + seconds * 4096
  t.ok(sum <= paid + bucket, `${sum} bytes to one prefix in ${seconds} s; 3 x and the bucket: ${paid + bucket}`)
})

t.test('S2: thirty older clients behind one NAT all meet', async t => {
  const stage = createStage({ seed: 6, trace: false, link: { latencyMs: 15 } })
  stage.startServer()
  const classroom = stage.world.host({ address: '198.51.100.99', name: 'classroom' })
  const random = seededRandom(6, 'starts')
  const names = Array.from({ length: 30 }, (_, i) => `pupil${i}`)
  const clients = new Map<string, ReturnType<typeof startOlderClient>>()
  names.forEach((name, i) =>
    stage.world.after(random.next() * 10_000, () =>
      clients.set(name, startOlderClient(classroom, { server, name, contact: names[i ^ 1] ?? '', timeoutMs: 1013 })),
    ),
  )
  stage.world.run(180_000)
  for (const [name, client] of clients) t.ok(client.heard.length > 0, `${name} heard its partner`)
})

t.test('S2: in a flood of forged registrations newer clients meet in 2 s, and bytes out stay in bounds', async t => {
  const stage = createStage({ seed: 7, trace: false, keepEvents: false, link: { latencyMs: 20 } })
  const { out, server: running } = ledgerOf(stage, {})
  const { at } = forger(stage)
  const random = seededRandom(7, 'flood')
  let paid = 0
  for (let step = 0; step < 300; step++) {
    for (let i = 0; i < 100; i++) {
      const bytes = text(`x${Math.floor(random.next() * 1e9)}`)
      paid += 3 * (bytes.length + headers)
      forge(at, bytes, { address: `192.0.${Math.floor(random.next() * 256)}.${i}`, port: 1024 + i })
    }
    stage.world.run(stage.world.now() + 10) // 10,000 a second
  }
  const startedMs = stage.world.now()
  const alice = stage.startClient('alice', 'bob')
  const bob = stage.startClient('bob', 'alice')
  for (let step = 0; step < 200; step++) {
    for (let i = 0; i < 100; i++) forge(at, text(`y${step}.${i}`), { address: `192.0.${step}.${i}`, port: 1024 + i })
    stage.world.run(stage.world.now() + 10)
    paid += 100 * 3 * (6 + headers)
    if (alice.client.state === 'connected' && bob.client.state === 'connected') break
  }
  t.ok(stage.world.now() - startedMs <= 2000, `met after ${stage.world.now() - startedMs} ms in the flood`)
  const sum = [...out.values()].reduce((a, b) => a + b)
  const inAll = (256 * 1024 * (stage.world.now() + 1000)) / 1000
  t.ok(sum <= paid + inAll + 20_000, `${sum} bytes out, at most ${paid + inAll}`)
  t.ok(running.phonebook.size <= 4096)
})

t.test(
  'S6: 100,000 registrations from 10,000 sources evict none of 8 proven clients, and they are answered',
  async t => {
    const stage = createStage({ seed: 8, trace: false, keepEvents: false, link: { latencyMs: 5 } })
    const { server: running } = stage.startServer({ capacity: 256 })
    const clients = Array.from({ length: 8 }, (_, i) => {
      const asked = { times: 0 }
      stage.startClient(`live${i}`, `nobody${i}`, {
        onEvent: ({ event }) => (asked.times += event === 'registering' ? 1 : 0),
      })
      return asked
    })
    stage.world.run(1000)
    const entries = clients.map((_, i) => running.phonebook.find(`live${i}`))
    const { at } = forger(stage)
    for (let step = 0; step < 1000; step++) {
      for (let i = 0; i < 100; i++) {
        const source = (step * 100 + i) % 10_000
        forge(at, text(`flood${step}.${i}`), { address: `192.0.${source >> 8}.${source & 255}`, port: 4000 })
      }
      stage.world.run(stage.world.now() + 10)
    }
    entries.forEach((entry, i) => t.equal(running.phonebook.find(`live${i}`), entry, `live${i} is where it was`))
    for (const { times } of clients)
      t.ok(times <= 14, `answered each time, or it would ask more often: ${times} in 11 s`)
  },
)

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
  const buckets = new Buckets({ size: 16, burstBytes: 100, bytesPerSecond: 10, key: 1 })
  t.equal(buckets.level('a', 0), 100)
  t.ok(buckets.take('a', 100, 0))
  t.notOk(buckets.take('a', 1, 0))
  t.equal(buckets.level('a', 5000), 50)
  t.equal(buckets.level('a', 1e9), 100)
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(50), fc.nat(2000), fc.nat(200))), steps => {
      const one = new Buckets({ size: 1, burstBytes: 100, bytesPerSecond: 10, key: 7 })
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
  const { out } = ledgerOf(stage, { classic: true, expiryMs: Infinity })
  const { at } = forger(stage)
  for (let i = 0; i < 2000; i++) forge(at, text(`n${i % 16}`), { address: '192.0.2.1', port: 5000 })
  stage.world.run(1000)
  t.ok((out.get('192.0.2.1 5000') ?? 0) > 16 * 1900 * 40, 'whole answers, however many')
})
