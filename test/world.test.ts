import t from 'tap'
import fc from 'fast-check'
import { createWorld, type World, type WorldOptions } from '../src/sim/world.ts'
import { copyDelays, longestHoldMs, perfectLink, type LinkOptions } from '../src/sim/link.ts'
import { EventQueue } from '../src/sim/queue.ts'
import { fnv1a64 } from '../src/sim/hash.ts'
import { seededRandom } from '../src/sim/random.ts'
import type { Endpoint } from '../src/endpoint.ts'
import type { SimHost } from '../src/sim/host.ts'
import { cpuMsSince } from './fixtures/cpu.ts'

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const bytesOf = (words: string): Uint8Array => new TextEncoder().encode(words)

type Heard = { atMs: number; text: string; from: Endpoint }

/** What a socket of `host` at `at` hears from now on. */
const listen = (host: SimHost, at: Partial<Endpoint> = { port: 5000 }): Heard[] => {
  const heard: Heard[] = []
  host.udp(at).onDatagram((bytes, from) => heard.push({ atMs: host.now(), text: text(bytes), from }))
  return heard
}

const errorsOf = (host: SimHost, at: Partial<Endpoint>): { code: string; fatal: boolean }[] => {
  const errors: { code: string; fatal: boolean }[] = []
  host.udp(at).onError((error, fatal) => errors.push({ code: (error as NodeJS.ErrnoException).code ?? '', fatal }))
  return errors
}

/** Alice and Bob, 25 ms apart, and Bob listens on port 5000. */
const aliceAndBob = (options: Partial<WorldOptions> = {}) => {
  const world = createWorld({ seed: 1, link: { latencyMs: 12.5 }, ...options })
  const alice = world.host({ address: '192.0.2.1', name: 'alice' })
  const bob = world.host({ address: '192.0.2.2', name: 'bob' })
  return { world, alice, bob, heard: listen(bob), toBob: { address: '192.0.2.2', port: 5000 } }
}

/** A socket of `host` that sends `count` numbered datagrams, `gapMs` apart. */
const burst = (host: SimHost, to: Endpoint, count: number, gapMs: number): void => {
  const socket = host.udp()
  for (let number = 0; number < count; number++) {
    host.after(number * gapMs, () => socket.send(bytesOf(String(number)), to))
  }
}

const roughNetwork: Partial<LinkOptions> = {
  latencyMs: 5,
  jitterMs: 30,
  loss: 0.1,
  duplicate: 0.1,
  reorder: 0.1,
}

const roughStory = (seed: number | string, prepare: (world: World) => void = () => undefined): World => {
  const { world, alice, toBob } = aliceAndBob({ seed, link: roughNetwork })
  prepare(world)
  burst(alice, toBob, 200, 3)
  world.run(2000)
  return world
}

t.test('the same seed tells the same story, byte for byte', async () => {
  fc.assert(
    fc.property(fc.oneof(fc.integer(), fc.string()), seed => {
      const [first, second] = [roughStory(seed), roughStory(seed)]
      return first.trace.text() === second.trace.text() && first.trace.hash() === second.trace.hash()
    }),
    { numRuns: 20 },
  )
})

t.test('another seed tells another story', async t => {
  const hashes = new Set(Array.from({ length: 50 }, (_, seed) => roughStory(seed).trace.hash()))
  t.equal(hashes.size, 50)
})

t.test('a bystander who draws and talks does not change the story of the others', async t => {
  const ofAlice = (world: World): string[] =>
    world.trace.records
      .filter(({ from }) => from.address === '192.0.2.1')
      .map(({ timeMs, kind }) => `${timeMs} ${kind}`)
  const crowded = roughStory(7, world => {
    const carol = world.host({ address: '192.0.2.3' })
    carol.random()
    burst(carol, { address: '192.0.2.9', port: 1 }, 50, 2)
  })
  t.same(ofAlice(crowded), ofAlice(roughStory(7)))
})

t.test('a trace reads like a log', async t => {
  const { world, alice, toBob } = aliceAndBob()
  const socket = alice.udp()
  socket.send(bytesOf('hello'), toBob)
  socket.send(bytesOf('anyone?'), { address: '2001:db8::1', port: 9 })
  world.run(100)
  t.equal(
    world.trace.text(),
    [
      '0.000 send #1 alice 192.0.2.1:49152 > 192.0.2.2:5000 5',
      '0.000 send #2 alice 0.0.0.0:49152 > [2001:db8::1]:9 7',
      '0.000 drop #2 alice 0.0.0.0:49152 > [2001:db8::1]:9 7 family',
      '25.000 deliver #1 bob 192.0.2.1:49152 > 192.0.2.2:5000 5',
    ].join('\n'),
  )
  t.match(world.trace.hash(), /^[0-9a-f]{16}$/)
})

t.test('a trace keeps what it is told to keep, and counts everything', async t => {
  const traces = [true, false, 3].map(trace => {
    const { world, alice, toBob } = aliceAndBob({ trace })
    burst(alice, toBob, 10, 1)
    burst(alice, { address: '192.0.2.77', port: 1 }, 5, 1)
    world.run(100)
    return world.trace
  })
  t.same(
    traces.map(trace => trace.records.length),
    [30, 0, 3],
  )
  for (const trace of traces) {
    t.same(trace.counts, { send: 15, forward: 0, deliver: 10, drop: 5 })
    t.equal(trace.drops['no-such-address'], 5)
  }
  t.equal(traces[2]?.text(), traces[0]?.text().split('\n').slice(-3).join('\n'))
})

t.test('FNV-1a 64 gives the published values', async t => {
  t.equal(fnv1a64(''), 'cbf29ce484222325')
  t.equal(fnv1a64('a'), 'af63dc4c8601ec8c')
  t.equal(fnv1a64('foobar'), '85944171f73967e8')
})

t.test('latency is exact: the links of both ends, or the path where one is set', async t => {
  const delays: Record<string, number> = { 'alice bob': 7, 'bob alice': 90 }
  const world = createWorld({
    seed: 1,
    path: (from, to) => {
      const latencyMs = delays[`${from.name} ${to.name}`]
      return latencyMs === undefined ? undefined : { latencyMs }
    },
  })
  const alice = world.host({ address: '192.0.2.1', name: 'alice', link: { latencyMs: 3 } })
  const bob = world.host({ address: '192.0.2.2', name: 'bob', link: { latencyMs: 1 } })
  const carol = world.host({ address: '192.0.2.3', name: 'carol' })
  const heard = [alice, bob, carol].map(host => listen(host))
  for (const host of [alice, bob, carol]) {
    const socket = host.udp()
    for (const to of ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
      socket.send(bytesOf(host.name), { address: to, port: 5000 })
  }
  world.run(1000)
  const times = heard.map(each => Object.fromEntries(each.map(({ text, atMs }) => [text, atMs])))
  t.same(times, [
    { alice: 0, bob: 90, carol: 13 },
    { alice: 7, bob: 0, carol: 11 },
    { alice: 13, bob: 11, carol: 0 },
  ])
})

t.test('loss and duplication come at about the rate asked for', async t => {
  const count = 20_000
  for (const rate of [0.02, 0.3]) {
    const lossy = aliceAndBob({ link: { loss: rate } })
    burst(lossy.alice, lossy.toBob, count, 1)
    lossy.world.run(count + 100)
    t.ok(Math.abs(lossy.heard.length / count - (1 - rate) ** 2) < 0.015, `loss ${rate} on both links`)
    t.equal(lossy.world.trace.drops.loss, count - lossy.heard.length)

    const doubling = aliceAndBob({ path: () => ({ duplicate: rate }) })
    burst(doubling.alice, doubling.toBob, count, 1)
    doubling.world.run(count + 100)
    t.ok(Math.abs(doubling.heard.length / count - (1 + rate)) < 0.015, `duplication ${rate} on the path`)
  }
})

t.test('who receives a datagram twice can write on each copy', async t => {
  const { world, alice, bob } = aliceAndBob({ path: () => ({ duplicate: 1 }) })
  const seen: string[] = []
  bob.udp({ port: 6000 }).onDatagram(bytes => {
    seen.push(text(bytes))
    bytes.fill(0)
  })
  const bytes = bytesOf('mine')
  alice.udp().send(bytes, { address: '192.0.2.2', port: 6000 })
  bytes.fill(0)
  world.run(100)
  t.same(seen, ['mine', 'mine'], 'and the sender can reuse its buffer at once')
})

t.test('without jitter and reordering, order is kept; with reordering, later ones overtake', async t => {
  const arrivals = (link: Partial<LinkOptions>, seed: number): number[] => {
    const { world, alice, heard, toBob } = aliceAndBob({ seed, link })
    burst(alice, toBob, 100, 1)
    world.run(1000)
    return heard.map(({ text }) => Number(text))
  }
  const inOrder = (numbers: number[]): boolean =>
    numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? 0))
  for (let seed = 0; seed < 20; seed++) {
    t.ok(inOrder(arrivals({ loss: 0.2 }, seed)))
    const shuffled = arrivals({ reorder: 0.1 }, seed)
    t.equal(shuffled.length, 100)
    t.notOk(inOrder(shuffled))
  }
})

t.test('every delay of a link lies between its latency and latency, jitter and hold', async t => {
  const probability = fc.double({ min: 0, max: 1, noNaN: true })
  const milliseconds = fc.integer({ min: 0, max: 1000 })
  const link = fc.record({
    latencyMs: milliseconds,
    jitterMs: milliseconds,
    loss: probability,
    duplicate: probability,
    reorder: probability,
  })
  fc.assert(
    fc.property(link, fc.integer(), (options, seed) => {
      const most = options.latencyMs + options.jitterMs + (options.reorder > 0 ? longestHoldMs : 0)
      const delays = copyDelays(options, seededRandom(seed))
      return delays.length <= 2 && delays.every(delay => delay >= options.latencyMs && delay <= most)
    }),
  )
  t.same(copyDelays(perfectLink, seededRandom(1)), [0])
  t.same(copyDelays({ loss: 1 }, seededRandom(1)), [])
})

t.test('the network changes under a running program', async t => {
  const { world, alice, bob, heard, toBob } = aliceAndBob()
  burst(alice, toBob, 10, 100)
  world.after(150, () => (alice.link.loss = 1))
  world.after(350, () => (alice.link.loss = 0))
  world.after(450, () => (bob.online = false))
  world.after(650, () => (bob.online = true))
  world.after(750, () => (alice.online = false))
  world.run(2000)
  t.same(
    heard.map(({ text }) => text),
    ['0', '1', '4', '7'],
  )
  t.match(world.trace.drops, { loss: 2, offline: 4 })
})

t.test('a crashed host hears nothing, and a new program starts on its address', async t => {
  const { world, alice, bob, heard, toBob } = aliceAndBob()
  let ticks = 0
  let resolved = 0
  const tick = (): void => void bob.after(10, () => (ticks++, tick()))
  tick()
  burst(alice, toBob, 10, 10)
  world.after(52, () => {
    bob.resolve('localhost', () => resolved++)
    bob.stop()
  })
  let reborn: Heard[] = []
  world.after(92, () => (reborn = listen(bob)))
  world.run(1000)
  t.same(
    heard.map(({ text }) => text),
    ['0', '1', '2'],
  )
  t.same(
    reborn.map(({ text }) => text),
    ['7', '8', '9'],
  )
  t.match({ ticks, resolved }, { ticks: 5, resolved: 0 })
  t.equal(world.trace.drops['port-closed'], 4)
  t.equal(world.pending, 0)
})

t.test('nothing arrives at a closed socket, and it sends nothing', async t => {
  const { world, alice, bob, toBob } = aliceAndBob()
  const socket = bob.udp({ port: 6000 })
  let heard = 0
  socket.onDatagram(() => {
    heard++
    socket.close()
    socket.close()
    socket.send(bytesOf('too late'), toBob)
  })
  burst(alice, { address: '192.0.2.2', port: 6000 }, 5, 0)
  world.run(1000)
  t.equal(heard, 1)
  t.equal(world.trace.counts.send, 5)

  const early = bob.udp({ port: 6000 })
  early.onReady(() => t.fail('closed before it was ready'))
  early.send(bytesOf('never'), toBob)
  early.close()
  world.run(2000)
  t.equal(world.trace.counts.send, 5)
})

t.test('a port can be had once per address and family', async t => {
  const world = createWorld({ seed: 1 })
  const host = world.host({ addresses: ['192.0.2.1', '192.0.2.2', '2001:db8::1'] })
  const udp = (address: string, port = 5000) => errorsOf(host, { address, port })
  const good = [udp('192.0.2.1'), udp('192.0.2.2'), udp('127.0.0.1'), udp('::'), udp('0.0.0.0', 5001)]
  const taken = [udp('192.0.2.1'), udp('0.0.0.0'), udp('2001:db8::1'), udp('::'), udp('127.0.0.1', 5001)]
  const foreign = [udp('192.0.2.9', 5002), udp('2001:db8::9', 5002)]
  const nonsense = [udp('192.0.2.1', 65536), udp('192.0.2.1', -1), udp('192.0.2.1', 1.5)]
  t.same([...good, ...taken].flat(), [], 'errors come later, as events')
  world.run(0)
  t.same(good, [[], [], [], [], []])
  for (const errors of taken) t.same(errors, [{ code: 'EADDRINUSE', fatal: true }])
  for (const errors of foreign) t.same(errors, [{ code: 'EADDRNOTAVAIL', fatal: true }])
  for (const errors of nonsense) t.same(errors, [{ code: 'ERR_SOCKET_BAD_PORT', fatal: true }])
})

t.test('a closed port is free at once, and a bind error that nobody handles is thrown', async t => {
  const { world, bob } = aliceAndBob()
  const first = bob.udp({ port: 6000 })
  first.close()
  const second = bob.udp({ port: 6000 })
  world.run(0)
  t.equal(second.local.port, 6000)
  bob.udp({ port: 6000 })
  t.throws(() => world.run(1), { code: 'EADDRINUSE', message: 'bind EADDRINUSE 0.0.0.0:6000' })
})

t.test('ephemeral ports count up from 49152, over taken ones, and run out', async t => {
  const world = createWorld({ seed: 1 })
  const host = world.host({ address: '192.0.2.1' })
  host.udp({ port: 49154 })
  const sockets = Array.from({ length: 4 }, () => host.udp())
  t.same(
    sockets.map(({ local }) => local.port),
    [0, 0, 0, 0],
    'not known before the socket is ready',
  )
  world.run(0)
  t.same(
    sockets.map(({ local }) => local),
    [49152, 49153, 49155, 49156].map(port => ({ address: '0.0.0.0', port })),
  )
  for (const socket of sockets) socket.close()
  const next = host.udp()
  world.run(1)
  t.equal(next.local.port, 49157, 'a closed port is not handed out again before its turn')
  for (let more = 0; more < 16384 - 2; more++) host.udp()
  const errors = errorsOf(host, {})
  world.run(2)
  t.same(errors, [{ code: 'EADDRINUSE', fatal: true }])
})

t.test('datagrams sent before a socket is ready wait for it, and go before what onReady sends', async t => {
  const { world, alice, heard, toBob } = aliceAndBob()
  const socket = alice.udp()
  const steps: string[] = []
  socket.onReady(() => {
    steps.push(`ready at ${alice.now()} on ${socket.local.port}`)
    socket.send(bytesOf('second'), toBob)
    socket.onReady(() => steps.push('asked again'))
  })
  socket.send(bytesOf('first'), toBob)
  steps.push('sent')
  world.run(100)
  t.same(steps, ['sent', 'ready at 0 on 49152', 'asked again'])
  t.same(
    heard.map(({ text }) => text),
    ['first', 'second'],
  )
})

t.test('a port that is still being bound is closed', async t => {
  const { world, alice, bob } = aliceAndBob()
  let heard: Heard[] = []
  world.after(25, () => (heard = listen(bob, { port: 6000 })))
  burst(alice, { address: '192.0.2.2', port: 6000 }, 2, 1)
  world.run(100)
  t.same(
    heard.map(({ text }) => text),
    ['1'],
  )
  t.equal(world.trace.drops['port-closed'], 1)
})

t.test('what can not be sent is reported, later, and the socket lives on', async t => {
  const { world, alice, heard, toBob } = aliceAndBob()
  const codes: unknown[] = []
  const socket = alice.udp()
  socket.onError((error, fatal) => codes.push((error as NodeJS.ErrnoException).code, fatal))
  const inside = alice.udp({ address: '127.0.0.1' })
  inside.onError(error => codes.push(error.message))
  world.run(0)
  socket.send(bytesOf('x'), { ...toBob, port: 0 })
  socket.send(new Uint8Array(65508), toBob)
  socket.send(bytesOf('x'), toBob, { ttl: 0 })
  inside.send(bytesOf('x'), toBob)
  t.same(codes, [])
  socket.send(bytesOf('fine'), toBob)
  world.run(100)
  t.same(codes, ['ERR_SOCKET_BAD_PORT', false, 'EMSGSIZE', false, 'EINVAL', false, 'send EINVAL 192.0.2.2:5000'])
  t.same(
    heard.map(({ text }) => text),
    ['fine'],
  )
})

t.test('sockets of one host reach each other at once, but not inside the call, even offline', async t => {
  const world = createWorld({ seed: 1, link: { latencyMs: 50, loss: 1 } })
  const host = world.host({ addresses: ['192.0.2.1', '2001:db8::1'] })
  host.online = false
  const any = listen(host)
  const loop = listen(host, { address: '127.0.0.1', port: 6000 })
  const six = listen(host, { address: '::', port: 5000 })
  const sender = host.udp({ port: 7000 })
  const sixSender = host.udp({ address: '::', port: 7000 })
  world.run(5)
  for (const address of ['127.0.0.1', '127.9.9.9', '192.0.2.1']) sender.send(bytesOf(address), { address, port: 5000 })
  sender.send(bytesOf('to 127.0.0.1'), { address: '127.0.0.1', port: 6000 })
  sender.send(bytesOf('to 192.0.2.1'), { address: '192.0.2.1', port: 6000 })
  for (const address of ['::1', '2001:db8::1', '192.0.2.1']) sixSender.send(bytesOf(address), { address, port: 5000 })
  t.same(any, [])
  world.run(5)
  const line = ({ atMs, text, from }: Heard): string => `${atMs} ${text} from ${from.address} ${from.port}`
  t.same(any.map(line), [
    '5 127.0.0.1 from 127.0.0.1 7000',
    '5 127.9.9.9 from 127.0.0.1 7000',
    '5 192.0.2.1 from 192.0.2.1 7000',
  ])
  t.same(loop.map(line), ['5 to 127.0.0.1 from 127.0.0.1 7000'])
  t.same(six.map(line), ['5 ::1 from ::1 7000', '5 2001:db8::1 from 2001:db8::1 7000'])
  t.match(world.trace.drops, { 'port-closed': 1, family: 1 })
})

t.test('the socket on the exact address hears before the one on any address', async t => {
  const { world, alice, bob, toBob } = aliceAndBob()
  bob.stop()
  const exact = listen(bob, { address: '192.0.2.2', port: 5000 })
  const loop = listen(bob, { address: '127.0.0.1', port: 5000 })
  burst(alice, toBob, 1, 0)
  world.run(100)
  t.match({ exact: exact.length, loop: loop.length }, { exact: 1, loop: 0 })
})

t.test('a datagram dies where its time to live ends', async t => {
  const { world, alice, heard, toBob } = aliceAndBob({ hops: 4 })
  const left: number[] = []
  world.internet.attach({ name: 'probe', receive: ({ ttl }) => left.push(ttl) }, ['192.0.2.3'])
  const socket = alice.udp()
  for (const ttl of [3, 4, 5, 255]) socket.send(bytesOf(String(ttl)), toBob, { ttl })
  socket.send(bytesOf('default'), { address: '192.0.2.3', port: 1 })
  world.run(100)
  t.same(
    heard.map(({ text }) => text),
    ['5', '255'],
  )
  t.equal(world.trace.drops.ttl, 2)
  t.same(left, [60])
})

t.test('names resolve after a while, follow the table, and fail with a code', async t => {
  const world = createWorld({ seed: 1, dnsDelayMs: 30 })
  const host = world.host({ address: '192.0.2.1' })
  const server = world.host({ addresses: ['192.0.2.5', '2001:db8::5'], names: ['Stage.example'] })
  const answers: string[] = []
  const ask = (name: string): void =>
    host.resolve(name, (addresses, error) =>
      answers.push(
        `${host.now()} ${name} ${addresses.join()} ${(error as NodeJS.ErrnoException | undefined)?.code ?? ''}`,
      ),
    )
  for (const name of ['stage.EXAMPLE', 'nowhere.example', 'localhost', '198.51.100.1', '2001:db8::9']) ask(name)
  t.same(answers, [])
  world.run(50)
  t.same(answers.splice(0), [
    '0 198.51.100.1 198.51.100.1 ',
    '0 2001:db8::9 2001:db8::9 ',
    '30 stage.EXAMPLE 192.0.2.5,2001:db8::5 ',
    '30 nowhere.example  ENOTFOUND',
    '30 localhost 127.0.0.1 ',
  ])
  world.dns.set('stage.example', ['192.0.2.6'])
  ask('stage.example')
  world.after(40, () => {
    host.online = false
    ask('stage.example')
  })
  world.run(200)
  t.same(answers, ['80 stage.example 192.0.2.6 ', '120 stage.example  EAI_AGAIN'])
  t.same(server.addresses(), ['192.0.2.5', '2001:db8::5'])
})

t.test('at equal times, first come first served, and time never goes back', async () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.boolean())), plan => {
      const world = createWorld({ seed: 1 })
      const ran: [number, number][] = []
      const cancels = plan.map(([ms], index) => world.after(ms, () => ran.push([world.now(), index])))
      plan.forEach(([, cancelled], index) => cancelled && cancels[index]?.())
      world.run(10)
      const wanted = plan
        .map(([ms, cancelled], index) => ({ ms, cancelled, index }))
        .filter(({ cancelled }) => !cancelled)
        .sort((a, b) => a.ms - b.ms || a.index - b.index)
        .map(({ ms, index }) => [ms, index])
      return JSON.stringify(ran) === JSON.stringify(wanted) && world.now() === 10 && world.pending === 0
    }),
  )
})

t.test('a queue keeps its order while most of it is cancelled', async t => {
  const queue = new EventQueue()
  const random = seededRandom('queue')
  const ran: number[] = []
  const events = Array.from({ length: 10_000 }, () => {
    const atMs = Math.floor(random.next() * 500)
    return queue.add(atMs, () => ran.push(atMs))
  })
  const kept = events.filter((_, index) => index % 7 === 0).map(({ atMs }) => atMs)
  events.forEach((event, index) => index % 7 !== 0 && (queue.cancel(event), queue.cancel(event)))
  t.equal(queue.size, kept.length)
  for (let run = queue.take(); run; run = queue.take()) run()
  t.same(
    ran,
    kept.sort((a, b) => a - b),
  )
  t.equal(queue.nextMs, Infinity)
  for (const event of events) queue.cancel(event)
  t.equal(queue.size, 0)
})

t.test('run and runUntil stop where they should', async t => {
  const world = createWorld({ seed: 1 })
  const ran: number[] = []
  for (const ms of [10, 20, 30]) world.after(ms, () => ran.push(ms))
  world.run(20)
  t.same([ran, world.now()], [[10, 20], 20])
  world.run(5)
  t.equal(world.now(), 20)
  t.equal(
    world.runUntil(() => ran.length === 3, 1000),
    true,
  )
  t.equal(world.now(), 30)
  t.equal(
    world.runUntil(() => ran.length === 4, 1000),
    false,
  )
  t.equal(world.now(), 1000)
})

t.test('bugs surface', async t => {
  const world = createWorld({ seed: 1 })
  const host = world.host({ address: '192.0.2.1' })
  const before = world.pending
  const cancel = host.after(1, () => t.fail('cancelled'))
  cancel()
  cancel()
  t.equal(world.pending, before)
  host.after(5, () => {
    throw new Error('a bug in a handler')
  })
  t.throws(() => world.run(10), { message: 'a bug in a handler' })
  t.equal(world.now(), 5)
  world.run(10)
  t.equal(world.now(), 10, 'and the world can go on')
  for (const ms of [NaN, Infinity]) t.throws(() => host.after(ms, () => undefined), RangeError)
  t.throws(() => world.host({ address: '192.0.2.1' }), /taken on internet/)
  for (const address of ['example.org', '2001:DB8::1', '']) t.throws(() => world.host({ address }), RangeError)
  t.throws(() => world.host({ addresses: [] }), RangeError)
  t.throws(() => world.segment({ name: 'internet' }), RangeError)
  world.after(1, () => world.run(20))
  t.throws(() => world.run(20), /running already/)
  const spin = (): void => void host.after(0, spin)
  spin()
  t.throws(() => world.run(30), /time stands still/)
})

t.test('a box with a foot in two segments joins a LAN to the internet', async t => {
  const { world, heard, toBob } = aliceAndBob()
  const lan = world.segment({ name: 'home', link: { latencyMs: 0.5 } })
  const inside = world.host({ address: '10.0.0.2', name: 'laptop', segment: lan })
  const neighbour = listen(world.host({ address: '10.0.0.3', name: 'printer', segment: lan }))
  const box = {
    name: 'router',
    receive: (datagram: Parameters<typeof outside.send>[0]) =>
      outside.send({
        ...datagram,
        from: { address: '192.0.2.99', port: datagram.from.port },
        ttl: datagram.ttl - 1,
      }),
  }
  const outside = world.internet.attach(box, ['192.0.2.99'])
  lan.gateways.set(4, lan.attach(box, ['10.0.0.1']))
  const socket = inside.udp()
  socket.send(bytesOf('out'), toBob)
  socket.send(bytesOf('next door'), { address: '10.0.0.3', port: 5000 })
  world.run(100)
  t.match(heard, [{ atMs: 26, text: 'out', from: { address: '192.0.2.99', port: 49152 } }])
  t.match(neighbour, [{ atMs: 1, text: 'next door', from: { address: '10.0.0.2' } }])

  socket.send(bytesOf('lost'), toBob)
  world.after(10, () => world.internet.detach(outside))
  world.after(20, () => lan.gateways.get(4)?.detach())
  world.after(30, () => socket.send(bytesOf('nowhere to go'), toBob))
  world.run(200)
  t.match(
    heard.map(({ text }) => text),
    ['out', 'lost'],
  )
  t.equal(world.trace.drops['no-such-address'], 1)
})

t.test('what is in flight to a box that is taken away is lost', async t => {
  const { world, alice, bob, heard, toBob } = aliceAndBob()
  burst(alice, toBob, 1, 0)
  world.after(10, () => bob.attachment.detach())
  world.after(10, () => world.host({ address: '192.0.2.2', name: 'the next tenant' }))
  world.run(100)
  t.same(heard, [])
  t.equal(world.trace.drops['no-such-address'], 1)
})

t.test('random streams: even, repeatable, and none shifts another', async t => {
  const draw = (seed: number | string, label?: string): number[] => {
    const random = seededRandom(seed, label)
    return Array.from({ length: 20 }, () => random.next())
  }
  t.same(draw(7), draw(7))
  const streams = [draw(7), draw(8), draw(7, 'a'), draw(7, 'b'), draw(8, 'a'), draw('7a'), draw(-7), draw(7.5)]
  t.equal(new Set(streams.flat()).size, streams.length * 20)

  const parent = seededRandom(7)
  parent.next()
  parent.bytes(100)
  const child = parent.stream('a')
  t.same(
    Array.from({ length: 20 }, () => child.next()),
    draw(7, 'a'),
  )

  const many = seededRandom('many')
  const counts = Array.from({ length: 10 }, () => 0)
  for (let index = 0; index < 100_000; index++) {
    const tenth = Math.floor(many.next() * 10)
    counts[tenth] = (counts[tenth] ?? 0) + 1
  }
  t.ok(
    counts.every(count => Math.abs(count - 10_000) < 500),
    counts.join(' '),
  )
  t.same(
    [0, 1, 4, 7].map(count => many.bytes(count).length),
    [0, 1, 4, 7],
  )
  t.equal(new Set(many.bytes(100_000)).size, 256)

  const firsts = Array.from({ length: 2000 }, (_, seed) => seededRandom(seed).next())
  const mean = firsts.reduce((sum, value) => sum + value, 0) / firsts.length
  t.ok(Math.abs(mean - 0.5) < 0.03, `neighbouring seeds start far apart: ${mean}`)
})

t.test('two hosts draw different secrets, and the same ones in the same world', async t => {
  const secrets = (seed: number): string[] => {
    const world = createWorld({ seed })
    return ['192.0.2.1', '192.0.2.2'].map(address => {
      const host = world.host({ address, name: 'twin' })
      return `${host.randomBytes(16).join()} ${host.random()}`
    })
  }
  t.same(secrets(1), secrets(1))
  t.equal(new Set([...secrets(1), ...secrets(2)]).size, 4)
})

t.test('a hundred thousand timers are nothing', async t => {
  const world = createWorld({ seed: 1 })
  const host = world.host({ address: '192.0.2.1' })
  const random = seededRandom('timers')
  let ran = 0
  const started = process.cpuUsage()
  for (let timer = 0; timer < 100_000; timer++) host.after(random.next() * 10_000, () => ran++)
  for (let timer = 0; timer < 100_000; timer++) host.after(random.next() * 10_000, () => ran++)()
  world.run(10_000)
  t.equal(ran, 100_000)
  const ms = cpuMsSince(started)
  t.ok(ms < 3000, `${ms} ms`)
})

t.test('datagrams by the hundred thousand', async t => {
  const { world, alice, bob, toBob } = aliceAndBob({ trace: false })
  const count = 100_000
  const ball = new Uint8Array(40)
  let caught = 0
  const echo = bob.udp({ port: 7777 })
  echo.onDatagram((bytes, from) => echo.send(bytes, from))
  const player = alice.udp()
  player.onDatagram((bytes, from) => caught++ < count / 2 && player.send(bytes, from))
  for (let balls = 0; balls < 100; balls++) player.send(ball, { ...toBob, port: 7777 })
  const started = performance.now()
  world.run(count)
  const perSecond = Math.round((world.trace.counts.deliver / (performance.now() - started)) * 1000)
  t.comment(`${perSecond} delivered datagrams per second`)
  t.ok(world.trace.counts.deliver >= count)
})
