// The connect dialect: bytes and values both ways, what the server answers, and who meets whom through it.
import t from 'tap'
import fc from 'fast-check'
import { parseAddress } from '../src/endpoint.ts'
import { createConnectClient } from '../src/client/connect-client.ts'
import { connect as dialect } from '../src/dialects/connect/answer.ts'
import {
  type ConnectAnswer,
  type ConnectRequest,
  decodeConnectAnswer,
  decodeConnectRequest,
  encodeConnectAnswer,
  encodeConnectRequest,
  isConnectRequest,
} from '../src/dialects/connect/codec.ts'
import type { Refusal } from '../src/dialects/dialect.ts'
import { createNumbered } from '../src/dialects/numbered/answer.ts'
import { phonebook as phonebookDialect } from '../src/dialects/phonebook/answer.ts'
import { createStage, port, serverAddress } from '../src/lab/stage.ts'
import { seededRandom } from '../src/sim/random.ts'
import { bytesOf, createDesk, home, textOf } from './fixtures/desk.ts'
import { startDoor } from './fixtures/doors.ts'
import { startOlderConnectClient } from './fixtures/older-connect-client.ts'

const server = { address: serverAddress, port }

// Bytes and values

const requests: [wire: string, request: ConnectRequest][] = [
  ['REGISTER 12345', { verb: 'REGISTER', id: '12345' }],
  ['REGISTER žluťoučký', { verb: 'REGISTER', id: 'žluťoučký' }],
  ['CONNECT 12345 56789', { verb: 'CONNECT', id: '12345', peer: '56789' }],
  ['CONNECT me me', { verb: 'CONNECT', id: 'me', peer: 'me' }],
]

const answers: [wire: string, answer: ConnectAnswer][] = [
  ['REGISTERED 192.0.2.1', { verb: 'REGISTERED', address: '192.0.2.1' }],
  ['REGISTERED 2001:db8::1', { verb: 'REGISTERED', address: '2001:db8::1' }],
  ['CONNECT 56789 192.0.2.1 5000', { verb: 'CONNECT', id: '56789', endpoint: { address: '192.0.2.1', port: 5000 } }],
  ['ERROR unknown id 7', { verb: 'ERROR', reason: 'unknown id 7' }],
  ['ERROR ', { verb: 'ERROR', reason: '' }],
]

t.test('requests and answers, both ways', async t => {
  for (const [wire, request] of requests) {
    t.ok(isConnectRequest(bytesOf(wire)), wire)
    t.same(decodeConnectRequest(bytesOf(wire)), request, wire)
    t.equal(textOf(encodeConnectRequest(request)), wire)
  }
  for (const [wire, answer] of answers) {
    t.same(decodeConnectAnswer(bytesOf(wire)), answer, wire)
    t.equal(textOf(encodeConnectAnswer(answer)), wire)
  }
})

t.test('what is not for this door, and what no server says', async t => {
  const strangers = ['', 'REGISTER', 'REGISTER ', 'REGISTER a b', 'REGISTER v=2', 'CONNECT', 'CONNECT a', 'CONNECT a ']
  strangers.push('CONNECT a b c', 'CONNECT a  b', 'CONNECT a seek=b', 'CONNECT:2', 'register a', ' REGISTER a')
  strangers.push('REGISTERED 192.0.2.1', `REGISTER ${'x'.repeat(300)}`)
  for (const wire of strangers) t.notOk(dialect.recognises(bytesOf(wire)), JSON.stringify(wire))
  t.notOk(dialect.recognises(Uint8Array.of(0x52, 0xff)))
  const refused: [wire: string, why: Refusal][] = [
    ['REGISTER a,b', 'bad-name'],
    [`REGISTER ${'x'.repeat(65)}`, 'bad-name'],
    ['REGISTER a\n', 'bad-name'],
    ['CONNECT LIST b', 'reserved-name'],
    ['CONNECT a ERROR', 'reserved-name'],
  ]
  for (const [wire, why] of refused) t.equal(decodeConnectRequest(bytesOf(wire)), why, wire)
  const unsaid = ['REGISTERED', 'REGISTERED 1', 'REGISTERED 0x7f.1', 'REGISTERED 192.0.2.1 x', 'CONNECT a 192.0.2.1']
  unsaid.push('CONNECT a 192.0.2.1 0', 'CONNECT a 192.0.2.1 65536', 'CONNECT a 127.66 5', 'CONNECT a,b 192.0.2.1 5')
  unsaid.push('CONNECT a 192.0.2.1 5 6', 'hello', '')
  for (const wire of unsaid) t.equal(decodeConnectAnswer(bytesOf(wire)), undefined, JSON.stringify(wire))
})

t.test('every truncation is refused, or says exactly what it looks like', async t => {
  for (const [wire] of [...requests, ...answers]) {
    const bytes = bytesOf(wire)
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length)
      const request = isConnectRequest(cut) ? decodeConnectRequest(cut) : 'unrecognised'
      if (typeof request !== 'string') t.same(encodeConnectRequest(request), cut)
      const answer = decodeConnectAnswer(cut)
      if (answer && !(answer.verb === 'ERROR')) t.same(encodeConnectAnswer(answer), cut)
    }
  }
})

t.test('any bytes: nothing throws, and what is read can be written again', async () => {
  const words = fc.constantFrom('REGISTER', 'CONNECT', 'REGISTERED', 'ERROR', ' ', 'a', '1', '192.0.2.1', '=', ',', ':')
  const wire = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.array(words).map(all => bytesOf(all.join(''))),
  )
  fc.assert(
    fc.property(wire, bytes => {
      const request = isConnectRequest(bytes) ? decodeConnectRequest(bytes) : ''
      if (typeof request !== 'string' && textOf(encodeConnectRequest(request)) !== textOf(bytes)) return false
      const answer = decodeConnectAnswer(bytes)
      return answer?.verb !== 'CONNECT' || parseAddress(answer.endpoint.address) === answer.endpoint.address
    }),
    { numRuns: 5000 },
  )
})

// What is answered

t.test('two register and one connects them; then the server forgets both', async t => {
  const counter = createDesk()
  t.same(counter.says(dialect, 'REGISTER 12345', home(1)), ['REGISTERED 198.51.100.1'])
  t.same(counter.says(dialect, 'REGISTER 56789', home(2, 6000)), ['REGISTERED 198.51.100.2'])
  const answer = counter.ask(dialect, 'CONNECT 12345 56789', home(1))
  if (typeof answer === 'string') throw new Error(answer)
  t.same(answer.datagrams.map(textOf), ['CONNECT 56789 198.51.100.2 6000'])
  t.same(counter.introduced(answer, dialect), [['56789', 'CONNECT 12345 198.51.100.1 5000']])
  t.equal(counter.phonebook.size, 0)
  t.same(counter.says(dialect, 'CONNECT 12345 56789', home(1)), ['ERROR unknown id 12345'])
})

t.test('an unknown id costs nobody an entry; a stranger can connect nobody', async t => {
  const counter = createDesk()
  counter.says(dialect, 'REGISTER a', home(1))
  counter.says(dialect, 'REGISTER b', home(2))
  t.same(counter.says(dialect, 'CONNECT a nobody', home(1)), ['ERROR unknown id nobody'])
  for (const from of [home(3), home(1, 5001), home(2)]) {
    t.equal(counter.says(dialect, 'CONNECT a b', from), 'not-its-own', JSON.stringify(from))
  }
  t.equal(counter.phonebook.size, 2)
  t.same(counter.says(dialect, 'CONNECT a a', home(1)), ['CONNECT a 198.51.100.1 5000'], 'with oneself')
})

t.test('who came in through another door is introduced, and not forgotten', async t => {
  const counter = createDesk()
  counter.says(phonebookDialect, 'alice', home(1))
  counter.says(dialect, 'REGISTER a', home(2))
  t.equal(counter.says(dialect, 'CONNECT alice a', home(1)), 'not-its-own', 'she does not speak this dialect')
  const answer = counter.ask(dialect, 'CONNECT a alice', home(2))
  if (typeof answer === 'string') throw new Error(answer)
  t.same(
    answer.introductions?.map(([receiver, { name }]) => [receiver.door, receiver.name, name]),
    [['phonebook', 'alice', 'a']],
    'in her own dialect',
  )
  t.same(
    [...counter.phonebook.entries()].map(({ name }) => name),
    ['alice'],
  )
})

t.test('an id that numbered gave away is kept; the last REGISTER of any other name wins', async t => {
  const counter = createDesk()
  t.same(counter.says(createNumbered(), 'REGISTER', home(1)), ['REGISTER_ACK:1'])
  t.same(counter.says(dialect, 'REGISTER 1', home(2)), ['ERROR id 1 in use'])
  t.same(counter.phonebook.find('1')?.endpoint, home(1))
  counter.says(phonebookDialect, 'x', home(3))
  t.same(counter.says(dialect, 'REGISTER x', home(4)), ['REGISTERED 198.51.100.4'])
  t.same(counter.phonebook.find('x')?.endpoint, home(4))
})

t.test('IPv6 endpoints are not given to who came over IPv4', async t => {
  const counter = createDesk()
  const six = { address: '2001:db8::6', port: 5000 }
  t.same(counter.says(dialect, 'REGISTER six', six), ['REGISTERED 2001:db8::6'])
  counter.says(dialect, 'REGISTER four', home(4))
  t.same(counter.says(dialect, 'CONNECT four six', home(4)), ['ERROR unknown id six'])
  const answer = counter.ask(dialect, 'CONNECT six four', six)
  if (typeof answer === 'string') throw new Error(answer)
  t.same(answer.datagrams.map(textOf), ['CONNECT four 198.51.100.4 5000'])
  t.same(answer.introductions, [], 'the other one could not use it')
})

t.test('--strict: never more than three times what a source sent, over 20,000 requests', async t => {
  const counter = createDesk({ strict: true })
  const random = seededRandom(1, 'strict')
  const ids = ['a', 'b', 'longer-id-of-somebody', 'x'.repeat(64)]
  const pick = (): string => ids[Math.floor(random.next() * ids.length)] ?? 'a'
  const bytes = new Map<string, { in: number; out: number }>()
  for (let i = 0; i < 20_000; i++) {
    const from = home(1 + Math.floor(random.next() * 4))
    const wire = random.next() < 0.3 ? `REGISTER ${pick()}` : `CONNECT ${pick()} ${pick()}`
    const said = counter.says(dialect, wire, from)
    const account = bytes.get(from.address) ?? { in: 0, out: 0 }
    account.in += 28 + wire.length
    if (typeof said !== 'string') for (const text of said) account.out += 28 + text.length
    bytes.set(from.address, account)
    counter.nowMs += 1
  }
  for (const [address, account] of bytes)
    t.ok(account.out <= 3 * account.in, `${address}: ${account.out}/${account.in}`)
})

t.test('10^5 registrants, and every two of them connect', async t => {
  const counter = createDesk({ capacity: 100_000 })
  const at = (i: number) => ({ address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, port: 1024 + (i % 60_000) })
  for (let i = 0; i < 100_000; i++) counter.ask(dialect, `REGISTER ${i}`, at(i))
  t.equal(counter.phonebook.size, 100_000)
  let met = 0
  for (let i = 0; i < 100_000; i += 2) {
    const answer = counter.ask(dialect, `CONNECT ${i} ${i + 1}`, at(i))
    if (typeof answer !== 'string' && textOf(answer.datagrams[0] ?? new Uint8Array()).startsWith(`CONNECT ${i + 1} `))
      met++
  }
  t.equal(met, 50_000)
  t.equal(counter.phonebook.size, 0, 'all forgotten')
})

// Meetings

const story = (seed: number, loss = 0) => {
  const random = seededRandom(seed, 'story')
  const link = { latencyMs: random.next() * 80, jitterMs: random.next() * 20, loss }
  return { stage: createStage({ seed, trace: false, link }), random }
}

t.test('two of ours with -c meet, whatever is lost and whoever comes first', async t => {
  for (const [loss, boundMs] of [
    [0, 2500],
    [0.1, 45_000],
  ] as const) {
    let worst = 0
    for (let seed = 1; seed <= 150; seed++) {
      const { stage, random } = story(seed, loss)
      stage.startServer()
      const first = startDoor(stage, 'a', outside => createConnectClient(outside, { me: '12345', peer: '56789' }))
      const laterMs = random.next() * 20_000
      stage.world.run(laterMs)
      const second = startDoor(stage, 'b', outside => createConnectClient(outside, { me: '56789', peer: '12345' }))
      stage.world.run(laterMs + 60_000)
      const connectedMs = Math.max(...[first, second].map(side => side.of('connected')[0]?.atMs ?? Infinity)) - laterMs
      worst = Math.max(worst, connectedMs)
      if (connectedMs > boundMs) t.fail(`loss ${loss}, seed ${seed}: ${connectedMs}`)
    }
    t.comment(`loss ${loss} at each end: worst ${worst.toFixed(0)} ms`)
  }
})

t.test('an older client and ours: either connects, and each reads what the other types', async t => {
  for (let seed = 1; seed <= 200; seed++) {
    const { stage, random } = story(seed)
    const ours = startDoor(stage, 'ours', outside => createConnectClient(outside, { me: '1' }))
    stage.startServer()
    stage.world.run(random.next() * 3000)
    const older = startOlderConnectClient(stage.hostOf('older'), server, '2')
    stage.world.run(stage.world.now() + 5000)
    t.same(
      ours.of('registered').map(({ name, address }) => [name, address]),
      [['1', '198.51.100.1']],
    )
    t.same(older.lines, ['REGISTERED 198.51.100.3'])
    if (seed % 2) ours.act((client, nowMs) => client.connect('1', '2', nowMs))
    else older.type('CONNECT 2 1')
    stage.world.run(stage.world.now() + 1000)
    t.ok(older.peer && ours.core.endpoint, `seed ${seed}: introduced`)
    ours.act((client, nowMs) => client.say('first', nowMs))
    const laterMs = random.next() * 20_000
    stage.world.run(stage.world.now() + laterMs)
    older.type('from the older one')
    stage.world.run(stage.world.now() + 1000)
    for (const text of ['CONNECT me', 'CONNECTED?', 'last']) ours.act((client, nowMs) => client.say(text, nowMs))
    stage.world.run(stage.world.now() + 6000)
    t.equal(older.deaf, undefined, `seed ${seed}: it still hears`)
    const heard = new Set(older.heard.map(({ text }) => text))
    for (const text of ['first', ' CONNECT me', ' CONNECTED?', 'last']) t.ok(heard.has(text), `seed ${seed}: ${text}`)
    t.same(ours.texts, ['from the older one'], `seed ${seed}`)
  }
})

t.test('an older client that stays silent is greeted eight times, and hears no more than 40 lines', async t => {
  const { stage } = story(1)
  stage.startServer()
  const older = startOlderConnectClient(stage.hostOf('older'), server, '2')
  stage.world.run(1000)
  const ours = startDoor(stage, 'ours', outside => createConnectClient(outside, { me: '1', peer: '2' }))
  stage.world.run(60_000)
  const greetings = Array.from({ length: 8 }, () => 'This is a direct P2P message from 1 to 2')
  t.same(older.lines, ['REGISTERED 198.51.100.2', ...greetings])
  ours.act((client, nowMs) => client.say('too late', nowMs))
  t.match(ours.of('unsent'), [{ text: 'too late', why: /nothing has come back/ }], 'the user is told')
  const another = startDoor(stage, 'another', outside => createConnectClient(outside, { me: '3', peer: '4' }))
  const silent = startOlderConnectClient(stage.hostOf('silent'), server, '4')
  stage.world.run(65_000)
  for (let i = 0; i < 60; i++) another.act((client, nowMs) => client.say(`line ${i}`, nowMs))
  stage.world.run(200_000)
  t.ok(silent.heard.length > 35 && silent.heard.length <= 42, `${silent.heard.length} lines`)
  t.equal(another.of('unsent').length, 60 - silent.lines.filter(line => line.startsWith('line')).length)
})

t.test('nobody steps into a conversation, be it under the peer’s own name; once that one is silent he may', async t => {
  const { stage } = story(1)
  stage.startServer()
  const a = startDoor(stage, 'a', outside => createConnectClient(outside, { me: 'a', peer: 'b' }))
  const b = startDoor(stage, 'b', outside => createConnectClient(outside, { me: 'b', peer: 'a' }))
  stage.world.run(5000)
  t.equal(a.core.progress, 'connected')
  const where = a.core.endpoint
  const liar = stage.world.internet.attach({ name: 'liar', receive() {} }, ['198.51.100.200'])
  const introduce = (id: string): void => {
    const bytes = encodeConnectAnswer({ verb: 'CONNECT', id, endpoint: { address: '192.0.2.66', port: 66 } })
    liar.send({ id: 1_000_000, from: server, to: { address: '198.51.100.2', port: 49152 }, bytes, ttl: 64 })
  }
  introduce('b')
  introduce('mallory')
  stage.world.run(6000)
  t.same(a.core.endpoint, where)
  t.same(
    a
      .of('refused')
      .map(({ peer }) => peer)
      .sort(), // jitter turns them round
    ['b', 'mallory'],
  )
  b.close()
  stage.world.run(60_000)
  introduce('again')
  stage.world.run(61_000)
  t.same(a.core.endpoint, { address: '192.0.2.66', port: 66 })
})

t.test('a hostile server cannot aim us at where packets have no business', async t => {
  for (const at of ['127.0.0.1 5000', '10.0.0.1 5000', '224.0.0.1 5000', '255.255.255.255 5000', '0.0.0.0 5000']) {
    const stage = createStage({ seed: 1 })
    const socket = stage.hostOf('server').udp({ port })
    socket.onDatagram((bytes, from) => {
      const said = textOf(bytes).startsWith('REGISTER') ? `REGISTERED ${from.address}` : `CONNECT 2 ${at}`
      socket.send(bytesOf(said), from)
    })
    const ours = startDoor(stage, 'ours', outside => createConnectClient(outside, { me: '1', peer: '2' }))
    stage.world.run(10_000)
    t.ok(ours.of('refused').length > 0, at)
    t.equal(ours.of('introduced').length, 0, at)
  }
})

t.test('no answer: after 3 s it is said what came back instead', async t => {
  const forms: [said: Uint8Array, looksLike: string | undefined][] = [
    [bytesOf('0,1,REGISTER,198.51.100.1,5000\n'), 'phonebook'],
    [bytesOf('REGISTER_ACK:1'), 'numbered'],
    [bytesOf('hello'), undefined],
  ]
  for (const [said, looksLike] of forms) {
    const stage = createStage({ seed: 1 })
    const socket = stage.hostOf('server').udp({ port })
    socket.onDatagram((_bytes, from) => socket.send(said, from))
    const ours = startDoor(stage, 'ours', outside => createConnectClient(outside, { me: '1' }), { timeoutMs: 6000 })
    stage.world.run(10_000)
    t.same(
      ours.of('unanswered').map(event => [event.elapsedMs, event.looksLike]),
      [[3000, looksLike]],
    )
    t.equal(ours.of('failed')[0]?.reason, 'server-unreachable')
    t.equal(ours.events.at(-1)?.event, 'closed')
  }
})
