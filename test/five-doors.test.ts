// One phonebook, five doors: whoever came in by any of them is found through every other, and the two talk directly. Finder
// and registrant are stand-ins of the older programs, which die where the originals die.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { type Endpoint, sameEndpoint } from '../src/endpoint.ts'
import { hostAround } from '../src/host-around.ts'
import type { Host } from '../src/host.ts'
import { createNodeHost } from '../src/host/node.ts'
import { startOlderClient } from '../src/lab/older-client.ts'
import { createStage, port, serverAddress } from '../src/lab/stage.ts'
import { type Door, doors } from '../src/entry.ts'
import type { Phonebook } from '../src/phonebook.ts'
import { createServer } from '../src/server/server.ts'
import { seededRandom } from '../src/sim/random.ts'
import { startDirectoryChat } from './fixtures/directory-chat.ts'
import { startOlderConnectClient } from './fixtures/older-connect-client.ts'
import { startOlderNumberedClient } from './fixtures/older-numbered-client.ts'
import { freePort } from '../src/cli/free-port.ts'
import { start, startServer, stopAll } from './fixtures/program.ts'
import { startStunPeer } from './fixtures/stun-peer.ts'

/** An older program, as far as this story goes. */
type Program = {
  /** Asks the server for its peer, and speaks to it once it knows where it is. */
  ask(): void
  speak(): void
  heard(): readonly string[]
  /** Why it can't hear any more. */
  dead(): string | undefined
  close(): void
}

type Start = (host: Host, server: Endpoint, me: string, peer: string) => Program

const words = (me: string, peer: string): string => `This is a direct P2P message from ${me} to ${peer}`

const programs: Record<Door, Start> = {
  /** It asks by itself, and speaks by itself. */
  phonebook(host, server, name, contact) {
    const client = startOlderClient(host, { server, name, contact, quirks: { misreadsFirstSource: false } })
    return {
      ask() {},
      speak() {},
      heard: () => client.heard.map(({ text }) => text),
      dead: () => client.crashed,
      close: client.close,
    }
  },
  connect(host, server, me, peer) {
    const client = startOlderConnectClient(host, server, me)
    return {
      ask: () => client.type(`CONNECT ${me} ${peer}`),
      speak: () => client.peer && client.type(words(me, peer)),
      heard: () => client.heard.map(({ text }) => text),
      dead: () => client.deaf,
      close: client.close,
    }
  },
  stun(host, server, me, peer) {
    const client = startStunPeer(host, server, me, peer)
    return {
      ask: client.ask,
      speak: () => client.say(words(me, peer)),
      heard: () => client.heard,
      dead: () => undefined,
      close: client.close,
    }
  },
  directory(host, server, me, peer) {
    const client = startDirectoryChat(host, server, me)
    return {
      ask: () => client.tell(`QUERY ${peer}`),
      speak: () => client.say(words(me, peer)),
      heard: () => client.heard.map(({ text }) => text),
      dead: () => client.crashed,
      close: client.close,
    }
  },
  /** Asking and speaking are one: its message goes out with the answer. */
  numbered(host, server, me, peer) {
    const client = startOlderNumberedClient(host, server)
    return {
      ask: () => client.connect(peer, words(me, peer)),
      speak() {},
      heard: () => client.heard.map(({ text }) => text),
      dead: () => client.deaf,
      close: client.close,
    }
  },
}

/** A numbered client has the next number for a name. */
const namesOf = (finder: Door, registrant: Door): readonly [finder: string, registrant: string] => [
  finder === 'numbered' ? (registrant === 'numbered' ? '2' : '1') : 'alice',
  registrant === 'numbered' ? '1' : 'bob',
]

type Clock = { pause(ms: number): Promise<void> | void }
type Scene = { server: Endpoint; phonebook: Phonebook; hosts: readonly [Host, Host]; clock: Clock }

/**
 * Both register; the registrant asks first, then the finder; both speak. CONNECT makes the server forget, so its client waits to
 * be introduced, unless the finder is one that tells nobody whom it seeks.
 */
const meet = async (finder: Door, registrant: Door, { server, phonebook, hosts, clock }: Scene) => {
  const [me, peer] = namesOf(finder, registrant)
  const bob = programs[registrant](hosts[1], server, peer, me)
  await clock.pause(500)
  const alice = programs[finder](hosts[0], server, me, peer)
  await clock.pause(1500)
  const listed = [me, peer].map(name => phonebook.find(name)?.door)
  if (registrant !== 'connect' || finder === 'phonebook') bob.ask()
  await clock.pause(400)
  alice.ask()
  await clock.pause(400)
  for (let second = 0; second < 3; second++) {
    alice.speak()
    bob.speak()
    await clock.pause(1000)
  }
  for (const program of [alice, bob]) program.close()
  return {
    listed,
    toRegistrant: bob.heard().includes(words(me, peer)),
    toFinder: alice.heard().includes(words(peer, me)),
    dead: [alice.dead(), bob.dead()],
  }
}

const pairs = doors.flatMap(finder => doors.map(registrant => [finder, registrant] as const))
const met = (finder: Door, registrant: Door) => ({
  listed: [finder, registrant],
  toRegistrant: true,
  toFinder: true,
  dead: [undefined, undefined],
})

t.test('in a world: all 25 pairs find each other and talk both ways', async t => {
  for (const [finder, registrant] of pairs) {
    for (let seed = 1; seed <= 4; seed++) {
      const latencyMs = 2 + seededRandom(seed, `${finder} ${registrant}`).next() * 60
      const stage = createStage({ seed, trace: false, link: { latencyMs } })
      const { phonebook } = stage.startServer().server
      const { world } = stage
      world.run(10)
      const scene: Scene = {
        server: { address: serverAddress, port },
        phonebook,
        hosts: [stage.hostOf('alice'), stage.hostOf('bob')],
        clock: { pause: ms => void world.run(world.now() + ms) },
      }
      t.same(
        await meet(finder, registrant, scene),
        met(finder, registrant),
        `${finder} finds ${registrant}, seed ${seed}`,
      )
    }
  }
})

t.test('on loopback: the same, with real sockets', async t => {
  const clock: Clock = { pause: ms => new Promise(resolve => setTimeout(resolve, ms)) }
  const story = async ([finder, registrant]: readonly [Door, Door]) => {
    const host = createNodeHost()
    const [endpoint, running] = await new Promise<[Endpoint, ReturnType<typeof createServer>]>((resolve, reject) => {
      const server = createServer(host, {
        listen: [{ address: '127.0.0.1', port: 0 }],
        onEvent(event) {
          if (event.event === 'ready') queueMicrotask(() => resolve([event.endpoints[0] as Endpoint, server]))
          if (event.event === 'error') reject(event.error)
        },
      })
    })
    t.teardown(() => running.close())
    const scene: Scene = { server: endpoint, phonebook: running.phonebook, hosts: [host, host], clock }
    t.same(await meet(finder, registrant, scene), met(finder, registrant), `${finder} finds ${registrant}`)
  }
  await Promise.all(pairs.map(story))
})

t.test('who came over IPv6 is not given to who came over IPv4, nor to a numbered client', async t => {
  for (const finder of doors) {
    for (const registrant of doors) {
      const stage = createStage({ seed: 1, trace: false, link: { latencyMs: 5 } })
      const host = stage.world.host({ name: 'both', addresses: ['203.0.113.77', '2001:db8::77'] })
      const listen = ['0.0.0.0', '::'].map(address => ({ address, port }))
      const { phonebook } = stage.startServer({ listen }, host).server
      const { world } = stage
      world.run(10)
      const six = world.host({ name: 'six', addresses: ['2001:db8::6'] })
      const dialsSix = hostAround(six, { udp: () => six.udp({ address: '::' }) })
      const [me, peer] = namesOf(finder, registrant)
      programs[registrant](dialsSix, { address: '2001:db8::77', port }, peer, me)
      world.run(2000)
      const entry = phonebook.find(peer)
      t.equal(entry?.endpoint.address, '2001:db8::6', `${registrant} is there`)
      const told: string[] = []
      const four = world.host({ name: 'four', address: '198.51.100.4' })
      const listening = hostAround(four, {
        udp() {
          const socket = four.udp()
          socket.onDatagram(bytes => void told.push(new TextDecoder('latin1').decode(bytes)))
          return socket
        },
      })
      const alice = programs[finder](listening, { address: '203.0.113.77', port }, me, peer)
      world.run(4000)
      alice.ask()
      world.run(8000)
      t.notOk(
        told.some(text => text.includes('2001:db8')),
        `${finder} is not told of ${registrant}`,
      )
      t.equal(alice.dead(), undefined)
    }
  }
})

t.test('a name that a program promised to be unique is kept; any other goes to who came last', async t => {
  for (const holder of doors) {
    for (const taker of doors) {
      if (holder === taker || taker === 'numbered') continue
      const stage = createStage({ seed: 1, trace: false, link: { latencyMs: 5 } })
      const { server } = stage.startServer()
      const at = { address: serverAddress, port }
      stage.world.run(10)
      const name = holder === 'numbered' ? '1' : 'bob'
      programs[holder](stage.hostOf('holder'), at, name, 'nobody')
      stage.world.run(2000)
      const before = server.phonebook.find(name)?.endpoint
      const taking = programs[taker](stage.hostOf('taker'), at, name, 'nobody')
      stage.world.run(3000)
      if (taker === 'stun') taking.ask()
      stage.world.run(4000)
      const entry = server.phonebook.find(name)
      const isKept = holder === 'numbered' || holder === 'directory' || taker === 'directory'
      t.equal(entry?.door, isKept ? holder : taker, `${taker} wants the name of ${holder}`)
      t.equal(before !== undefined && entry !== undefined && sameEndpoint(before, entry.endpoint), isKept)
    }
  }
})

t.test("the README's table: each of our commands runs and does what the older one did", async t => {
  t.teardown(stopAll)
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const [, table = ''] = /\| older command \| ours \|.*\n\|.*\n((?:\|.*\n)+)/.exec(readme) ?? []
  const ours = table
    .trimEnd()
    .split('\n')
    .map(row => row.split('|')[2]?.replaceAll('`', '').trim() ?? '')
  const said: Record<string, RegExp> = {
    'test-server -p PORT --host ADDRESS': /ready to receive on port \d+/,
    'test-server -p 3478': /ready to receive on port \d+/,
    'test-client --dialect connect -s localhost -p 9999 -n 12345': /^REGISTERED 127\.0\.0\.1$/m,
    'test-client --dialect stun -s HOST -n 10 -c 14': /Registered; the server sees us at 127\.0\.0\.1:\d+/,
    'test-client --dialect directory -s HOST [-n alice]': /Registered; the Stage Manager sees us at 127\.0\.0\.1:\d+/,
    'test-client --dialect numbered -s HOST': /Your Id is: 1/,
  }
  t.same([...ours].sort(), Object.keys(said).sort(), 'all of it is tried here')
  const server = await startServer()
  for (const command of ours) {
    const [program = '', ...args] = command
      .replace(/ -p \S+/, '')
      .replace(/[[\]]/g, '')
      .replace(/HOST|localhost|ADDRESS/, '127.0.0.1')
      .split(' ')
    const port = program === 'test-server' ? await freePort() : server.port
    const running = start(program, [...args, '-p', String(port)])
    t.match(await running.until(said[command] ?? /never/), said[command], command)
  }
})

t.test('two stun clients, and two of a directory, talk from terminal to terminal', async t => {
  t.teardown(stopAll)
  const server = await startServer()
  const dial = ['-s', '127.0.0.1', '-p', String(server.port)]
  const [ten, fourteen] = [
    start('test-client', ['--dialect', 'stun', ...dial, '-n', '10', '-c', '14']),
    start('test-client', ['--dialect', 'stun', ...dial, '-n', '14', '-c', '10']),
  ]
  await Promise.all([ten, fourteen].map(each => each.until(/Connected to/)))
  ten.child.stdin.write('how are you?\n')
  await fourteen.until(/how are you\?/)

  const alice = start('test-client', ['--dialect', 'directory', ...dial, '-n', 'alice'])
  await alice.until(/Registered/)
  const bob = start('test-client', ['--dialect', 'directory', ...dial, '-n', 'bob'])
  await bob.until(/Registered/)
  alice.child.stdin.write('list\nquery bob\nhello bob\n')
  await alice.until(/bob 127\.0\.0\.1:\d+\n(.*\n)*Talking to bob/)
  await bob.until(/alice wants to talk: query alice/)
  bob.child.stdin.write('query alice\nhello alice\n')
  await alice.until(/bob: hello alice/)
  await bob.until(/alice: hello bob/)
})
