// The clients of connect, numbered and stun against whoever means harm or merely breaks: nothing throws, nothing hostile is
// printed, nobody can aim them; and the questions to a server with several addresses.
import t from 'tap'
import type { Endpoint } from '../src/endpoint.ts'
import { connectDoor } from '../src/cli/doors/connect.ts'
import type { DoorTalk, Screen } from '../src/cli/doors/door.ts'
import { numberedDoor } from '../src/cli/doors/numbered.ts'
import { stunDoor } from '../src/cli/doors/stun.ts'
import { eventToJson } from '../src/cli/json.ts'
import { pieces } from '../src/cli/pieces.ts'
import { Asker } from '../src/client/asker.ts'
import { createConnectClient } from '../src/client/connect-client.ts'
import type { DoorEvent } from '../src/client/door-events.ts'
import type { Core, Outside } from '../src/client/drive.ts'
import { createNumberedClient } from '../src/client/numbered-client.ts'
import { createStunClient } from '../src/client/stun-client.ts'
import { TextPeer } from '../src/client/text-peer.ts'
import { createDialects } from '../src/dialects/index.ts'
import { encodeNumberedAnswer } from '../src/dialects/numbered/codec.ts'
import { encodeConnectAnswer } from '../src/dialects/connect/codec.ts'
import { type Message, binding, encode, newTransactionId } from '../src/dialects/stun/message.ts'
import { StageError } from '../src/errors.ts'
import { mutated } from '../src/lab/mutate.ts'
import { createStage, port, serverAddress } from '../src/lab/stage.ts'
import { seededRandom } from '../src/sim/random.ts'
import { bytesOf, textOf } from './fixtures/desk.ts'
import { startDoor } from './fixtures/doors.ts'

const home: Endpoint = { address: '198.51.100.2', port: 49152 }
const stun = (kind: Message['class'], attributes: Message['attributes']): Uint8Array =>
  encode({ class: kind, method: binding, transactionId: newTransactionId(new Uint8Array(12)), attributes })
const samples: readonly Uint8Array[] = [
  ...createDialects().flatMap(dialect => dialect.samples),
  ...['192.0.2.7', '192.0.2.8', '10.0.0.1', '127.0.0.1'].flatMap(address => [
    encodeNumberedAnswer({ verb: 'CONNECT_ACK', endpoint: { address, port: 5000 } }),
    encodeConnectAnswer({ verb: 'CONNECT', id: '2', endpoint: { address, port: 5000 } }),
    stun('indication', [
      { name: 'PEER-ID', value: '2' },
      { name: 'XOR-PEER-ADDRESS', value: { address, port: 5000 } },
    ]),
  ]),
  stun('success response', [{ name: 'XOR-MAPPED-ADDRESS', value: home }]),
  stun('error response', [{ name: 'ERROR-CODE', value: { code: 420, reason: 'no' } }]),
  bytesOf('This is a direct P2P message from 2 to 1'),
]

const clients: [name: string, create: (outside: Outside) => Core, use: (core: never, nowMs: number) => void][] = [
  [
    'connect',
    outside => createConnectClient(outside, { me: '1', peer: '2' }),
    (core: ReturnType<typeof createConnectClient>, nowMs) => {
      core.say('a line', nowMs)
      core.connect('1', '2', nowMs)
    },
  ],
  [
    'numbered',
    createNumberedClient,
    (core: ReturnType<typeof createNumberedClient>, nowMs) => {
      core.list(nowMs)
      core.say('2', 'a line', nowMs)
    },
  ],
  [
    'stun',
    outside => createStunClient(outside, { me: '1', peer: '2', offerHosts: true, trace: () => {} }),
    (core: ReturnType<typeof createStunClient>, nowMs) => void core.say('a line', nowMs),
  ],
]

t.test('40,000 mutated datagrams each: nothing throws, and nobody is sent more than good manners allow', async t => {
  for (const [name, create, use] of clients) {
    const stage = createStage({ seed: name, trace: false, link: { latencyMs: 1 } })
    const random = seededRandom(1, name)
    const host = stage.hostOf('ours')
    const sentTo = new Map<string, number[]>()
    const udp = host.udp.bind(host)
    host.udp = at => {
      const socket = udp(at)
      const send = socket.send.bind(socket)
      socket.send = (bytes, to, more) => {
        sentTo.set(to.address, [...(sentTo.get(to.address) ?? []), stage.world.now()])
        send(bytes, to, more)
      }
      return socket
    }
    const ours = startDoor(stage, 'ours', create)
    const [server, stranger] = [stage.hostOf('server').udp({ port }), stage.hostOf('stranger').udp()]
    let at: Endpoint | undefined
    server.onDatagram((_bytes, from) => void (at = from))
    stage.world.run(100)
    for (let i = 0; i < 40_000; i++) {
      const bytes = random.next() < 0.2 ? samples[i % samples.length] : mutated(samples, random)
      if (at && bytes) (random.next() < 0.7 ? server : stranger).send(bytes, at)
      if (i % 50 === 0) ours.act((core, nowMs) => use(core as never, nowMs))
      stage.world.run(stage.world.now() + 10)
    }
    t.ok(at, `${name}: it asked`)
    t.equal(ours.of('failed').length, 0)
    for (const [address, times] of sentTo) {
      if (address === serverAddress) continue
      t.notMatch(address, /^(10|127|0|2[2-5]\d)\./, `${name}: ${address} is none of our business`)
      if (address === stage.hostOf('stranger').addresses()[0]) continue // it answers, as a peer would
      const most = Math.max(...times.map(from => times.filter(ms => ms >= from && ms < from + 60_000).length))
      t.ok(most <= 41, `${name}: ${most} in a minute to ${address}`)
    }
    t.ok(ours.events.length < 60_000, 'and it does not tell more than it was told')
  }
})

t.test('no control or bidi character of anybody reaches the screen, whatever happens', async t => {
  const evil = 'a\u001b[2J\u0007\u202eb\u009bc\r\nd'
  const events: DoorEvent[] = [
    { event: 'registering', name: evil, server: home },
    { event: 'registered', name: evil, server: home, address: '192.0.2.1', endpoint: home },
    { event: 'introduced', peer: evil, endpoint: home },
    { event: 'connected', peer: evil, endpoint: home, elapsedMs: 1 },
    { event: 'message', from: evil, endpoint: home, text: evil, bytes: bytesOf(evil) },
    { event: 'stranger', endpoint: home, text: evil, length: 9 },
    { event: 'refused', peer: evil, endpoint: home, why: 'is a private address' },
    { event: 'listed', rows: [{ id: evil, endpoint: home }] },
    { event: 'unknown', peer: evil },
    { event: 'rejected', reason: evil },
    { event: 'unsent', peer: evil, text: evil, why: 'nothing has come back' },
    { event: 'given-up', verb: 'LIST' },
    { event: 'left' },
    { event: 'failed', reason: 'internal', error: new StageError('internal', 'oh') },
  ]
  const printed: string[] = []
  const screen: Screen = {
    line: text => void printed.push(text),
    note: text => void printed.push(text),
    prompt: text => void printed.push(text),
  }
  const doors = [
    connectDoor('1', '2'),
    numberedDoor(),
    stunDoor({ me: '1', peer: evil, offerHosts: true }),
  ] as unknown as DoorTalk<Core>[]
  for (const door of doors) for (const event of events) door.show(event, screen, {} as Core)
  for (const event of events) printed.push(eventToJson(event, 1))
  t.ok(printed.length > 30)
  for (const text of printed) t.notMatch(text, /[\p{C}\p{Zl}\p{Zp}]/u, JSON.stringify(text))
})

t.test('a server with several addresses: each repetition goes to the next one, until one answers', async t => {
  const servers = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(address => ({ address, port }))
  const sent: [address: string, atMs: number][] = []
  let lookups = 0
  let nowMs = 0
  const asker = new Asker({
    random: () => 0.5,
    send: (_bytes, to) => void sent.push([to.address.slice(-1), nowMs]),
    lookup: () => void lookups++,
  })
  const run = (untilMs: number): void => {
    for (; nowMs < untilMs; nowMs += 10) if (asker.deadline() <= nowMs) asker.tick(nowMs)
  }
  let givenUp = 0
  asker.ask({ bytes: bytesOf('one') }, 0)
  asker.ask({ bytes: bytesOf('two'), most: 3, onGivenUp: () => void givenUp++ }, 0)
  t.same(sent, [], 'nobody to ask yet')
  asker.found(servers, 0)
  run(5000)
  t.same(
    sent.map(([address]) => address),
    ['1', '2', '3', '1', '2', '3', '1'],
  )
  t.same(
    sent.map(([, atMs]) => atMs),
    [0, 250, 750, 1750, 2750, 3750, 4750],
  )
  t.ok(lookups >= 3, 'and the host is looked up again')
  sent.length = 0
  asker.heard({ address: '192.0.2.2', port })
  asker.settle(nowMs)
  run(10_000)
  t.equal(givenUp, 1, 'the next question, three times, then no more')
  t.same(
    sent.map(([address]) => address),
    ['2', '2', '2'],
  )
  t.equal(asker.deadline(), Infinity)
  for (let i = 0; i < 40; i++) asker.ask({ bytes: bytesOf('many') }, nowMs)
  t.notOk(asker.ask({ bytes: bytesOf('too many') }, nowMs), 'bounded')
})

t.test('a peer that goes on greeting has not heard us: it is told again, five times', async t => {
  const sent: string[] = []
  const peer = { address: '192.0.2.7', port: 5000 }
  const [greeting, ours] = ['This is a direct P2P message from 2 to 1', 'This is a direct P2P message from 1 to 2']
  const talk = new TextPeer({
    startedMs: 0,
    denseOpenings: 5,
    send: bytes => void sent.push(textOf(bytes)),
    onEvent: () => {},
  })
  t.equal(talk.say('to nobody', 0), 'not-connected')
  t.notOk(talk.receive(bytesOf('hello'), peer, 0), 'nobody was met')
  talk.meet('1', '2', peer, { address: '192.0.2.1', port }, 0)
  t.equal(talk.say('x'.repeat(1001), 0), 'too-long')
  t.equal(talk.say('waits', 10), 'held')
  t.same(sent, [ours], 'at once')
  t.ok(talk.receive(bytesOf(greeting), { ...peer, port: 6000 }, 100), 'from another port of its address')
  t.same(talk.endpoint, { ...peer, port: 6000 }, 'where it is answered from now on')
  t.same(sent.splice(0), [ours, 'waits'], 'what was typed is the answer')
  t.notOk(talk.receive(bytesOf('hello'), peer, 200), 'and from there alone')
  for (let i = 0; i < 20; i++) talk.receive(bytesOf(greeting), { ...peer, port: 6000 }, 300 + i)
  t.same(sent, [ours, ours, ours, ours, ours])
})

t.test('what is typed is cut for datagrams, and no character in two', async t => {
  const line = 'ä𝄞x'.repeat(700)
  const cut = pieces(line, 999)
  t.equal(cut.join(''), line)
  for (const piece of cut) t.ok(Buffer.byteLength(piece) <= 999 && !piece.includes('\ufffd'))
  t.same(pieces('', 999), [''])
})
