// What goes wrong later: servers that restart or move, peers that vanish, move, come back, or are somebody else.
import t from 'tap'
import { seededRandom } from '../src/sim/random.ts'
import { type Stage, createStage, port, serverAddress } from '../src/lab/stage.ts'

const rough = (seed: number) => {
  const random = seededRandom(seed, 'network')
  return {
    seed,
    trace: false,
    link: { latencyMs: random.next() * 60, jitterMs: random.next() * 20, loss: 0.01 },
  }
}

/** Alice and Bob, connected. */
const connected = (stage: Stage) => {
  const server = stage.startServer()
  const alice = stage.startClient('alice', 'bob')
  const bob = stage.startClient('bob', 'alice')
  const both = () => alice.client.state === 'connected' && bob.client.state === 'connected'
  if (!stage.world.runUntil(both, 10_000)) throw new Error('not connected')
  return { server, alice, bob, both, now: () => stage.world.now() }
}

t.test('a server that restarts is noticed by nobody who is connected, and found again by who looks', async t => {
  for (let seed = 1; seed <= 30; seed++) {
    const stage = createStage(rough(seed))
    const { server, alice, bob, now } = connected(stage)
    const carol = stage.startClient('carol', 'dave')
    stage.world.run(now() + 5000)
    server.host.stop()
    stage.world.run(now() + seededRandom(seed, 'story').next() * 60_000)
    stage.startServer()
    const restartedMs = now()
    const dave = stage.startClient('dave', 'carol')
    stage.world.runUntil(() => carol.client.state === 'connected' && dave.client.state === 'connected', now() + 30_000)
    t.ok(
      now() - restartedMs <= 5000,
      `seed ${seed}: lookers met ${(now() - restartedMs).toFixed(0)} ms after the restart`,
    )
    stage.world.run(restartedMs + 22_500)
    const again = stage.startClient('eve', 'alice', { timeoutMs: 5000 })
    stage.world.run(now() + 2000)
    t.ok(again.of('located').length > 0, `seed ${seed}: the connected ones are in the book again within one interval`)
    t.same([...alice.of('lost'), ...bob.of('lost')], [])
  }
})

t.test('a peer that leaves says so, and is found when it comes back', async t => {
  const stage = createStage(rough(1))
  const { alice, bob, now } = connected(stage)
  bob.client.close()
  stage.world.run(now() + 500)
  t.equal(alice.first('lost').reason, 'left')
  const checks = alice.of('check-sent').length
  stage.world.run(now() + 20_000)
  t.equal(alice.of('check-sent').length, checks, 'nothing is sent to where it was')
  const back = stage.startClient('bob', 'alice')
  const startedMs = now()
  stage.world.runUntil(() => alice.client.state === 'connected' && back.client.state === 'connected', now() + 10_000)
  t.ok(now() - startedMs < 1000, `met again after ${now() - startedMs} ms`)
})

t.test('a peer that falls silent is lost after 15 s, and found when its network is back', async t => {
  for (let seed = 1; seed <= 20; seed++) {
    const stage = createStage(rough(seed))
    const { alice, bob, both, now } = connected(stage)
    const offline = now()
    bob.host.online = false
    stage.world.run(now() + 25_000)
    t.equal(alice.client.state, 'punching')
    t.equal(alice.first('lost').reason, 'silent')
    t.ok(alice.first('lost').atMs - offline <= 16_000)
    stage.world.run(now() + seededRandom(seed, 'story').next() * 100_000)
    bob.host.online = true
    const backMs = now()
    stage.world.runUntil(both, now() + 70_000)
    t.ok(both(), `seed ${seed}: connected again after ${(now() - backMs).toFixed(0)} ms`)
    t.ok(now() - backMs < 10_000, `seed ${seed}: connected again after ${(now() - backMs).toFixed(0)} ms`)
    t.equal(alice.of('connected').length, 2)
  }
})

t.test('a peer that crashes and starts anew elsewhere takes its place again in about a second', async t => {
  for (let seed = 1; seed <= 20; seed++) {
    const stage = createStage(rough(seed))
    const { alice, bob, now } = connected(stage)
    stage.world.run(now() + seededRandom(seed, 'story').next() * 30_000)
    bob.host.stop()
    stage.world.run(now() + 300)
    const again = stage.startClient('bob', 'alice')
    const startedMs = now()
    stage.world.run(now() + 4000)
    const last = alice.of('connected').at(-1)
    t.equal(alice.of('connected').length, 2, `seed ${seed}: connected to the new one`)
    t.ok(
      (last?.atMs ?? Infinity) - startedMs < 2500,
      `seed ${seed}: after ${((last?.atMs ?? Infinity) - startedMs).toFixed(0)} ms`,
    )
    for (let i = 0; i < 3; i++) again.client.send('it is me again') // one or the other may get lost
    stage.world.run(now() + 500)
    if (!alice.of('message').some(({ text }) => text === 'it is me again')) t.fail(`seed ${seed}: no message`)
  }
})

t.test('who takes a name that is alive does not get its conversation, and its holder is told', async t => {
  const stage = createStage({ seed: 5, link: { latencyMs: 20 } })
  const { alice, bob, now } = connected(stage)
  const mallory = stage.startClient('bob', 'alice', { on: stage.hostOf('mallory') })
  stage.world.run(now() + 10_000)
  t.equal(alice.of('connected').length, 1, 'Alice stays with the Bob whom she talks to')
  t.equal(alice.client.endpoint?.address, bob.host.addresses()[0])
  t.equal(mallory.of('message').length, 0)
  alice.client.send('only for Bob')
  stage.world.run(now() + 1000)
  t.ok(bob.of('message').some(({ text }) => text === 'only for Bob'))
  const conflict = bob.first('name-conflict')
  t.equal(conflict.endpoint.address, mallory.host.addresses()[0])
  t.equal(bob.of('name-conflict').length, 1, 'once, not at each registration')
})

t.test('the server moves: its name means another address, and for a while none', async t => {
  for (let seed = 1; seed <= 10; seed++) {
    const stage = createStage(rough(seed))
    stage.world.dns.set('stage.test', [serverAddress])
    stage.startServer()
    const alice = stage.startClient('alice', 'bob', { server: 'stage.test' })
    stage.world.run(3000)
    stage.hostOf('server').stop()
    stage.world.dns.delete('stage.test')
    stage.world.run(20_000)
    t.same(alice.of('failed'), [], 'a name that was known once may be known again')
    const moved = stage.world.host({ address: '203.0.113.99', name: 'moved server' })
    stage.startServer({}, moved)
    stage.world.dns.set('stage.test', ['203.0.113.99'])
    const movedMs = stage.world.now()
    const bob = stage.startClient('bob', 'alice', { server: 'stage.test' })
    const both = () => alice.client.state === 'connected' && bob.client.state === 'connected'
    stage.world.runUntil(both, movedMs + 20_000)
    t.ok(stage.world.now() - movedMs <= 5000, `seed ${seed}: met ${stage.world.now() - movedMs} ms after the move`)
  }
})

t.test('every address of the server is tried, the next one after half a second', async t => {
  const stage = createStage({ seed: 3, link: { latencyMs: 10 } })
  stage.startServer()
  stage.world.dns.set('stage.test', ['203.0.113.77', '203.0.113.78', serverAddress])
  const alice = stage.startClient('alice', 'bob', { server: 'stage.test' })
  stage.world.run(2000)
  t.equal(alice.first('registered').server.address, serverAddress)
  t.ok(alice.first('registered').atMs < 1100)
})

t.test('failures have a reason each', async t => {
  const stage = createStage({ seed: 4, link: { latencyMs: 10 } })
  const unknown = stage.startClient('a', 'b', { server: 'nowhere.test' })
  const unanswered = stage.startClient('c', 'd', { timeoutMs: 3000 })
  stage.world.run(5000)
  t.equal(unknown.first('failed').reason, 'unknown-host')
  t.equal(unanswered.first('failed').reason, 'server-unreachable')
  stage.startServer()
  const absent = stage.startClient('e', 'f', { timeoutMs: 3000 })
  const silent = stage.startClient('g', 'h', { timeoutMs: 3000 })
  const mute = stage.world.host({ address: '198.51.100.99', name: 'mute' }).udp()
  mute.send(new TextEncoder().encode('h v=2 seek=g'), { address: serverAddress, port })
  stage.world.run(9000)
  t.equal(absent.first('failed').reason, 'peer-absent')
  t.equal(silent.first('failed').reason, 'peer-unreached')
  for (const client of [unknown, unanswered, absent, silent]) t.equal(client.events.at(-1)?.event, 'closed')
})

t.test('whom it waits for is said after five seconds, with a guess', async t => {
  const stage = createStage({ seed: 4, link: { latencyMs: 10 } })
  const early = stage.startClient('alice', 'bob')
  stage.world.run(5500)
  t.match(early.first('waiting'), { on: 'server' })
  stage.startServer()
  stage.startClient('bbob', 'x')
  stage.startClient('carol', 'x')
  const alice = stage.startClient('alan', 'bob')
  stage.world.run(12_000)
  t.match(alice.first('waiting'), { on: 'peer', near: 'bbob' })
})

t.test('stages: one sees only those of the same room', async t => {
  const stage = createStage({ seed: 6, link: { latencyMs: 10 } })
  stage.startServer()
  const pairs = ['', 'jam', 'opera'].map((room, i) => {
    const on = (who: string) =>
      stage.world.host({
        address: `198.51.100.${100 + 2 * i + (who === 'alice' ? 0 : 1)}`,
        name: `${who}${i}`,
      })
    return [
      stage.startClient('alice', 'bob', { stage: room, on: on('alice') }),
      stage.startClient('bob', 'alice', { stage: room, on: on('bob') }),
    ] as const
  })
  stage.world.run(3000)
  for (const [alice, bob] of pairs) {
    t.same(alice.client.endpoint?.address, bob.host.addresses()[0])
    t.same(
      alice
        .of('entry')
        .map(({ name }) => name)
        .sort(),
      ['alice', 'bob'],
    )
  }
})

t.test('an entry that is not refreshed is gone after two minutes', async t => {
  const stage = createStage({ seed: 6, link: { latencyMs: 10 } })
  const { server } = stage.startServer()
  const alice = stage.startClient('alice', 'bob')
  stage.world.run(1000)
  alice.host.stop()
  stage.world.run(121_000)
  stage.startClient('carol', 'dave')
  stage.world.run(122_500)
  t.equal(server.phonebook.size, 1)
  t.equal(server.phonebook.find('alice'), undefined)
})

t.test('the broadcast brings the whole book to everybody', async t => {
  const stage = createStage({ seed: 6, link: { latencyMs: 10 } })
  stage.startServer({ broadcastMs: 10_000 })
  const got = new Map<string, string>()
  for (let i = 0; i < 20; i++) {
    const socket = stage.world.host({ address: `198.51.100.${50 + i}`, name: `old${i}` }).udp()
    stage.world.after(2000, () =>
      socket.onDatagram(bytes => got.set(`old${i}`, (got.get(`old${i}`) ?? '') + new TextDecoder().decode(bytes))),
    )
    socket.send(new TextEncoder().encode(`old${i}`), { address: serverAddress, port })
  }
  stage.world.run(11_000)
  t.equal(got.size, 20)
  for (const text of got.values()) t.equal(text.split('\n').length - 1, 16)
})
