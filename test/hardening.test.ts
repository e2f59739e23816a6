// Accidents that a reader of the code found before anybody had them.
import { createColors } from 'picocolors'
import t from 'tap'
import { parseEndpoint } from '../src/endpoint.ts'
import { createServer } from '../src/library.ts'
import { Phonebook } from '../src/phonebook.ts'
import { decodeLines, decodeRegistration } from '../src/dialects/phonebook/codec.ts'
import { encodePeerMessage } from '../src/dialects/phonebook/peer.ts'
import { eventToJson } from '../src/cli/json.ts'
import { createServerTranscript } from '../src/cli/server-transcript.ts'
import { connect } from '../src/client/client.ts'
import type { ClientEvent } from '../src/client/events.ts'
import { Session } from '../src/client/session.ts'
import { createStage, port, serverAddress } from '../src/lab/stage.ts'
import { createNodeHost } from '../src/host/node.ts'
import { createSecrets } from '../src/server/secrets.ts'
import { cpuMsSince } from './fixtures/cpu.ts'

const text = (words: string): Uint8Array => new TextEncoder().encode(words)
const server = { address: serverAddress, port }

t.test('no bytes from the wire make a pattern backtrack', async t => {
  const started = process.cpuUsage()
  for (let i = 0; i < 100; i++) {
    parseEndpoint(`[${':'.repeat(60_000)}`)
    decodeLines(text(`0,1,a,192.0.2.1,5,host=[${':'.repeat(60_000)}`))
    decodeRegistration(text(`a v=2 ${`host=[${':'.repeat(200)} `.repeat(5)}`))
  }
  const ms = cpuMsSince(started)
  t.ok(ms < 3000, `${ms} ms; five seconds each it was`)
})

t.test('a client that is closed by whoever listens leaves nothing behind, at whatever event', async t => {
  const kinds: ClientEvent['event'][] = [
    'registering',
    'registered',
    'entry',
    'located',
    'check-sent',
    'heard',
    'connected',
  ]
  for (const kind of [...kinds, 'waiting', 'lost', 'message'] as const) {
    const stage = createStage({ seed: 1, trace: false, link: { latencyMs: 5 } })
    const { server: running } = stage.startServer()
    let seen = 0
    const alice = stage.startClient('alice', kind === 'waiting' ? 'nobody' : 'bob', {
      onEvent(event) {
        if (event.event !== kind) return
        seen++
        queue.push(() => alice.client.close())
        if (kind !== 'registering') alice.client.close()
      },
    })
    const queue: (() => void)[] = []
    const bob = stage.startClient('bob', 'alice')
    stage.world.run(3000)
    bob.client.send('hello')
    stage.world.run(8000)
    bob.client.close()
    stage.world.run(9000)
    for (const later of queue) later()
    running.close()
    stage.world.run(200_000)
    t.ok(seen > 0, kind)
    t.equal(stage.world.pending, 0, `${kind}: no timer lives on`)
  }
})

t.test('a forged check is no sign of life: three checks to an unproven endpoint, not more', async t => {
  const stage = createStage({ seed: 4, trace: false, link: { latencyMs: 10 } })
  stage.startServer()
  const alice = stage.startClient('alice', 'bob')
  stage.world.run(1000)
  const victim = { address: '192.0.2.66', port: 7000 }
  let toVictim = 0
  const at = stage.world.internet.attach({ name: 'victim', receive: () => void toVictim++ }, [victim.address])
  let id = 9_000_000
  const forge = (bytes: Uint8Array, to = server) => at.send({ id: id++, from: victim, to, bytes, ttl: 64 })
  forge(text('bob v=2 seek=alice'.padEnd(900)))
  stage.world.run(1500)
  const aliceAt = { address: alice.host.addresses()[0] ?? '', port: 49_152 }
  const check = {
    type: 'check',
    transaction: new Uint8Array(12),
    tag: new Uint8Array(8),
    pair: '',
    from: 'bob',
    to: 'alice',
  } as const
  for (let i = 0; i < 3000; i++) {
    forge(encodePeerMessage(check), aliceAt)
    if (i % 30 === 0) stage.world.run(stage.world.now() + 10)
  }
  stage.world.run(stage.world.now() + 60_000)
  t.ok(alice.of('check-sent').length <= 6, `${alice.of('check-sent').length} checks: three, renewed once`)
  t.ok(toVictim <= 80, `${toVictim} datagrams for 3,000 forged ones`)
})

t.test('the pair tokens of entries that are gone do not live on in one that stays', async t => {
  const book = new Phonebook({ capacity: 100 })
  const secrets = createSecrets(new Uint8Array(32))
  const register = (i: number) =>
    book.register(
      {
        name: `n${i}`,
        stage: '',
        endpoint: { address: '192.0.2.1', port: 1 + (i % 60_000) },
        door: 'phonebook',
        via: 0,
        newer: true,
        hosts: [],
      },
      i,
    ).entry
  const first = register(0)
  const second = register(1)
  secrets.pairToken(first, second)
  secrets.pairToken(second, first)
  book.remove(second)
  t.equal(second.pair, undefined, 'a removed entry holds nobody')
})

t.test('a session that begins after 2,147,483,648 messages takes the next one', async t => {
  for (const sequence of [0, 1, 2 ** 31 - 1, 2 ** 31, 3e9, 2 ** 32 - 1]) {
    const session = new Session({ address: '192.0.2.1', port: 1 }, new Uint8Array(8), 0)
    t.ok(session.isNew(sequence), `${sequence}`)
    t.notOk(session.isNew(sequence), 'once')
    t.ok(session.isNew((sequence + 1) % 2 ** 32))
  }
})

t.test('two lost checks in a row end no session: one that is not answered is repeated', async t => {
  const session = new Session({ address: '192.0.2.1', port: 1 }, new Uint8Array(8), 0)
  const asked: number[] = []
  for (let nowMs = 0; nowMs < 30_000 && session.due(nowMs) !== 'no-consent'; nowMs = session.deadline()) {
    session.heard(session.endpoint, nowMs)
    if (session.due(nowMs) === 'check') {
      asked.push(nowMs)
      session.checked(nowMs)
    }
    session.sent(nowMs)
  }
  t.same(asked, [10_000, 12_500, 15_000, 17_500, 20_000, 22_500, 25_000, 27_500])
  session.consented(29_000)
  t.equal(session.due(37_400), 'keepalive')
  t.equal(session.due(37_500), 'check', 'ten seconds after the last one, when that was answered')
})

t.test('a broadcast of more than a second can hold goes on where it stopped, and pays for each line once', async t => {
  const stage = createStage({ seed: 5, trace: false, keepEvents: false, link: { latencyMs: 5 } })
  const { server: running } = stage.startServer({ broadcastMs: 60_000, classic: true })
  const got = new Map<string, number>()
  for (let i = 0; i < 100; i++) {
    const socket = stage.world.host({ address: `192.0.2.${i + 1}`, name: `old${i}` }).udp()
    socket.send(text(`old${i}`), server)
    stage.world.after(30_000, () => socket.onDatagram(() => got.set(`old${i}`, (got.get(`old${i}`) ?? 0) + 1)))
  }
  stage.world.run(65_000)
  t.equal(got.size, 100)
  t.same([...new Set(got.values())], [16], 'sixteen lines each, nobody less')
  t.equal(running.counters().dispositions.internal, 0)
})

t.test('a broadcast to thousands of forged newcomers costs next to nothing', async t => {
  const stage = createStage({ seed: 6, trace: false, keepEvents: false, link: { latencyMs: 5 } })
  stage.startServer({ broadcastMs: 10_000 })
  const at = stage.world.internet.attach({ name: 'forger', receive() {} }, ['198.51.100.250'])
  for (let i = 0; i < 4096; i++) {
    const from = { address: `192.0.${i >> 8}.${i & 255}`, port: 4000 }
    at.send({ id: 8_000_000 + i, from, to: server, bytes: text(`n${i} v=2 seek=x${i}`), ttl: 64 })
  }
  stage.world.run(9000)
  const started = process.cpuUsage()
  stage.world.run(12_000)
  const ms = cpuMsSince(started)
  t.ok(ms < 2000, `${ms} ms for a round`)
})

t.test('nothing from the wire acts on a terminal, in JSON neither, and the JSON stays the same', async t => {
  const wild = 'a\u0000\u001b[31m\u007f\u0085\u009b31m\u00ad\u061c\u200b\u202e\u2028\u2029\u2066\ufeff\u{e0001}z'
  const line = eventToJson({ event: 'stranger', endpoint: server, text: wild, length: 1 }, 1)
  t.notMatch(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
  t.equal((JSON.parse(line) as { text: string }).text, wild)
})

t.test('what was asked in a second is counted once, whatever the door', async t => {
  const from = { address: '192.0.2.1', port: 5000 }
  for (const door of ['directory', 'numbered', 'connect'] as const) {
    const lines: string[] = []
    const transcript = createServerTranscript(
      line => lines.push(line),
      () => {},
      createColors(false),
    )
    for (let i = 0; i < 25; i++) transcript.show({ event: 'asked', door, from, verb: 'LIST', name: 'alice' })
    t.equal(lines.length, 20, door)
    transcript.second()
    t.match(lines.at(-1), /^5 more requests in this second\.$/)
  }
})

t.test('port 0 is one port, for IPv4 and IPv6', async t => {
  const running = await createServer({ port: 0 })
  const ports = new Set(running.endpoints.map(({ port }) => port))
  t.equal(ports.size, 1)
  t.ok(!ports.has(0))
  running.close()
})

t.test('to wait for ever is not to wait no time', async t => {
  const host = createNodeHost()
  let ran = false
  const cancels = [Infinity, 2 ** 40].map(ms => host.after(ms, () => (ran = true)))
  await new Promise(resolve => setTimeout(resolve, 50))
  t.notOk(ran)
  for (const cancel of cancels) cancel()
})

t.test('a listener that throws costs nobody an answer', async t => {
  const stage = createStage({ seed: 7, trace: false, link: { latencyMs: 5 } })
  const thrown: unknown[] = []
  const { server: running } = stage.startServer({
    onEvent: ({ event }) => {
      if (event === 'registered') throw new Error('listener')
    },
  })
  const alice = stage.startClient('alice', 'bob')
  for (let i = 0; i < 20; i++) {
    try {
      stage.world.run(stage.world.now() + 50)
    } catch (error) {
      thrown.push(error)
    }
  }
  t.ok(thrown.length > 0, 'and it comes up where it belongs')
  t.ok(alice.of('registered').length > 0)
  t.equal(running.counters().dispositions.internal, 0)
})

t.test('a client lives through a name that leads nowhere it can go', async t => {
  const stage = createStage({ seed: 8, trace: false, link: { latencyMs: 5 } })
  const host = stage.hostOf('alice')
  const udp = host.udp.bind(host)
  let fails = false
  host.udp = at => udp(fails ? { ...at, address: '192.0.2.250' } : at)
  stage.world.dns.set('stage.test', [serverAddress])
  stage.startServer()
  const events: ClientEvent[] = []
  const options = {
    server: 'stage.test',
    name: 'alice',
    peer: 'bob',
    onEvent: (event: ClientEvent) => void events.push(event),
  }
  const alice = connect(host, options)
  stage.startClient('bob', 'alice', { server: 'stage.test' })
  stage.world.run(2000)
  t.equal(alice.state, 'connected')
  fails = true
  stage.hostOf('server').stop()
  stage.world.dns.set('stage.test', ['2001:db8::7'])
  stage.world.run(120_000)
  t.equal(alice.state, 'connected', 'the conversation goes on')
  t.same(
    events.filter(({ event }) => event === 'failed'),
    [],
  )
})

t.test('what is kept to be said later has a bound, and nobody goes without', async t => {
  const stage = createStage({ seed: 5, trace: false, link: { latencyMs: 1 } })
  const { server: running } = stage.startServer({ classic: true })
  const crowd = stage.world.host({ name: 'crowd', address: '192.0.2.9' }).udp()
  let own = 0
  crowd.onDatagram(bytes => void (decodeLines(bytes)[0]?.name === 'a' && own++))
  crowd.send(text('a'), server)
  crowd.send(text('b'), server)
  stage.world.run(5000)
  const idle = stage.world.pending
  own = 0
  for (let i = 0; i < 5000; i++) crowd.send(text('a'), server)
  stage.world.run(5100)
  t.equal(stage.world.pending - idle, 1000)
  t.equal(own, 4000, 'the others at once')
  stage.world.run(7000)
  t.equal(own, 5000)
  running.close()
})
