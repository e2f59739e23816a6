// Members of a directory meet: our client and the older chat programs, in worlds and on loopback.
import t from 'tap'
import { type DirectoryClient, type DirectoryClientOptions, joinDirectory } from '../src/client/directory-client.ts'
import { createPeers } from '../src/client/directory-peers.ts'
import type { DirectoryEvent } from '../src/client/directory-events.ts'
import { type Stage, type Timed, createStage, port, serverAddress } from '../src/lab/stage.ts'
import { hostAround } from '../src/host-around.ts'
import type { Host } from '../src/host.ts'
import { createNodeHost } from '../src/host/node.ts'
import { readTyped } from '../src/cli/talk-directory.ts'
import { seededRandom } from '../src/sim/random.ts'
import { type DirectoryChat, startDirectoryChat } from './fixtures/directory-chat.ts'
import { start, startServer, stopAll } from './fixtures/program.ts'

t.afterEach(stopAll)

const server = { address: serverAddress, port }

type Member = {
  readonly client: DirectoryClient
  readonly events: Timed<DirectoryEvent>[]
  of<K extends DirectoryEvent['event']>(kind: K): Timed<Extract<DirectoryEvent, { event: K }>>[]
}

const join = (
  stage: Stage,
  nickname: string,
  options: Partial<DirectoryClientOptions> & { on?: string; wrap?: (host: Host) => Host } = {},
): Member => {
  const { on = nickname, wrap = host => host, ...rest } = options
  const events: Timed<DirectoryEvent>[] = []
  const client = joinDirectory(wrap(stage.hostOf(on)), {
    server: serverAddress,
    ...(nickname !== '' && { nickname }),
    ...rest,
    onEvent: event => void events.push({ ...event, atMs: stage.world.now() }),
  })
  return { client, events, of: kind => events.filter(({ event }) => event === kind) as never }
}

/** A host whose datagrams get nowhere. */
const withoutUdp = (host: Host): Host =>
  hostAround(host, { udp: at => Object.assign(host.udp(at), { send: () => {} }) })

const said = ({ of }: Member): string[] => of('message').map(({ text }) => text)

t.test('what is typed is a command, or a text', async t => {
  const rows = [
    ['list', { does: 'list' }],
    [' LIST ', { does: 'list' }],
    ['Exit', { does: 'exit' }],
    ['query bob', { does: 'query', nick: 'bob' }],
    ['QUERY  bob ', { does: 'query', nick: 'bob' }],
    ['query bob now', { does: 'say', text: 'query bob now' }],
    ['query', { does: 'say', text: 'query' }],
    ['list of wishes', { does: 'say', text: 'list of wishes' }],
    ['say list', { does: 'say', text: 'list' }],
    ['say   two blanks', { does: 'say', text: '  two blanks' }],
    ['say', { does: 'say', text: 'say' }],
    ['hello', { does: 'say', text: 'hello' }],
    ['  hello', { does: 'say', text: '  hello' }],
    ['', { does: 'say', text: '' }],
  ] as const
  for (const [line, typed] of rows) t.same(readTyped(line), typed, JSON.stringify(line))
})

t.test('two meet in a hundred worlds: who is queried is told, and answers once it has queried back', async t => {
  let slowest = 0
  for (let seed = 1; seed <= 100; seed++) {
    const random = seededRandom(seed, 'story')
    const link = {
      latencyMs: random.next() * 60,
      jitterMs: random.next() * 20,
      loss: seed % 2 ? 0 : 0.05,
      duplicate: 0.02,
    }
    const stage = createStage({ seed, trace: false, link })
    stage.startServer()
    const alice = join(stage, 'alice')
    stage.world.run(random.next() * 3000)
    const startedMs = stage.world.now()
    const bob = join(stage, 'bob')
    const isBound = stage.world.runUntil(() => alice.client.state === 'bound' && bob.client.state === 'bound', 60_000)
    slowest = Math.max(slowest, stage.world.now() - startedMs)
    if (!isBound) t.fail(`seed ${seed}: not bound`)
    alice.client.query('bob')
    const told = () => bob.of('queried-by').length > 0 && alice.client.peer !== undefined
    if (!stage.world.runUntil(told, stage.world.now() + 10_000)) t.fail(`seed ${seed}: not told`)
    const talk = (from: Member, to: Member, word: string) => {
      // It is UDP: whoever is not answered says it again.
      for (let times = 0; times < 10 && !said(to).includes(word); times++) {
        from.client.say(word)
        stage.world.run(stage.world.now() + 300)
      }
      if (!said(to).includes(word)) t.fail(`seed ${seed}: "${word}" never came`)
    }
    talk(alice, bob, 'hello')
    t.equal(bob.client.say('too early'), 'nobody')
    bob.client.query('alice')
    stage.world.runUntil(() => bob.client.peer !== undefined, stage.world.now() + 10_000)
    talk(bob, alice, 'hello too')
    if (alice.of('stranger').length + bob.of('stranger').length > 0) t.fail(`seed ${seed}: taken for a stranger`)
    if (seed > 1) continue
    t.same(
      bob.of('queried-by').map(({ nick }) => nick),
      ['alice'],
      'told once',
    )
    t.same(said(bob), ['hello'])
    t.same(said(alice), ['hello too'])
    t.same(
      bob.of('heard').map(({ nick }) => nick),
      ['alice'],
    )
  }
  t.comment(`the slowest was bound after ${slowest.toFixed(0)} ms`)
})

t.test('with an older chat client, both ways round; it is sent nothing that it could choke on', async t => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seededRandom(seed, 'story')
    const stage = createStage({ seed, trace: false, link: { latencyMs: random.next() * 60 } })
    stage.startServer()
    const old = startDirectoryChat(stage.hostOf('old'), server, 'old')
    const alice = join(stage, 'alice')
    stage.world.run(2000)
    if (seed % 2) {
      alice.client.query('old')
      stage.world.run(3000)
      alice.client.say('hello')
      old.tell('QUERY alice')
      stage.world.run(4000)
      old.say('hello too')
    } else {
      old.tell('query alice')
      stage.world.run(3000)
      old.say('hello')
      stage.world.run(4000)
      alice.client.query('old')
      stage.world.run(5000)
      alice.client.say('hello too')
    }
    stage.world.run(60_000)
    const words = new Set(['hello', 'hello too'])
    const heard = old.heard.filter(({ text }) => words.has(text))
    if (heard.length !== 1) t.fail(`seed ${seed}: the older one heard ${JSON.stringify(old.heard)}`)
    if (said(alice).length !== 1) t.fail(`seed ${seed}: ours heard ${JSON.stringify(alice.events)}`)
    const openers = old.heard.filter(({ text }) => text === 'This is a direct P2P message from alice to old')
    if (openers.length > 3 || openers.length + heard.length < old.heard.length)
      t.fail(`seed ${seed}: ${openers.length}`)
    if (old.crashed) t.fail(old.crashed)
    if (old.lines.some(line => /^(ERROR|QUERIED)/.test(line))) t.fail(old.lines.join())
  }
})

t.test('two older chat clients', async t => {
  const stage = createStage({ seed: 1, link: { latencyMs: 20 } })
  stage.startServer()
  const chats = ['ann', 'ben'].map(nick => startDirectoryChat(stage.hostOf(nick), server, nick)) as [
    DirectoryChat,
    DirectoryChat,
  ]
  const [ann, ben] = chats
  stage.world.run(1000)
  ann.tell('query ben')
  ben.tell('Query ann')
  stage.world.run(2000)
  ann.say('to ben')
  ben.say('to ann')
  stage.world.run(3000)
  t.same([ann.heard[0]?.text, ben.heard[0]?.text], ['to ann', 'to ben'])
})

t.test('who comes in by the phonebook and seeks a member talks with it', async t => {
  const stage = createStage({ seed: 1, trace: false, link: { latencyMs: 10 } })
  stage.startServer()
  const alice = join(stage, 'alice')
  stage.world.run(1000)
  const bob = stage.startClient('bob', 'alice')
  t.ok(
    stage.world.runUntil(() => bob.client.state === 'connected', 5000),
    'connected',
  )
  t.ok(bob.startedMs + 1200 > stage.world.now(), `within ${stage.world.now() - bob.startedMs} ms`)
  t.match(alice.of('queried-by'), [{ nick: 'bob' }], 'told once, however often Bob asks')
  bob.client.send('hello')
  alice.client.query('bob')
  stage.world.run(stage.world.now() + 100)
  alice.client.say('hello too')
  stage.world.run(stage.world.now() + 100)
  t.same(said(alice), ['hello'])
  t.match(bob.of('message').at(-1), { text: 'hello too' })
  stage.world.run(stage.world.now() + 600_000)
  t.equal(bob.client.state, 'connected', 'and they stay so while nothing is said')
})

t.test('two who talk keep the way open, and stop when the other is gone', async t => {
  const stage = createStage({ seed: 1, link: { latencyMs: 10 } })
  stage.startServer()
  const [alice, bob] = [join(stage, 'alice'), join(stage, 'bob')]
  stage.world.run(1000)
  alice.client.query('bob')
  bob.client.query('alice')
  stage.world.run(1100)
  alice.client.say('hello')
  bob.client.say('hello')
  const between = (fromMs: number) =>
    stage.world.trace.records.filter(
      ({ kind, from, to, timeMs }) =>
        kind === 'send' && timeMs >= fromMs && from.address !== serverAddress && to.address !== serverAddress,
    )
  stage.world.run(120_000)
  const each = between(60_000).map(({ box, timeMs }) => [box, timeMs] as const)
  for (const name of ['alice', 'bob']) {
    const count = each.filter(([box]) => box === name).length
    t.ok(count >= 3 && count <= 5, `${name}: ${count} in a minute`)
  }
  bob.client.close()
  stage.world.run(200_000)
  t.equal(between(180_000).length, 0, 'to one who is gone, nothing more is sent')
})

t.test('the server is started anew: everybody is back in five seconds, and a talk goes on', async t => {
  for (let seed = 1; seed <= 20; seed++) {
    const stage = createStage({ seed, trace: false, link: { latencyMs: 20 } })
    const { host } = stage.startServer()
    const [alice, bob] = [join(stage, 'alice'), join(stage, 'bob')]
    stage.world.run(3000)
    alice.client.query('bob')
    bob.client.query('alice')
    stage.world.run(5000)
    host.stop()
    stage.world.run(8000)
    t.equal(alice.of('disconnected').length, 1)
    for (let i = 0; i < 5; i++) alice.client.say(`still ${i}`)
    stage.world.run(9000)
    t.ok(said(bob).length >= 3, 'UDP needs no server')
    stage.startServer({}, host)
    const back = () => alice.client.state === 'bound' && bob.client.state === 'bound'
    if (!stage.world.runUntil(back, stage.world.now() + 5000)) t.fail(`seed ${seed}: not back`)
  }
})

t.test('a connection dies without a word: the nickname is reclaimed as soon as the server lets it go', async t => {
  let noticed = 0
  for (let seed = 1; seed <= 20; seed++) {
    const stage = createStage({ seed, trace: false, link: { latencyMs: 20 } })
    stage.startServer()
    const alice = join(stage, 'alice')
    const host = stage.hostOf('alice')
    stage.world.run(1000)
    host.online = false
    // Some notice before the server does, and find their own name taken.
    stage.world.run(29_800)
    host.online = true
    stage.world.run(75_000)
    t.equal(alice.client.state, 'bound')
    t.equal(alice.of('nickname-wanted').length, 0, 'nobody had to be asked')
    noticed += alice.of('disconnected').length
  }
  t.ok(noticed >= 5, `${noticed} of 20 connections were lost, the others got over it`)
})

t.test('the server’s machine dies without a word and comes back: noticed within one interval', async t => {
  const stage = createStage({ seed: 1, trace: false, link: { latencyMs: 20 } })
  const { host } = stage.startServer()
  const alice = join(stage, 'alice')
  stage.world.run(5000)
  host.online = false
  host.stop()
  host.online = true
  const { server: running } = stage.startServer({}, host)
  stage.world.run(6000)
  t.equal(running.phonebook.find('alice'), undefined)
  stage.world.run(28_000) // before the stream itself would be probed
  t.ok(running.phonebook.find('alice'))
  t.equal(alice.of('disconnected').length, 1)
})

t.test(
  'text that overtakes the line that names its sender waits for it, and is a stranger’s after three seconds',
  async t => {
    for (const named of [true, false]) {
      const events: DirectoryEvent[] = []
      const peers = createPeers({
        me: () => 'alice',
        server: () => server,
        send: () => {},
        onEvent: event => events.push(event),
      })
      const at = { address: '192.0.2.7', port: 7000 }
      peers.receive(new TextEncoder().encode('hello'), at, 1000)
      t.same(events, [])
      t.equal(peers.deadline(), 4000)
      if (named) peers.queriedBy({ nick: 'bob', endpoint: at }, 2000)
      peers.tick(4000)
      t.same(
        events.map(({ event }) => event),
        named ? ['queried-by', 'heard', 'message'] : ['stranger'],
      )
    }
  },
)

t.test('a nickname that is taken is asked for again, and an answer may take its time', async t => {
  const stage = createStage({ seed: 1, link: { latencyMs: 20 } })
  const { server: running } = stage.startServer()
  join(stage, 'alice')
  stage.world.run(1000)
  const second = join(stage, 'alice', { on: 'second' })
  const nameless = join(stage, '', { on: 'third' })
  stage.world.run(2000)
  t.match(second.of('nickname-wanted'), [{ taken: 'alice' }])
  t.match(nameless.of('nickname-wanted'), [{}])
  t.equal(running.counters().connections.accepted, 2, 'without a name there is no reason to call')
  stage.world.run(200_000)
  t.match(second.client.setNickname('al ice'), /blank/)
  t.equal(second.client.setNickname('bob'), undefined)
  t.equal(nameless.client.setNickname('carol'), undefined)
  stage.world.run(201_000)
  t.same([second.client.state, nameless.client.state], ['bound', 'bound'])
  t.throws(() => join(stage, 'a,b', { on: 'fourth' }), /comma/)
  for (const member of [second, nameless]) member.client.close()
})

t.test('a list, and names that are not there', async t => {
  const stage = createStage({ seed: 1, link: { latencyMs: 20 } })
  const { server: running } = stage.startServer()
  const alice = join(stage, 'alice')
  t.equal(alice.client.list(), false, 'not yet')
  join(stage, 'bob')
  stage.startClient('zoe', 'nobody')
  stage.world.run(2000)
  alice.client.list()
  alice.client.query('carol')
  stage.world.run(3000)
  const nicks = alice.of('list')[0]?.clients.map(({ nick }) => nick)
  t.same(nicks?.sort(), ['alice', 'bob', 'zoe'])
  t.match(alice.of('unknown'), [{ nick: 'carol' }])
  alice.client.close()
  stage.world.run(3100)
  t.same([running.phonebook.find('alice'), running.counters().connections.parted.left], [undefined, 1])
})

t.test('no server, no such host, no UDP: said in words, in time', async t => {
  const stage = createStage({ seed: 1, link: { latencyMs: 20 } })
  const lost = join(stage, 'alice', { timeoutMs: 10_000 })
  const nowhere = join(stage, 'bob', { server: 'no.such.host' })
  stage.world.run(20_000)
  t.match(lost.of('waiting'), [{ on: 'server' }])
  t.match(lost.of('failed'), [{ reason: 'server-unreachable' }])
  t.match(nowhere.of('failed'), [{ reason: 'unknown-host' }])
  const muted = createStage({ seed: 1, link: { latencyMs: 20 } })
  muted.startServer()
  const carol = join(muted, 'carol', { timeoutMs: 10_000, wrap: withoutUdp })
  muted.world.run(20_000)
  t.match(carol.of('waiting'), [{ on: 'binding' }])
  t.match(carol.of('failed'), [{ reason: 'server-unreachable', error: { message: /UDP/ } }])
  stage.world.run(100_000)
  t.equal(stage.world.pending, 0, 'and no timer lives on')
})

t.test('a hostile server: nothing throws, nothing goes to where it has no business, nobody is flooded', async t => {
  const stage = createStage({ seed: 1, link: { latencyMs: 5 } })
  const host = stage.hostOf('server')
  const lines = [
    'NICKNAME?',
    'WELCOME alice 0123',
    'BOUND 198.51.100.2 49152',
    'TAKEN alice',
    'PEER bob 192.0.2.66 7000',
    'QUERIED-BY eve 127.0.0.1 7000',
    'QUERIED-BY eve 10.0.0.1 7000',
    'QUERIED-BY eve 224.0.0.1 7000',
    'QUERIED-BY eve 192.0.2.66 7000',
    'CLIENT x 192.0.2.1 1',
    'END',
    'ERROR \u001b[2J',
    'BYE',
    'x'.repeat(2000),
    '\u0000',
  ]
  const random = seededRandom(1, 'hostile')
  host.tcpListen({ port }).onConnection(connection => {
    const bytes = new TextEncoder()
    connection.onData(() => {})
    connection.send(bytes.encode('NICKNAME?\n'))
    const say = (): void => {
      for (let i = 0; i < 20; i++) {
        const line = lines[Math.floor(random.next() * lines.length)] ?? ''
        const victim = line.replace('192.0.2.66', `192.0.2.${Math.floor(random.next() * 200) + 1}`)
        connection.send(bytes.encode(`${random.next() < 0.2 ? victim.slice(0, random.next() * 30) : victim}\n`))
      }
      host.after(100, say)
    }
    say()
  })
  const alice = join(stage, 'alice')
  stage.world.run(120_000)
  const sent = stage.world.trace.records.filter(
    ({ kind, box, to }) => kind === 'send' && box === 'alice' && to.address !== serverAddress,
  )
  t.ok(
    sent.every(({ to }) => to.address.startsWith('192.0.2.')),
    'only to where datagrams may go',
  )
  const perVictim = new Map<string, number>()
  for (const { to } of sent) perVictim.set(to.address, (perVictim.get(to.address) ?? 0) + 1)
  t.ok(Math.max(0, ...perVictim.values()) <= 80, 'rule 5')
  t.ok(perVictim.size <= 64, `${perVictim.size} addresses`)
  t.equal(alice.client.peer, undefined, 'nobody is talked to who was not queried')
})

t.test('on loopback: our program, and an older chat client on real sockets', async t => {
  const running = await startServer()
  const old = startDirectoryChat(createNodeHost(), { address: '127.0.0.1', port: running.port }, 'old')
  const alice = start('test-client', [
    '--dialect',
    'directory',
    '-s',
    '127.0.0.1',
    '-p',
    String(running.port),
    '-n',
    'alice',
  ])
  await alice.until(/Registered; the Stage Manager sees us/)
  alice.child.stdin.write('list\nquery old\nhello\nsay list\nquery nobody\n')
  await alice.until(/nobody is not there/)
  t.match(alice.stdout, /^old 127\.0\.0\.1:\d+$/m)
  t.match(alice.stdout, /^Talking to old at 127\.0\.0\.1:\d+\.$/m)
  t.same(
    old.heard.map(({ text }) => text),
    ['hello', 'list'],
  )
  old.tell('QUERY alice')
  await alice.until(/^old wants to talk: query old$/m)
  old.say('good morning\u001b[2J')
  await alice.until(/^old: good morning\\u\{1b\}\[2J$/m)
  alice.child.stdin.write('exit\n')
  t.equal(await alice.ended(), 0)
  old.close()
  await running.until(/- old/)
  t.match(running.stdout, /^\+ WELCOME alice$/m)
  t.match(running.stdout, /^\+ QUERY alice old$/m)
  t.match(running.stdout, /^- alice \(left\)$/m)
})

t.test('no terminal to ask at: exit 2', async t => {
  const running = await startServer()
  const args = ['--dialect', 'directory', '-s', '127.0.0.1', '-p', String(running.port)]
  const first = start('test-client', [...args, '-n', 'alice'])
  await first.until(/Registered/)
  const taken = start('test-client', [...args, '-n', 'alice'])
  t.equal(await taken.ended(), 2)
  t.match(taken.stderr, /alice is taken: give another nickname with -n/)
  const nameless = start('test-client', args)
  t.equal(await nameless.ended(), 2)
  t.match(nameless.stderr, /-n is missing/)
})
