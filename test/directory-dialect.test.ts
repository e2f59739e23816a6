// The directory dialect: its lines, its conversation, its names among those of the other doors, and its bounds.
import fc from 'fast-check'
import t from 'tap'
import {
  type DirectoryAnswer,
  type DirectoryRequest,
  decodeAnswer,
  decodeBind,
  decodeRequest,
  encodeAnswer,
  encodeBind,
  encodeRequest,
  isServersLine,
} from '../src/dialects/directory/codec.ts'
import { createLineReader } from '../src/dialects/lines.ts'
import { mutated } from '../src/lab/mutate.ts'
import { type Stage, type StageServer, createStage, port, serverAddress } from '../src/lab/stage.ts'
import type { ServerOptions } from '../src/server/server.ts'
import type { SimHost } from '../src/sim/host.ts'
import { seededRandom } from '../src/sim/random.ts'
import { createWorld } from '../src/sim/world.ts'

const text = (words: string): Uint8Array => new TextEncoder().encode(words)
const server = { address: serverAddress, port }
const endpoint = { address: '192.0.2.1', port: 5000 }
const endpoint6 = { address: '2001:db8::1', port: 5000 }
const token = '0123456789abcdef0123456789abcdef'

t.test('requests, both ways', async t => {
  const rows: [string, DirectoryRequest][] = [
    ['LIST', { verb: 'LIST' }],
    ['EXIT', { verb: 'EXIT' }],
    ['QUERY bob', { verb: 'QUERY', nick: 'bob' }],
    ['QUERY Bøb', { verb: 'QUERY', nick: 'Bøb' }],
    ['HELLO v=2', { verb: 'HELLO', newer: true }],
    ['HELLO', { verb: 'HELLO', newer: false }],
  ]
  for (const [line, request] of rows) {
    t.same(decodeRequest(line), request, line)
    t.equal(encodeRequest(request), line)
  }
  const alsoRead: [string, DirectoryRequest][] = [
    ['list', { verb: 'LIST' }],
    ['  Exit\t', { verb: 'EXIT' }],
    ['qUeRy  bob ', { verb: 'QUERY', nick: 'bob' }],
    ['hello v=2 colour=blue', { verb: 'HELLO', newer: true }],
    ['HELLO v=3', { verb: 'HELLO', newer: false }],
    ['QUERY QUERY', { verb: 'QUERY', nick: 'QUERY' }],
  ]
  for (const [line, request] of alsoRead) t.same(decodeRequest(line), request, line)
  for (const line of [
    '',
    ' ',
    'LIST all',
    'EXIT now',
    'QUERY',
    'QUERY a b',
    'QUERY a,b',
    'QUERY LIST',
    'BIND x',
    'LISTE',
    'bob',
  ])
    t.equal(decodeRequest(line), undefined, JSON.stringify(line))
})

const answers: [string, DirectoryAnswer][] = [
  ['NICKNAME?', { verb: 'NICKNAME?' }],
  ['TAKEN alice', { verb: 'TAKEN', nick: 'alice' }],
  [`WELCOME alice ${token}`, { verb: 'WELCOME', nick: 'alice', token }],
  ['BOUND 192.0.2.1 5000', { verb: 'BOUND', endpoint }],
  ['BOUND 2001:db8::1 5000', { verb: 'BOUND', endpoint: endpoint6 }],
  ['CLIENT bob 192.0.2.1 5000', { verb: 'CLIENT', nick: 'bob', endpoint }],
  ['END', { verb: 'END' }],
  ['PEER bob 192.0.2.1 5000', { verb: 'PEER', nick: 'bob', endpoint }],
  ['UNKNOWN bob', { verb: 'UNKNOWN', nick: 'bob' }],
  ['QUERIED-BY bob 192.0.2.1 5000', { verb: 'QUERIED-BY', nick: 'bob', endpoint }],
  ['BYE', { verb: 'BYE' }],
  ['ERROR no such word', { verb: 'ERROR', reason: 'no such word' }],
]

t.test('answers, both ways; no server answers them', async t => {
  for (const [line, answer] of answers) {
    t.same(decodeAnswer(line), answer, line)
    t.same(decodeAnswer(line.replace(/^\S+/, word => word.toLowerCase())), answer, 'in small letters')
    t.equal(encodeAnswer(answer), line)
    t.ok(isServersLine(line), 'known as a server’s own')
    t.equal(decodeRequest(line), undefined, 'and as no request')
  }
  const wrong = [
    '',
    'NICKNAME? now',
    'TAKEN',
    'WELCOME alice',
    'BOUND 192.0.2.1',
    'BOUND 192.0.2.1 0',
    'BOUND 127.1 5000',
  ]
  const more = [
    'PEER bob 192.0.2.1 5000 6',
    'PEER 192.0.2.1 5000',
    'CLIENT a,b 192.0.2.1 5000',
    `UNKNOWN ${'x'.repeat(600)}`,
    'HI',
  ]
  for (const line of [...wrong, ...more]) t.equal(decodeAnswer(line), undefined, JSON.stringify(line))
  for (const line of ['alice', 'End', 'PEER', 'ERRORS', 'list'])
    t.notOk(isServersLine(line), `${line} may be a nickname`)
})

t.test('every truncation of a line is read as a whole line or not at all', async t => {
  for (const [line, answer] of answers) {
    for (let length = 0; length < line.length; length++) {
      const read = decodeAnswer(line.slice(0, length))
      if (!read) continue
      t.equal(encodeAnswer(read).trimEnd(), line.slice(0, length).trimEnd(), 'what is read is what stands there')
      t.equal(read.verb, answer.verb)
    }
  }
  for (let length = 0; length < 37; length++) t.equal(decodeBind(encodeBind(token).subarray(0, length)), undefined)
  t.equal(decodeBind(encodeBind(token)), token)
  for (const other of [
    `BIND ${token}\n`,
    `bind ${token}`,
    ` BIND ${token}`,
    `BIND  ${token.slice(1)}x`.slice(0, 36),
    `BINDS${token}`,
  ])
    t.not(decodeBind(text(other)), token, JSON.stringify(other))
})

t.test('a stream is the same lines, wherever it is cut', async () => {
  const part = fc.oneof(
    fc.constantFrom('\n', '\r\n', '\r', 'alice', 'é', 'LIST', ' '),
    fc.constantFrom(510, 511, 512, 513, 600).map(length => 'x'.repeat(length)),
  )
  fc.assert(
    fc.property(fc.array(part), fc.infiniteStream(fc.integer({ min: 1, max: 700 })), (parts, cuts) => {
      const bytes = text(parts.join(''))
      const whole = createLineReader(512).read(bytes)
      const reader = createLineReader(512)
      const pieces: ReturnType<typeof reader.read> = []
      for (let at = 0; at < bytes.length;) {
        const length = cuts.next().value as number
        pieces.push(...reader.read(bytes.subarray(at, at + length)))
        at += length
      }
      const complete = parts.join('').split('\n').slice(0, -1)
      const expected = complete.map(line => line.replace(/\r$/, '')).filter(line => text(line).length <= 512)
      const readLines = whole.filter(line => typeof line === 'string')
      return JSON.stringify(whole) === JSON.stringify(pieces) && JSON.stringify(readLines) === JSON.stringify(expected)
    }),
    { numRuns: 500 },
  )
})

t.test('a line that is no UTF-8 is one problem, a line without end is one too', async t => {
  const reader = createLineReader(512)
  t.same(reader.read(Uint8Array.of(0xff, 10, 65, 10)), [{ problem: 'not-utf8' }, 'A'])
  t.same(reader.read(new Uint8Array(600).fill(65)), [{ problem: 'too-long' }])
  t.same(reader.read(new Uint8Array(100_000).fill(65)), [], 'said once')
  t.equal(reader.skipped, 100_600)
  t.same(reader.read(text('\nB\n')), ['B'], 'and the next line is read')
})

/** A raw connection in a world. */
const dial = (stage: Stage, from = stage.hostOf('guest'), to = server) => {
  const guest = { said: '', closed: false, connection: from.tcpConnect(to), from }
  guest.connection.onData(bytes => void (guest.said += new TextDecoder().decode(bytes)))
  guest.connection.onClose(() => void (guest.closed = true))
  return guest
}

const serve = (options: Partial<ServerOptions> = {}, seed = 1): { stage: Stage; running: StageServer } => {
  const stage = createStage({ seed, trace: false, link: { latencyMs: 5 } })
  const running = stage.startServer(options)
  stage.world.run(1)
  return { stage, running }
}

/** Says it, and gives what is answered. */
const ask = (stage: Stage, guest: ReturnType<typeof dial>, words: string): string => {
  const before = guest.said.length
  guest.connection.send(text(words))
  stage.world.run(stage.world.now() + 50)
  return guest.said.slice(before)
}

/** A member that is bound: its connection and its socket. */
const join = (stage: Stage, nick: string, words = '') => {
  const host = stage.hostOf(nick)
  const guest = dial(stage, host)
  const token = /WELCOME \S+ (\S+)/.exec(ask(stage, guest, `${nick}\r\n${words}`))?.[1] ?? ''
  const socket = host.udp()
  const heard: string[] = []
  socket.onDatagram(bytes => void heard.push(new TextDecoder().decode(bytes)))
  socket.send(encodeBind(token), server)
  stage.world.run(stage.world.now() + 50)
  return { ...guest, guest, host, token, socket, heard, ask: (words: string) => ask(stage, guest, words) }
}

t.test('the conversation, line by line', async t => {
  const { stage } = serve()
  join(stage, 'bob')
  const guest = dial(stage)
  stage.world.run(stage.world.now() + 50)
  t.equal(guest.said, 'NICKNAME?\n')
  const asked = 'NICKNAME?\n'
  const rows: [string, string][] = [
    ['\n', `ERROR a nickname has 1 to 64 bytes\n${asked}`],
    [`${'x'.repeat(65)}\n`, `ERROR a nickname has 1 to 64 bytes\n${asked}`],
    ['al ice\n', `ERROR a nickname has no blank, comma or invisible character\n${asked}`],
    ['LIST\n', `ERROR this is a word of the protocol\n${asked}`],
  ]
  for (const [said, answer] of rows) t.equal(ask(stage, guest, said), answer, JSON.stringify(said))
  guest.connection.send(Uint8Array.of(0xff, 10))
  t.equal(ask(stage, guest, ''), `ERROR a line has to be UTF-8\n${asked}`)
  t.equal(ask(stage, guest, 'bob\n'), `TAKEN bob\n${asked}`)
  t.match(ask(stage, guest, 'alice\r\n'), /^WELCOME alice [0-9a-f]{32}\n$/)
  const second = dial(stage, stage.hostOf('second'))
  stage.world.run(stage.world.now() + 50)
  t.equal(ask(stage, second, 'alice\n'), `TAKEN alice\n${asked}`, 'bound or not')
  const then: [string, string][] = [
    ['list\n', 'CLIENT bob 198.51.100.2 49152\nEND\n'],
    ['Query bob\r\n', 'PEER bob 198.51.100.2 49152\n'],
    ['QUERY carol\n', 'UNKNOWN carol\n'],
    ['HELLO v=2\n', ''],
    ['WHAT\n', 'ERROR say LIST, QUERY <nick> or EXIT\n'],
    ['\n', 'ERROR say LIST, QUERY <nick> or EXIT\n'],
    [`${'x'.repeat(513)}\n`, 'ERROR a line has at most 512 bytes\n'],
    [`${' '.repeat(508)}LIST\n`, 'CLIENT bob 198.51.100.2 49152\nEND\n'],
    ['LI', ''],
    ['ST\nQUERY bob\n', 'CLIENT bob 198.51.100.2 49152\nEND\nPEER bob 198.51.100.2 49152\n'],
    ['EXIT\nLIST\n', 'BYE\n'],
  ]
  for (const [said, answer] of then) t.equal(ask(stage, guest, said), answer, JSON.stringify(said.trim().slice(0, 20)))
  t.ok(guest.closed)
  t.match(ask(stage, dial(stage), 'alice\n'), /WELCOME/, 'who left has left the name')
})

t.test('BIND registers its source, says so once, follows it, and is nobody else’s', async t => {
  const { stage, running } = serve()
  const alice = join(stage, 'alice')
  const book = running.server.phonebook
  t.match(alice.guest.said, /BOUND 198\.51\.100\.2 49152\n$/)
  t.same(book.find('alice')?.endpoint, { address: '198.51.100.2', port: 49_152 })
  alice.socket.send(encodeBind(alice.token), server)
  t.equal(alice.ask(''), '', 'a refresh is not told')
  const moved = alice.host.udp()
  moved.send(encodeBind(alice.token), server)
  t.equal(alice.ask(''), 'BOUND 198.51.100.2 49153\n')
  t.equal(book.find('alice')?.proven, false, 'it proves nothing')
  t.equal(book.find('alice')?.newer, false, 'nobody sends it checks')
  const before = running.server.counters().dispositions
  for (const wrong of [`BIND ${token}`, `BIND ${alice.token} `, `bind ${alice.token}`, 'BIND', `BIND ${alice.token}\n`])
    moved.send(text(wrong), server)
  t.equal(alice.ask(''), '')
  const after = running.server.counters()
  t.equal(after.dispositions.answered, before.answered + 1, 'a small bind is a name like others')
  t.ok(after.dispositions['reserved-name'] - before['reserved-name'] >= 4)
  alice.guest.connection.abort()
  stage.world.run(stage.world.now() + 50)
  t.equal(book.find('alice'), undefined, 'the entry ends with the connection')
  moved.send(encodeBind(alice.token), server)
  stage.world.run(stage.world.now() + 50)
  t.equal(book.find('alice'), undefined, 'and so does its token')
  t.equal(running.server.counters().datagramsOut, after.datagramsOut, 'nothing of all this was answered')
})

t.test('an entry lives as long as its connection, however long that is silent', async t => {
  const { stage, running } = serve()
  const alice = join(stage, 'alice')
  stage.world.run(24 * 3_600_000)
  t.ok(running.server.phonebook.find('alice'))
  alice.host.online = false
  stage.world.run(stage.world.now() + 45_000)
  t.equal(running.server.phonebook.find('alice'), undefined, 'a dead connection is noticed')
  t.equal(running.server.counters().connections.open, 0)
})

t.test('one namespace: a nickname is kept through every door, from its WELCOME on', async t => {
  for (const bound of [true, false]) {
    const { stage, running } = serve()
    const nicks = ['alice', '1'].map(nick => {
      const guest = dial(stage, stage.hostOf(nick))
      return ask(stage, guest, `${nick}\n`) && bound ? (guest.connection.abort(), join(stage, nick)) : guest
    })
    t.equal(nicks.length, 2)
    const host = stage.hostOf('stranger')
    const socket = host.udp()
    const heard: string[] = []
    socket.onDatagram(bytes => void heard.push(new TextDecoder().decode(bytes)))
    for (const words of ['alice', 'alice v=2 seek=bob', 'REGISTER alice', 'REGISTER']) socket.send(text(words), server)
    stage.world.run(stage.world.now() + 50)
    t.same(heard, ['ERROR id alice in use', 'REGISTER_ACK:2'], `bound: ${bound}`)
    t.equal(running.server.counters().dispositions['kept-name'], 2)
  }
})

t.test('TAKEN for any live name, whatever door it came in by', async t => {
  const { stage } = serve()
  const socket = stage.hostOf('others').udp()
  for (const words of ['zoe', 'max v=2', 'REGISTER carl', 'REGISTER', 'eve v=2 stage=jam'])
    socket.send(text(words), server)
  stage.world.run(stage.world.now() + 50)
  for (const [nick, answer] of [
    ['zoe', /^TAKEN/],
    ['max', /^TAKEN/],
    ['carl', /^TAKEN/],
    ['1', /^TAKEN/],
    ['eve', /^WELCOME/], // who is on a stage of her own
  ] as const) {
    const guest = dial(stage)
    stage.world.run(stage.world.now() + 50)
    t.match(ask(stage, guest, `${nick}\n`), answer, nick)
  }
  stage.world.run(stage.world.now() + 121_000)
  t.match(ask(stage, dial(stage), 'zoe\n'), /WELCOME zoe/, 'an expired name is free')
})

t.test('a query introduces the one who asks, in the dialect of the one who is asked', async t => {
  const { stage } = serve()
  const alice = join(stage, 'alice')
  const bob = join(stage, 'bob', 'HELLO v=2\n')
  const old = join(stage, 'old')
  const socket = (name: string, words: string) => {
    const heard: string[] = []
    const udp = stage.hostOf(name).udp()
    udp.onDatagram(bytes => void heard.push(new TextDecoder().decode(bytes)))
    udp.send(text(words), server)
    stage.world.run(stage.world.now() + 50)
    heard.length = 0
    return heard
  }
  const zoe = socket('zoe', 'zoe')
  const carl = socket('carl', 'REGISTER carl')
  const numbered = socket('numbered', 'REGISTER')
  alice.ask('QUERY bob\nQUERY old\nQUERY zoe\nQUERY carl\nQUERY 1\n')
  t.match(bob.guest.said, /\nQUERIED-BY alice 198\.51\.100\.2 49152\n$/)
  t.notMatch(old.guest.said, /QUERIED/, 'who never said HELLO is not told')
  t.match(
    zoe.filter(line => line.includes('alice')),
    [/^\d+,\d+,alice,198\.51\.100\.2,49152\n$/],
  )
  t.same(carl, ['CONNECT alice 198.51.100.2 49152'])
  t.same(numbered, [])
  t.same(bob.heard, [], 'over the connection alone')
  const unbound = dial(stage, stage.hostOf('unbound'))
  ask(stage, unbound, 'nobody\nQUERY bob\n')
  t.match(unbound.said, /PEER bob/)
  t.notMatch(bob.guest.said, /nobody/, 'who is not bound has no endpoint to tell of')
})

t.test('who comes in by other doors and seeks a member is introduced as well', async t => {
  const { stage } = serve()
  const bob = join(stage, 'bob', 'HELLO v=2\n')
  const socket = stage.hostOf('zoe').udp()
  socket.send(text('zoe v=2 seek=bob'), server)
  socket.send(text('REGISTER carl'), server)
  stage.world.run(stage.world.now() + 50)
  socket.send(text('CONNECT carl bob'), server)
  stage.world.run(stage.world.now() + 50)
  t.match(bob.guest.said, /QUERIED-BY zoe 198\.51\.100\.3 49152\n/)
  t.match(bob.guest.said, /QUERIED-BY carl 198\.51\.100\.3 49152\n/)
})

t.test('who is asked for is told once a second, however often; a broadcast tells members nothing', async t => {
  const { stage } = serve({ broadcastMs: 1000 })
  const alice = join(stage, 'alice')
  const bob = join(stage, 'bob', 'HELLO v=2\n')
  const told = () => bob.guest.said.split('QUERIED-BY').length - 1
  stage.world.run(stage.world.now() + 5000)
  t.equal(told(), 0)
  t.equal(alice.ask('QUERY bob\n'.repeat(20)), 'PEER bob 198.51.100.3 49152\n'.repeat(20))
  t.equal(told(), 1)
  stage.world.run(stage.world.now() + 1000)
  alice.ask('QUERY bob\n')
  t.equal(told(), 2)
})

t.test('HELLO may come after BIND: who has queried in between is told of then', async t => {
  const { stage } = serve()
  const alice = join(stage, 'alice')
  const bob = join(stage, 'bob')
  for (const query of ['QUERY bob\n', 'QUERY bob\n']) alice.ask(query)
  t.notMatch(bob.guest.said, /QUERIED/)
  t.equal(bob.ask('HELLO v=2\n'), 'QUERIED-BY alice 198.51.100.2 49152\n')
  t.equal(bob.ask('HELLO v=2\n'), '', 'once')
})

t.test('IPv6 endpoints are for those who came over IPv6', async t => {
  const world = createWorld({ seed: 1, link: { latencyMs: 5 } })
  const host = world.host({ name: 'server', addresses: [serverAddress, '2001:db8::10'] })
  const stage = createStage({ seed: 1 })
  const both = { ...stage, world, hostOf: () => host }
  stage.startServer(
    {
      listen: [
        { address: '0.0.0.0', port },
        { address: '::', port },
      ],
    },
    host,
  )
  const six = world.host({ addresses: ['2001:db8::6'] })
  const four = world.host({ addresses: ['198.51.100.4'] })
  const join = (from: SimHost, nick: string, at: string) => {
    const guest = dial(both, from, { address: at, port })
    const welcome = ask(both, guest, `${nick}\nHELLO v=2\n`)
    const udp = from.udp({ address: at.includes(':') ? '::' : '0.0.0.0' })
    udp.send(encodeBind(/[0-9a-f]{32}/.exec(welcome)?.[0] ?? ''), { address: at, port })
    world.run(world.now() + 100)
    return guest
  }
  world.run(10)
  const sixth = join(six, 'six', '2001:db8::10')
  const fourth = join(four, 'four', serverAddress)
  t.match(sixth.said, /BOUND 2001:db8::6 49152/)
  t.equal(ask(both, fourth, 'LIST\nQUERY six\n'), 'CLIENT four 198.51.100.4 49152\nEND\nUNKNOWN six\n')
  const said = ask(both, sixth, 'LIST\nQUERY four\n')
  t.match(said, /CLIENT six 2001:db8::6 49152\n/)
  t.match(said, /PEER four 198\.51\.100\.4 49152\n/)
  t.notMatch(fourth.said, /2001/, 'nor by QUERIED-BY')
})

t.test('LIST shows the whole common stage up to a bound, and is made anew when that changes', async t => {
  const { stage } = serve({ capacity: 4096 })
  const at = stage.world.internet.attach({ name: 'crowd', receive: () => {} }, ['192.0.2.9'])
  const register = (name: string, port: number) =>
    at.send({ id: 1e9 + port, from: { address: '192.0.2.9', port }, to: server, bytes: text(name), ttl: 64 })
  const alice = join(stage, 'alice')
  const rows = () =>
    alice
      .ask('LIST\n')
      .split('\n')
      .filter(line => line.startsWith('CLIENT ')).length
  t.equal(rows(), 1)
  for (let i = 1; i <= 900; i++) register(`n${i}`, i)
  register('hidden v=2 stage=jam', 1999)
  stage.world.run(stage.world.now() + 100)
  t.equal(rows(), 901)
  for (let i = 901; i <= 1500; i++) register(`n${i}`, i)
  stage.world.run(stage.world.now() + 2000)
  t.equal(rows(), 1000)
  stage.world.run(stage.world.now() + 125_000)
  t.equal(rows(), 1, 'all have expired but who holds a connection')
})

t.test('every bound of a connection holds, costs nobody else anything, and is counted', async t => {
  const { stage, running } = serve({ deny: [{ bytes: [203, 0, 113, 66], bits: 32 }] })
  const { world } = stage
  const bob = join(stage, 'bob', 'HELLO v=2\n')
  const parted = () => running.server.counters().connections.parted
  const rows: [string, keyof ReturnType<typeof parted>, () => ReturnType<typeof dial>, number][] = [
    ['says nothing', 'silent', () => dial(stage, stage.hostOf('silent')), 6100],
    [
      'says it byte by byte',
      'silent',
      () => {
        const guest = dial(stage, stage.hostOf('slow'))
        for (let i = 0; i < 100; i++) world.after(i * 200, () => guest.connection.send(text('x')))
        return guest
      },
      6100,
    ],
    [
      'has no name for two minutes',
      'idle',
      () => {
        const guest = dial(stage, stage.hostOf('idle'))
        guest.connection.send(text('bob\n'))
        return guest
      },
      121_100,
    ],
    [
      'sends a line without end',
      'too-long',
      () => {
        const endless = dial(stage, stage.hostOf('endless'))
        for (let i = 0; i < 70; i++) world.after(i, () => endless.connection.send(new Uint8Array(1024).fill(65)))
        return endless
      },
      200,
    ],
    [
      'asks without end',
      'flood',
      () => {
        const guest = dial(stage, stage.hostOf('flood'))
        guest.connection.send(text(`flood\n${'WHAT\n'.repeat(5000)}`))
        return guest
      },
      100,
    ],
    [
      'takes nothing',
      'slow',
      () => {
        const guest = dial(stage, stage.hostOf('deaf'))
        guest.connection.send(text('deaf\n'))
        world.run(world.now() + 50)
        guest.connection.send(text('LIST\n'))
        world.after(6, () => void (stage.hostOf('deaf').online = false))
        return guest
      },
      12_000,
    ],
    [
      'says what servers say',
      'own-words',
      () => {
        const guest = dial(stage, stage.hostOf('echo'))
        guest.connection.send(text('NICKNAME?\n'))
        return guest
      },
      100,
    ],
    ['is not welcome here', 'denied', () => dial(stage, world.host({ name: 'denied', address: '203.0.113.66' })), 100],
  ]
  for (const [story, parting, begin, ms] of rows) {
    const before = parted()
    const guest = begin()
    const startedMs = world.now()
    world.run(startedMs + ms - 1100)
    if (ms > 5000 && parting !== 'slow') t.notOk(guest.closed, `${story}: not before its time`)
    world.run(startedMs + ms)
    t.equal(parted()[parting], before[parting] + 1, `${story}: ${parting}`)
    world.run(world.now() + 13_000)
    t.ok(guest.closed, `${story}: gone`)
  }
  t.equal(bob.ask('QUERY nobody\n'), 'UNKNOWN nobody\n', 'and Bob is still here')
  t.equal(running.server.counters().connections.open, 1)
  t.equal(running.server.counters().dispositions.internal, 0)
})

t.test('16 connections from an address, and as many in all as there are descriptors for', async t => {
  const { stage, running } = serve()
  const guests = Array.from({ length: 20 }, () => dial(stage))
  stage.world.run(stage.world.now() + 100)
  t.equal(guests.filter(({ said }) => said === 'NICKNAME?\n').length, 16)
  t.equal(guests.filter(({ said }) => said === 'ERROR at most 16 connections from one address\n').length, 4)
  t.match(running.server.counters().connections, { open: 16, accepted: 20, parted: { crowded: 4 } })
  t.match(ask(stage, dial(stage, stage.hostOf('other')), 'other\n'), /WELCOME/, 'another address is another matter')
  guests[0]?.connection.abort()
  stage.world.run(stage.world.now() + 50)
  t.match(ask(stage, dial(stage), 'late\n'), /WELCOME/, 'and a place that was left is free')
  // A world's host has 1,024 descriptors.
  for (let i = 0; i < 60; i++) for (let j = 0; j < 16; j++) dial(stage, stage.hostOf(`crowd${i}`))
  stage.world.run(stage.world.now() + 100)
  t.match(running.server.counters().connections, { open: 819, parted: { full: 960 + 17 - 819 } })
  stage.world.run(stage.world.now() + 10_000)
  t.equal(running.server.counters().connections.open, 2, 'the silent ones are gone')
})

t.test('two servers that hear each other fall silent', async t => {
  const { stage, running } = serve()
  const second = stage.startServer({}, stage.world.host({ name: 'second', address: '203.0.113.11' }))
  stage.world.run(10)
  const here = dial(stage)
  const there = dial(stage, here.from, { address: '203.0.113.11', port })
  let relayed = 0
  for (const [from, to] of [
    [here, there],
    [there, here],
  ] as const) {
    from.connection.onData(bytes => {
      relayed++
      to.connection.send(bytes)
    })
  }
  stage.world.run(stage.world.now() + 10_000)
  t.ok(relayed <= 2, `${relayed} pieces went over`)
  t.ok(here.closed && there.closed)
  const ends = [running, second].map(({ server }) => server.counters().connections.parted['own-words'])
  t.same(ends, [1, 1])
})

t.test('100,000 mutated lines: nothing breaks, and the honest ones are served', async t => {
  const { stage, running } = serve()
  const random = seededRandom(1, 'lines')
  const bob = join(stage, 'bob', 'HELLO v=2\n')
  const samples = [...answers.map(([line]) => line), 'alice', 'LIST', 'EXIT', 'QUERY bob', 'HELLO v=2', 'bob'].map(
    line => text(`${line}\n`),
  )
  let guests = Array.from({ length: 8 }, (_, i) => dial(stage, stage.hostOf(`g${i}`)))
  for (let i = 0; i < 100_000; i++) {
    const at = Math.floor(random.next() * guests.length)
    guests[at]?.connection.send(mutated(samples, random))
    if (i % 50 === 0) {
      stage.world.run(stage.world.now() + 20)
      guests = guests.map((guest, i) => (guest.closed ? dial(stage, stage.hostOf(`g${i}`)) : guest))
    }
  }
  stage.world.run(stage.world.now() + 1000)
  const { connections, dispositions } = running.server.counters()
  t.equal(connections.parted.internal, 0)
  t.equal(dispositions.internal, 0)
  for (const parting of ['left', 'own-words'] as const)
    t.ok(connections.parted[parting] > 100, `${connections.parted[parting]} ${parting}`)
  t.ok(connections.linesIn > 30_000, `${connections.linesIn} lines`)
  const { accepted, open, parted } = connections
  t.equal(
    Object.values(parted).reduce((a, b) => a + b),
    accepted - open,
    'each is counted once',
  )
  t.match(bob.ask('QUERY bob\n'), /PEER bob/)
  for (const guest of guests) guest.connection.abort()
  stage.world.run(stage.world.now() + 1000)
  t.equal(running.server.phonebook.size, 1, 'and nothing is left of them')
})

t.test('a server whose TCP port is taken says so and serves the rest', async t => {
  const stage = createStage({ seed: 1 })
  stage.hostOf('server').tcpListen({ port })
  const { events, server: running } = stage.startServer()
  stage.world.run(100)
  const [unserved] = events.filter(({ event }) => event === 'unserved')
  t.match(unserved, { door: 'directory', error: { message: /TCP port 8080 is already in use/ } })
  t.ok(events.some(({ event }) => event === 'ready'))
  running.close()
  stage.world.run(10_000)
  t.equal(stage.world.pending, 0)
})

t.test('a server that closes ends its connections and leaves no timer', async t => {
  const { stage, running } = serve()
  const bob = join(stage, 'bob')
  running.server.close()
  stage.world.run(stage.world.now() + 100)
  t.ok(bob.guest.closed || bob.closed)
  stage.world.run(stage.world.now() + 60_000)
  t.equal(stage.world.pending, 0)
})
