// The stand-ins for the two older C++ programs, each of their habits by itself. The facts were compared with the
// compiled originals on loopback; here they are pinned.
import t from 'tap'
import type { Endpoint } from '../src/endpoint.ts'
import type { Host } from '../src/host.ts'
import { manualNet, type ManualNet } from './fixtures/manual-host.ts'
import { startOlderClient, type OlderClientQuirks } from '../src/lab/older-client.ts'
import { startOlderServer, type OlderServerQuirks } from '../src/lab/older-server.ts'

const stage: Endpoint = { address: '192.0.2.1', port: 8080 }
const bytesOf = (text: string) => Buffer.from(text)

/** A socket that remembers what came, and at which time. */
const listener = (host: Host, port = 5000) => {
  const socket = host.udp({ port })
  const got: string[] = []
  const times: number[] = []
  socket.onDatagram(bytes => {
    got.push(Buffer.from(bytes).toString())
    times.push(host.now())
  })
  return { got, times, send: (text: string, to: Endpoint) => socket.send(bytesOf(text), to) }
}

const serverAt = (quirks: Partial<OlderServerQuirks> = {}) => {
  const net = manualNet()
  const server = startOlderServer(net.host(stage.address), { port: stage.port, quirks })
  const caller = listener(net.host('203.0.113.5'))
  net.run(0)
  const ask = (text: string) => {
    caller.got.length = 0
    caller.send(text, stage)
    net.run(2)
    return [...caller.got]
  }
  return { net, server, ask }
}

t.test('the older server answers a name with the whole book, in slot order, an entry to a datagram', async t => {
  const { net, server, ask } = serverAt()
  t.same(ask('alice'), ['0,1,alice,203.0.113.5,5000\n'])
  const bob = listener(net.host('203.0.113.6'), 6000)
  bob.send('bob', stage)
  net.run(2)
  t.same(bob.got, ['0,2,alice,203.0.113.5,5000\n', '1,2,bob,203.0.113.6,6000\n'])
  t.same(server.lines, [
    'Port number set to 8080',
    'Connection Server ready to receive on port 8080.',
    'Make sure this is reachable from the internet.',
    'Client from 203.0.113.5 : 5000 sent: alice',
    'Adding client #0 to table of clients.',
    '0,1,alice,203.0.113.5,5000',
    'Client from 203.0.113.6 : 6000 sent: bob',
    'Adding client #1 to table of clients.',
    '0,2,alice,203.0.113.5,5000',
    '1,2,bob,203.0.113.6,6000',
  ])
})

t.test('the older server finds a known name again and overwrites it where it is', async t => {
  const { net, server, ask } = serverAt()
  ask('alice')
  ask('bob')
  net.inject(bytesOf('alice'), { address: '203.0.113.9', port: 9 }, stage)
  t.same(ask('bob'), ['0,2,alice,203.0.113.9,9\n', '1,2,bob,203.0.113.5,5000\n'])
  t.match(server.output, 'Updating client #0 in table of clients.\n')
})

t.test('the older server takes the first word and the text before a NUL', async t => {
  const { ask } = serverAt()
  t.same(ask('\r\n alice seek=bob v=2'), ['0,1,alice,203.0.113.5,5000\n'])
  t.same(ask('alice\0bob'), ['0,1,alice,203.0.113.5,5000\n'])
  t.same(ask('Zoë'), ['0,2,alice,203.0.113.5,5000\n', '1,2,Zoë,203.0.113.5,5000\n'])
  t.same(ask('Zoë').length, 2)
})

t.test('the seventeenth name pushes out the first, and the warning comes with the sixteenth', async t => {
  const names = Array.from({ length: 17 }, (_, index) => `n${index}`)
  const { server, ask } = serverAt()
  const warned = names.map(name => {
    ask(name)
    return server.output.includes('**WARNING** TOO MANY CLIENTS, STARTING TO DROP THE OLDEST ONES**\nAdding')
  })
  t.same(warned.indexOf(true), 15)
  const book = ask('n16')
  t.same(book.length, 16)
  t.same(book.slice(0, 2), ['0,16,n16,203.0.113.5,5000\n', '1,16,n1,203.0.113.5,5000\n'])

  const endless = serverAt({ wrapsAfterSixteen: false })
  for (const name of names) endless.ask(name)
  t.same(endless.ask('n0').length, 17)
})

t.test('a blank name kills the older server, but not if it is the first ever', async t => {
  for (const blank of ['', ' \r\n', '\0\x01']) {
    const { net, server, ask } = serverAt()
    ask('alice')
    t.same(ask(blank), [])
    t.ok(server.crashed)
    t.same(ask('alice'), [], 'the dead answer nobody')
    net.run(1)

    const first = serverAt()
    t.same(first.ask(blank), ['0,1,(null),203.0.113.5,5000\n'])
    t.notOk(first.server.crashed)

    const sturdy = serverAt({ diesOfBlankNames: false })
    sturdy.ask('alice')
    t.same(sturdy.ask(blank), [])
    t.same(sturdy.ask('alice').length, 1)
  }
})

t.test('a name of 256 bytes takes a slot each time, as the older server never finds it again', async t => {
  const { ask } = serverAt()
  t.same(ask('x'.repeat(255)).length, 1)
  t.same(ask('x'.repeat(255)).length, 1)
  t.same(ask('y'.repeat(256)), [
    `0,2,${'x'.repeat(255)},203.0.113.5,5000\n`,
    `1,2,${'y'.repeat(255)},203.0.113.5,5000\n`,
  ])
  t.same(ask('y'.repeat(256)).length, 3)
  t.same(ask('y'.repeat(255)).length, 3)
  const whole = serverAt({ cutsLongNames: false })
  whole.ask('y'.repeat(256))
  t.same(whole.ask('y'.repeat(256)).length, 1)
})

t.test('one datagram that claims to come from the older server makes it answer itself for ever', async t => {
  const { net, server } = serverAt()
  net.inject(bytesOf('x'), stage, stage)
  net.run(4)
  t.match(server.output, 'Client from 192.0.2.1 : 8080 sent: 0,1,x,192.0.2.1,8080\n')
  server.close()
  const deaf = serverAt({ answersItself: false })
  deaf.net.inject(bytesOf('x'), stage, stage)
  deaf.net.run(4)
  t.same(deaf.server.lines.length, 3)
})

/** An older client `alice` who looks for `bob`, a hand-driven stage manager, and a peer. */
const clientAt = (quirks: Partial<OlderClientQuirks> = {}) => {
  const net: ManualNet = manualNet()
  const server = listener(net.host(stage.address), stage.port)
  const peerEndpoint: Endpoint = { address: '203.0.113.6', port: 6000 }
  const peer = listener(net.host(peerEndpoint.address), peerEndpoint.port)
  const clientEndpoint: Endpoint = { address: '203.0.113.5', port: 40_000 }
  const client = startOlderClient(net.host(clientEndpoint.address), {
    server: stage,
    name: 'alice',
    contact: 'bob',
    quirks,
  })
  net.run(1)
  return {
    net,
    server,
    peer,
    client,
    say: (text: string) => server.send(text, clientEndpoint),
    whisper: (text: string) => peer.send(text, clientEndpoint),
  }
}
const readsAll = { misreadsFirstSource: false }
const own = '0,2,alice,203.0.113.5,40000\n'
const bobsEntry = '1,2,bob,203.0.113.6,6000\n'
const greeting = 'This is a direct P2P message from alice to bob'

t.test('the older client registers every thirty seconds that bring nothing, and its words are known', async t => {
  const { net, server, client } = clientAt()
  net.run(61_000)
  t.same(client.registrations, [0, 30_000, 60_000])
  t.same(server.got, ['alice', 'alice', 'alice'])
  t.same(client.output.split('Registering')[0], 'Stage Manager Server address: 192.0.2.1\r\nMy Name: alice\r\n')
  t.same(client.lines.slice(2, 4), ['Registering with Stage Manager.', 'Retrieving incoming messages.'])
  t.same(client.events, 61)
})

t.test('the very first source is misread, so the first entry counts as a peer message', async t => {
  const { net, say, client } = clientAt()
  say(own)
  say(own)
  net.run(1)
  t.same(client.lines.slice(4), [
    'We received a peer message of len 28 from 0.0.0.0:0 ->>',
    '0,2,alice,203.0.113.5,40000',
    '',
    'Stage Manager sent us a Phonebook entry: 0,2,alice,203.0.113.5,40000',
    'Peer: 0/2 alice@203.0.113.5:40000',
  ])
  t.same(client.heard, [])
  const sharp = clientAt(readsAll)
  sharp.say(own)
  sharp.net.run(1)
  t.same(sharp.client.lines[5], 'Peer: 0/2 alice@203.0.113.5:40000')
})

t.test('the thirtieth event is discarded: an entry that comes there is never read', async t => {
  for (const discardsThirtieth of [true, false]) {
    const { net, whisper, say, client } = clientAt({ discardsThirtieth })
    for (let count = 0; count < 29; count++) whisper('hello')
    say(bobsEntry)
    net.run(1)
    t.same(client.registrations, [0, 2])
    t.same(client.output.includes('Located bob!'), !discardsThirtieth)
  }
})

t.test('a discarded datagram also counts as the first one, whose source is misread', async t => {
  const { net, say, client } = clientAt()
  net.run(29_500)
  say(own)
  say(bobsEntry)
  net.run(1)
  t.same(client.registrations, [0, 29_502])
  t.match(client.output, 'Located bob!')
})

t.test('thirty entries in one reply make the older client register in a tight loop', async t => {
  for (const countsDatagrams of [true, false]) {
    const { net, server, say, client } = clientAt({ countsDatagrams })
    const answered = () => {
      for (; server.got.length > 0; server.got.pop())
        for (let slot = 0; slot < 30; slot++) say(`${slot},30,x,1.1.1.1,1`)
    }
    for (let ms = 0; ms < 20; ms++) {
      answered()
      net.run(1)
    }
    t.same(client.registrations.length, countsDatagrams ? 11 : 1)
  }
})

t.test('with a contact it sleeps a second after each datagram, then speaks once, and reads what queued', async t => {
  const { net, peer, say, whisper, client } = clientAt(readsAll)
  say(bobsEntry)
  net.run(500)
  whisper('one')
  whisper('two')
  t.same(client.heard, [])
  net.run(5000)
  t.same(peer.got, [greeting, greeting, greeting])
  t.same(peer.times, [1003, 2003, 3003])
  t.same(
    client.heard.map(({ at, text }) => [at, text]),
    [
      [1002, 'one'],
      [2002, 'two'],
    ],
  )
  const brisk = clientAt({ ...readsAll, sleepsAfterEvent: false })
  brisk.say(bobsEntry)
  brisk.net.run(2)
  t.same(brisk.peer.times, [3])
})

t.test('a second without a datagram passes without a word to the contact', async t => {
  for (const silentOnTimeout of [true, false]) {
    const { net, peer, say } = clientAt({ ...readsAll, silentOnTimeout })
    say(bobsEntry)
    net.run(9000)
    t.same(peer.got.length, silentOnTimeout ? 1 : 4, 'a time-out and a sleep take two seconds')
  }
})

t.test('the older client speaks to the endpoint in the phonebook, wherever the contact speaks from', async t => {
  for (const ignoresObservedSource of [true, false]) {
    const { net, peer, say, whisper } = clientAt({ ...readsAll, ignoresObservedSource })
    const listed = listener(net.host('198.51.100.1'), 7)
    say('1,2,bob,198.51.100.1,7\n')
    net.run(1500)
    whisper('This is a direct P2P message from bob to alice')
    net.run(1500)
    t.same([listed.got.length, peer.got.length], ignoresObservedSource ? [2, 0] : [1, 1])
  }
})

t.test('fewer than five fields from the server kill the older client', async t => {
  for (const short of ['', '\n', 'x', '0,1,bob,1.1.1.1\n', '0,1,,1.1.1.1,5\n']) {
    const { net, say, client } = clientAt(readsAll)
    say(short)
    net.run(60_000)
    t.match(client.crashed, /^an entry of [0-4] fields/)
    t.same(client.registrations, [0])
    const sturdy = clientAt({ ...readsAll, diesOfShortEntries: false })
    sturdy.say(short)
    sturdy.net.run(60_000)
    t.equal(sturdy.client.crashed, undefined)
    const lucky = clientAt()
    lucky.say(short)
    lucky.net.run(1)
    t.equal(lucky.client.crashed, undefined, 'the first datagram is safe: its source is misread')
  }
})

t.test('an entry is taken at any time, its sixth field ignored, its numbers read as C reads them', async t => {
  const { net, peer, say, client } = clientAt(readsAll)
  net.run(5000)
  say('7x,-3,bob,203.0.113.6,71536,key=1,v=2\n')
  net.run(1100)
  t.same(client.lines.slice(-3), [
    'Stage Manager sent us a Phonebook entry: 7x,-3,bob,203.0.113.6,71536,key=1,v=2',
    'Peer: 7/-3 bob@203.0.113.6:71536',
    'Located bob!',
  ])
  t.same(peer.got, [greeting], 'the port is 71536 - 65536')
})

t.test("a peer's port is printed with its bytes swapped", async t => {
  for (const swapsPrintedPort of [true, false]) {
    const { net, whisper, client } = clientAt({ ...readsAll, swapsPrintedPort })
    whisper('hi\0hidden')
    net.run(1)
    const port = swapsPrintedPort ? 28_695 : 6000
    t.same(client.lines.slice(4), [`We received a peer message of len 9 from 203.0.113.6:${port} ->>`, 'hi'])
    t.same(client.heard, [{ at: 2, from: { address: '203.0.113.6', port: 6000 }, text: 'hi' }])
  }
})

t.test('while it sleeps the socket buffer holds 256 small datagrams, and no more', async t => {
  for (const losesWhatOverflows of [true, false]) {
    const { net, whisper, say, client } = clientAt({ ...readsAll, losesWhatOverflows })
    say(bobsEntry)
    net.run(1)
    for (let count = 0; count < 300; count++) whisper('hi')
    net.run(400_000)
    // every thirtieth event is discarded unread; the entry was an event as well
    const kept = losesWhatOverflows ? 256 : 300
    t.same(client.heard.length, kept - Math.floor((kept + 1) / 30))
  }
})

t.test('two older clients on an older server meet half a minute late, when the first one registers again', async t => {
  // the originals on loopback, the second started 1.0 s after the first: first 2.0 s and second 30.6 s, or 30.7 and 31.7
  for (const misreadsFirstSource of [false, true]) {
    const net = manualNet()
    startOlderServer(net.host(stage.address), { port: stage.port })
    const start = (address: string, name: string, contact: string) =>
      startOlderClient(net.host(address), { server: stage, name, contact, quirks: { misreadsFirstSource } })
    const alice = start('203.0.113.5', 'alice', 'bob')
    net.run(1005)
    const bob = start('203.0.113.6', 'bob', 'alice')
    net.run(40_000)
    const met = [alice, bob].map(({ heard }) => Math.round((heard[0]?.at ?? NaN) / 1000))
    t.same(met, misreadsFirstSource ? [30, 31] : [2, 28])
  }
})

t.test('closed stand-ins and the dead ask for nothing more', async t => {
  const { net, say, client } = clientAt(readsAll)
  say(bobsEntry)
  net.run(10)
  client.close()
  client.close()
  net.run(100_000)
  t.same(client.registrations, [0])
  t.same(client.events, 1)
})
