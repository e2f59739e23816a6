// The numbered dialect: bytes and values both ways, what the server answers, and what becomes of messages.
import t from 'tap'
import fc from 'fast-check'
import type { Endpoint } from '../src/endpoint.ts'
import { createNumberedClient } from '../src/client/numbered-client.ts'
import { connect as connectDialect } from '../src/dialects/connect/answer.ts'
import type { Refusal } from '../src/dialects/dialect.ts'
import { createNumbered } from '../src/dialects/numbered/answer.ts'
import {
  type NumberedAnswer,
  type NumberedRequest,
  decodeNumberedAnswer,
  decodeNumberedRequest,
  encodeNumberedAnswer,
  encodeNumberedRequest,
  isNumberedRequest,
  longestList,
} from '../src/dialects/numbered/codec.ts'
import { phonebook as phonebookDialect } from '../src/dialects/phonebook/answer.ts'
import { createStage, port, serverAddress } from '../src/lab/stage.ts'
import { seededRandom } from '../src/sim/random.ts'
import { bytesOf, createDesk, home, textOf } from './fixtures/desk.ts'
import { startDoor } from './fixtures/doors.ts'
import { startOlderNumberedClient } from './fixtures/older-numbered-client.ts'

const server = { address: serverAddress, port }

// Bytes and values

const requests: [wire: string, request: NumberedRequest][] = [
  ['REGISTER', { verb: 'REGISTER' }],
  ['LIST', { verb: 'LIST' }],
  ['EXIT', { verb: 'EXIT' }],
  ['CONNECT:2', { verb: 'CONNECT', id: '2' }],
  ['CONNECT:bob', { verb: 'CONNECT', id: 'bob' }],
  ['CONNECT:a:b', { verb: 'CONNECT', id: 'a:b' }],
]

const one = { id: '1', endpoint: { address: '192.0.2.1', port: 5000 } }
const bob = { id: 'bob', endpoint: { address: '192.0.2.2', port: 65535 } }
const answers: [wire: string, answer: NumberedAnswer][] = [
  ['REGISTER_ACK:1', { verb: 'REGISTER_ACK', id: '1' }],
  ['LIST_ACK:', { verb: 'LIST_ACK', rows: [] }],
  ["LIST_ACK:1,('192.0.2.1', 5000)", { verb: 'LIST_ACK', rows: [one] }],
  ["LIST_ACK:1,('192.0.2.1', 5000)\nbob,('192.0.2.2', 65535)", { verb: 'LIST_ACK', rows: [one, bob] }],
  ['CONNECT_ACK:192.0.2.1:5000', { verb: 'CONNECT_ACK', endpoint: one.endpoint }],
  ['CONNECT_NAK:7', { verb: 'CONNECT_NAK', id: '7' }],
  ['EXIT_ACK', { verb: 'EXIT_ACK' }],
  ['ERROR:not registered', { verb: 'ERROR', reason: 'not registered' }],
]

t.test('requests and answers, both ways', async t => {
  for (const [wire, request] of requests) {
    t.ok(isNumberedRequest(bytesOf(wire)), wire)
    t.same(decodeNumberedRequest(bytesOf(wire)), request, wire)
    t.equal(textOf(encodeNumberedRequest(request)), wire)
  }
  for (const [wire, answer] of answers) {
    t.same(decodeNumberedAnswer(bytesOf(wire)), answer, wire)
    t.equal(textOf(encodeNumberedAnswer(answer)), wire)
  }
})

t.test('what is not for this door, and what no server says', async t => {
  const dialect = createNumbered()
  const strangers = ['', 'REGISTER ', 'REGISTER 1', 'register', 'LISTEN', 'LIST ', 'EXIT\n', 'CONNECT', 'CONNECT:']
  strangers.push('CONNECT 1 2', 'CONNECT:1 2', 'REGISTER_ACK:1', 'LIST_ACK:', 'EXIT_ACK', 'CONNECT_ACK:192.0.2.1:5')
  for (const wire of strangers) t.notOk(dialect.recognises(bytesOf(wire)), JSON.stringify(wire))
  t.notOk(dialect.recognises(Uint8Array.of(0x4c, 0x49, 0x53, 0x54, 0xff)))
  const refused: [wire: string, why: Refusal][] = [
    ['CONNECT:a,b', 'bad-name'],
    ['CONNECT:LIST', 'bad-name'],
    [`CONNECT:${'9'.repeat(65)}`, 'bad-name'],
  ]
  for (const [wire, why] of refused) t.equal(decodeNumberedRequest(bytesOf(wire)), why, wire)
  const unsaid = ['REGISTER_ACK', 'REGISTER_ACK:', 'REGISTER_ACK:x', 'CONNECT_ACK:', 'CONNECT_ACK:192.0.2.1']
  unsaid.push('CONNECT_ACK:192.0.2.1:0', 'CONNECT_ACK:192.0.2.1:5:6', 'CONNECT_ACK:127.66:5', 'CONNECT_ACK:::1:5')
  unsaid.push('EXIT_ACK:', 'hello', '', 'hello: you')
  for (const wire of unsaid) t.equal(decodeNumberedAnswer(bytesOf(wire)), undefined, JSON.stringify(wire))
  const rows = "LIST_ACK:1,('192.0.2.1', 5000)\n2,('192.0.2.1', 0)\n3,('0x7f.1', 5)\n\nLIST,('192.0.2.1', 5)\n4,("
  t.same(decodeNumberedAnswer(bytesOf(rows)), { verb: 'LIST_ACK', rows: [one] }, 'rows that are none are left out')
})

t.test('every truncation is refused, or says exactly what it looks like', async t => {
  for (const [wire] of [...requests, ...answers]) {
    const bytes = bytesOf(wire)
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length)
      const request = isNumberedRequest(cut) ? decodeNumberedRequest(cut) : 'unrecognised'
      if (typeof request !== 'string') t.same(encodeNumberedRequest(request), cut)
      const answer = decodeNumberedAnswer(cut)
      if (answer && answer.verb !== 'LIST_ACK') t.same(encodeNumberedAnswer(answer), cut)
      if (answer?.verb === 'LIST_ACK') t.ok(textOf(cut).startsWith(textOf(encodeNumberedAnswer(answer))))
    }
  }
})

t.test('any bytes: nothing throws, and what is read can be written again', async () => {
  const words = fc.constantFrom('REGISTER', 'LIST', 'CONNECT', 'EXIT', '_ACK', ':', '1', "('192.0.2.1', 5)", ',', '\n')
  const wire = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.array(words).map(all => bytesOf(all.join(''))),
  )
  fc.assert(
    fc.property(wire, bytes => {
      const request = isNumberedRequest(bytes) ? decodeNumberedRequest(bytes) : ''
      if (typeof request !== 'string' && textOf(encodeNumberedRequest(request)) !== textOf(bytes)) return false
      const answer = decodeNumberedAnswer(bytes)
      return answer === undefined || decodeNumberedAnswer(encodeNumberedAnswer(answer))?.verb === answer.verb
    }),
    { numRuns: 5000 },
  )
})

// What is answered

t.test('numbers from 1, one for each endpoint, none given out twice', async t => {
  const counter = createDesk()
  const dialect = createNumbered()
  t.same(counter.says(dialect, 'REGISTER', home(1)), ['REGISTER_ACK:1'])
  t.same(counter.says(dialect, 'REGISTER', home(2)), ['REGISTER_ACK:2'])
  t.same(counter.says(dialect, 'REGISTER', home(1)), ['REGISTER_ACK:1'], 'the same endpoint keeps it')
  t.same(counter.says(dialect, 'REGISTER', home(1, 5001)), ['REGISTER_ACK:3'], 'another port is somebody else')
  t.same(counter.says(dialect, 'EXIT', home(2)), ['EXIT_ACK'])
  t.same(counter.says(dialect, 'REGISTER', home(2)), ['REGISTER_ACK:4'])
})

t.test('a number that is somebody’s name is skipped, and nobody else can take one', async t => {
  const counter = createDesk()
  const dialect = createNumbered()
  counter.says(phonebookDialect, '1', home(7))
  counter.says(connectDialect, 'REGISTER 2', home(8))
  t.same(counter.says(dialect, 'REGISTER', home(1)), ['REGISTER_ACK:3'])
  t.equal(counter.says(phonebookDialect, '3', home(7)), 'kept-name')
  t.same(counter.says(connectDialect, 'REGISTER 3', home(8)), ['ERROR id 3 in use'])
  t.same(counter.phonebook.find('3')?.endpoint, home(1))
})

t.test('before REGISTER nothing is answered but that', async t => {
  const counter = createDesk()
  const dialect = createNumbered()
  for (const wire of ['LIST', 'EXIT', 'CONNECT:1', 'CONNECT:nobody']) {
    t.same(counter.says(dialect, wire, home(1)), ['ERROR:not registered'], wire)
  }
  counter.says(phonebookDialect, 'alice', home(2))
  t.same(counter.says(dialect, 'EXIT', home(2)), ['ERROR:not registered'], 'she came in through another door')
  t.equal(counter.phonebook.size, 1)
})

t.test('LIST: the others, newest first, names in the place of numbers, no IPv6, no colon', async t => {
  const counter = createDesk()
  const dialect = createNumbered()
  counter.says(dialect, 'REGISTER', home(1))
  t.same(counter.says(dialect, 'LIST', home(1)), ['LIST_ACK:'])
  counter.says(dialect, 'REGISTER', home(2, 6000))
  counter.says(phonebookDialect, 'alice', home(3))
  counter.says(phonebookDialect, 'a:b', home(4))
  counter.says(phonebookDialect, 'six', { address: '2001:db8::6', port: 5 })
  const list = "LIST_ACK:alice,('198.51.100.3', 5000)\n2,('198.51.100.2', 6000)"
  t.same(counter.says(dialect, 'LIST', home(1)), [list])
  t.same(counter.says(dialect, 'CONNECT:six', home(1)), ['CONNECT_NAK:six'])
  t.same(counter.says(dialect, 'CONNECT:a:b', home(1)), ['CONNECT_ACK:198.51.100.4:5000'])
})

t.test('CONNECT says where; the other one is told in its own dialect, a numbered one not at all', async t => {
  const counter = createDesk()
  const dialect = createNumbered()
  counter.says(dialect, 'REGISTER', home(1))
  counter.says(dialect, 'REGISTER', home(2, 6000))
  counter.says(connectDialect, 'REGISTER c', home(3))
  t.same(counter.says(dialect, 'CONNECT:2', home(1)), ['CONNECT_ACK:198.51.100.2:6000'])
  t.same(counter.says(dialect, 'CONNECT:9', home(1)), ['CONNECT_NAK:9'])
  const toNumbered = counter.ask(dialect, 'CONNECT:2', home(1))
  const toConnect = counter.ask(dialect, 'CONNECT:c', home(1))
  if (typeof toNumbered === 'string' || typeof toConnect === 'string') throw new Error('refused')
  t.same(counter.introduced(toNumbered, dialect), [])
  t.same(counter.introduced(toConnect, connectDialect), [['c', 'CONNECT 1 198.51.100.1 5000']])
  t.equal(counter.phonebook.size, 3, 'and nobody is forgotten')
})

t.test(
  '--strict: never more than three times what a source sent; LIST has as many whole rows as are paid for',
  async t => {
    const counter = createDesk({ strict: true })
    const dialect = createNumbered()
    for (let i = 1; i <= 60; i++) counter.says(dialect, 'REGISTER', home(i))
    let [bytesIn, bytesOut] = [28 + 8, 28 + 'REGISTER_ACK:1'.length]
    for (let i = 0; i < 200; i++) {
      const [list = ''] = counter.says(dialect, 'LIST', home(1))
      bytesIn += 28 + 4
      bytesOut += 28 + list.length
      t.match(list, /^LIST_ACK:(\d+,\('[\d.]+', \d+\)(\n(?=\d)|$))*$/, 'whole rows')
    }
    t.ok(bytesOut <= 3 * bytesIn, `${bytesOut} out, ${bytesIn} in`)
    const [friendly = ''] = (() => {
      const open = createDesk()
      const door = createNumbered()
      for (let i = 1; i <= 60; i++) open.says(door, 'REGISTER', home(i))
      return open.says(door, 'LIST', home(1))
    })()
    t.ok(friendly.length > 900 && friendly.length <= longestList, `without it ${friendly.length} bytes`)
  },
)

t.test('10^5 registrants: every number once, every list within 1000 bytes', async t => {
  const counter = createDesk({ capacity: 100_000 })
  const dialect = createNumbered()
  const at = (i: number): Endpoint => ({
    address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    port: 1024 + (i % 60_000),
  })
  const given = new Set<string>()
  for (let i = 0; i < 100_000; i++) {
    const answer = counter.ask(dialect, 'REGISTER', at(i))
    if (typeof answer !== 'string') given.add(textOf(answer.datagrams[0] ?? new Uint8Array()))
  }
  t.equal(given.size, 100_000)
  t.ok(given.has('REGISTER_ACK:1') && given.has('REGISTER_ACK:100000'))
  for (let i = 0; i < 100_000; i += 997) {
    const answer = counter.ask(dialect, 'LIST', at(i))
    if (typeof answer === 'string') throw new Error(answer)
    const [list = new Uint8Array()] = answer.datagrams
    if (list.length > longestList || list.length < 900) t.fail(`${i}: ${list.length}`)
    const read = decodeNumberedAnswer(list)
    t.ok(read?.verb === 'LIST_ACK' && textOf(encodeNumberedAnswer(read)) === textOf(list), `${i}: whole rows`)
  }
})

// Messages

const story = (seed: number, loss = 0) => {
  const random = seededRandom(seed, 'story')
  const link = { latencyMs: random.next() * 80, jitterMs: random.next() * 20, loss }
  return { stage: createStage({ seed, trace: false, link }), random }
}

t.test('ours and ours: a message arrives once, whatever is lost', async t => {
  let worst = 0
  for (let seed = 1; seed <= 200; seed++) {
    const { stage, random } = story(seed, seed % 2 ? 0.1 : 0)
    stage.startServer()
    const alice = startDoor(stage, 'alice', createNumberedClient)
    stage.world.run(random.next() * 5000)
    const late = startDoor(stage, 'bob', createNumberedClient)
    stage.world.run(stage.world.now() + 6000)
    const { id } = late.core
    if (alice.core.id === undefined || id === undefined) {
      t.fail(`seed ${seed}: no number`)
      continue
    }
    const saidMs = stage.world.now()
    alice.act((client, nowMs) => client.say(id, 'how are you?', nowMs))
    stage.world.run(saidMs + 15_000)
    t.same(late.texts, ['how are you?'], `seed ${seed}`)
    worst = Math.max(worst, (late.of('message')[0]?.atMs ?? Infinity) - saidMs)
  }
  t.comment(`worst ${worst.toFixed(0)} ms`)
})

t.test('an older client and ours: each reads what the other types, and the older one stays alive', async t => {
  for (let seed = 1; seed <= 200; seed++) {
    const { stage, random } = story(seed)
    stage.startServer()
    const ours = startDoor(stage, 'ours', createNumberedClient)
    stage.world.run(random.next() * 3000)
    const older = startOlderNumberedClient(stage.hostOf('older'), server)
    stage.world.run(stage.world.now() + 2000)
    const said = (text: string): void => ours.act((client, nowMs) => client.say(older.id ?? '', text, nowMs))
    older.list()
    ours.act((client, nowMs) => client.list(nowMs))
    stage.world.run(stage.world.now() + 1000)
    t.same(
      ours.of('listed').map(({ rows }) => rows.map(({ id }) => id)),
      [[older.id]],
    )
    t.match(older.lines.at(-1), /^\d,\('198\.51\.100\.\d', \d+\)$/)
    for (const text of ['LIST_ACK', 'CONNECT_ACK:192.0.2.9:9', 'EXIT_ACK', 'hello']) {
      said(text)
      stage.world.run(stage.world.now() + 1000 + random.next() * 500)
    }
    older.connect(ours.core.id ?? '', 'hello yourself')
    stage.world.run(stage.world.now() + 10_000)
    t.equal(older.deaf, undefined, `seed ${seed}: it still hears`)
    const heard = new Set(older.heard.map(({ text }) => text))
    for (const text of [' LIST_ACK', ' CONNECT_ACK:192.0.2.9:9', ' EXIT_ACK', 'hello']) t.ok(heard.has(text), text)
    t.same(ours.texts, ['hello yourself'], `seed ${seed}`)
  }
})

t.test('a message is repeated every second, five times at most, until anything comes back', async t => {
  const { stage } = story(1)
  stage.startServer()
  const ours = startDoor(stage, 'ours', createNumberedClient)
  const older = startOlderNumberedClient(stage.hostOf('older'), server)
  stage.world.run(2000)
  ours.act((client, nowMs) => client.say('2', 'first', nowMs))
  stage.world.run(20_000)
  const times = older.heard.map(({ at }) => at - (older.heard[0]?.at ?? 0))
  t.equal(times.length, 5)
  for (const [i, atMs] of times.entries()) t.ok(Math.abs(atMs - 1000 * i) < 50, `${atMs}`)
  ours.act((client, nowMs) => client.say('2', 'second', nowMs))
  stage.world.run(21_500)
  older.connect('1', 'stop it')
  stage.world.run(40_000)
  t.ok(older.heard.filter(({ text }) => text === 'second').length <= 3, 'an answer ends it')
})

t.test('somebody says the same thing again: that is news after a while, a copy at once is not', async t => {
  const { stage } = story(1)
  stage.startServer()
  const ours = startDoor(stage, 'ours', createNumberedClient)
  const older = startOlderNumberedClient(stage.hostOf('older'), server)
  stage.world.run(2000)
  for (const afterMs of [2000, 3000, 3400, 10_000]) {
    stage.world.run(2000 + afterMs)
    older.connect('1', 'ok')
  }
  stage.world.run(30_000)
  t.same(ours.texts, ['ok', 'ok'])
})

t.test('nobody there, the server started anew, EXIT', async t => {
  const { stage } = story(1)
  const first = stage.startServer()
  const ours = startDoor(stage, 'ours', createNumberedClient)
  stage.world.run(1000)
  ours.act((client, nowMs) => client.say('7', 'anybody?', nowMs))
  stage.world.run(3000)
  t.same(
    ours.of('unknown').map(({ peer }) => peer),
    ['7'],
  )
  first.server.close()
  stage.startServer()
  const other = startDoor(stage, 'other', createNumberedClient)
  stage.world.run(4000)
  t.equal(other.core.id, '1', 'the new server counts from 1')
  ours.act((client, nowMs) => client.say('1', 'still there?', nowMs))
  stage.world.run(10_000)
  t.equal(ours.core.id, '2', 'registered again, as the server did not know us')
  t.same(other.texts, ['still there?'])
  ours.act((client, nowMs) => client.exit(nowMs))
  stage.world.run(11_000)
  t.equal(ours.of('left').length, 1)
})
