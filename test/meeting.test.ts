// Two newer clients meet, in worlds of IPv4, of IPv6 and of both: how long it takes, what loss does to it, and that a seed
// tells the same story twice.
import fc from 'fast-check'
import t from 'tap'
import type { Path } from '../src/sim/segment.ts'
import { seededRandom } from '../src/sim/random.ts'
import { type Stage, createStage } from '../src/lab/stage.ts'

/** One-way delays, in ms: each side to the server and back, and between the two. */
const delays = (alice: number, bob: number, between: number): Path => {
  const delayOf: Record<string, number> = { 'alice server': alice, 'bob server': bob, 'alice bob': between }
  return (from, to) => ({ latencyMs: delayOf[[from.name, to.name].sort().join(' ')] ?? 0 })
}

const versions = ['4', '6', 'both'] as const

/** Alice is there for five seconds when Bob comes. */
const meet = (stage: Stage, bobLaterMs = 5000) => {
  stage.startServer()
  const alice = stage.startClient('alice', 'bob')
  stage.world.run(bobLaterMs)
  const bob = stage.startClient('bob', 'alice')
  stage.world.runUntil(
    () => alice.client.state === 'connected' && bob.client.state === 'connected',
    bobLaterMs + 30_000,
  )
  return { alice, bob, laterMs: bobLaterMs }
}

t.test('both have heard each other as fast as the network allows, and are confirmed one way later', async t => {
  const rows: [string, number, number, number][] = [
    ['equal delays: one and a half round trips', 20, 20, 20],
    ['the later one is far from the server', 80, 10, 30],
    ['the earlier one is far from the server', 10, 80, 30],
    ['the peers are neighbours', 50, 50, 1],
    ['the peers are far apart', 5, 5, 150],
    ['no delay at all', 0, 0, 0],
    ['a satellite', 300, 40, 310],
    ['the answer comes long before the push', 2, 500, 1],
  ]
  const everywhere = rows.flatMap(row => versions.map(ip => [ip, ...row] as const))
  for (const [ip, name, late, other, between] of everywhere) {
    const story = `IPv${ip}, ${name}`
    const stage = createStage({ seed: 1, ip, path: delays(other, late, between) })
    const { alice, bob, laterMs } = meet(stage)
    const bound = Math.max(2 * late, late + other) + between
    const heardMs = Math.max(alice.first('heard').atMs, bob.first('heard').atMs) - laterMs
    const connectedMs = Math.max(alice.first('connected').atMs, bob.first('connected').atMs) - laterMs
    t.ok(heardMs <= bound + 20, `${story}: heard after ${heardMs}, bound ${bound} + 20`)
    t.ok(connectedMs <= bound + between + 20, `${story}: connected after ${connectedMs}, bound ${bound + between} + 20`)
    t.ok(heardMs >= bound - 1e-6 || between === 0 || late !== other, 'no faster than light')
  }
})

t.test('equal delays: 1.5 and 2 round trips exactly', async t => {
  for (const [oneWayMs, ip] of [1, 10, 25, 100].flatMap(ms => versions.map(ip => [ms, ip] as const))) {
    const { alice, bob, laterMs } = meet(createStage({ seed: 2, ip, path: () => ({ latencyMs: oneWayMs }) }))
    const times = (kind: 'heard' | 'connected') =>
      Math.round(Math.max(...[alice, bob].map(side => side.first(kind).atMs - laterMs)) * 1000) / 1000
    t.equal(times('heard'), 3 * oneWayMs)
    t.equal(times('connected'), 4 * oneWayMs)
  }
})

t.test('any delays: within the bound', async () => {
  const delay = fc.integer({ min: 0, max: 400 })
  const anyIp = fc.constantFrom(...versions)
  fc.assert(
    fc.property(
      delay,
      delay,
      delay,
      fc.integer({ min: 0, max: 20_000 }),
      anyIp,
      (late, other, between, laterMs, ip) => {
        const { alice, bob } = meet(createStage({ seed: 3, ip, path: delays(other, late, between) }), laterMs)
        // Started at the same time, either may be the later one at the server.
        const [first, second] = laterMs < 1000 ? [Math.max(late, other), Math.max(late, other)] : [late, other]
        const bound = Math.max(2 * first, first + second) + between + (laterMs < 1000 ? laterMs + 1000 : 0)
        const connectedMs = Math.max(alice.first('connected').atMs, bob.first('connected').atMs) - laterMs
        return connectedMs <= bound + between + 20
      },
    ),
    { numRuns: 300 },
  )
})

t.test(
  'loss, jitter, duplication, reordering and start offsets of 200 seeds: always connected, no message twice',
  async t => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = seededRandom(seed, 'rough')
      const part = (most: number): number => random.next() * most
      const link = {
        latencyMs: part(200),
        jitterMs: part(80),
        loss: part(0.1),
        duplicate: part(0.3),
        reorder: part(0.3),
      }
      const ip = versions[seed % versions.length] ?? '4'
      const stage = createStage({ seed, ip, trace: false, link })
      const { alice, bob } = meet(stage, part(40_000))
      if (alice.client.state !== 'connected' || bob.client.state !== 'connected') {
        t.fail(`seed ${seed} with ${JSON.stringify(link)}: ${alice.client.state}, ${bob.client.state}`)
        continue
      }
      for (let i = 0; i < 50; i++) bob.client.send(`message ${i}`)
      stage.world.run(stage.world.now() + 2000)
      const texts = alice.of('message').map(({ text }) => text)
      t.equal(new Set(texts).size, texts.length, `seed ${seed}: no message twice`)
      if (texts.length < 15) t.fail(`seed ${seed}: only ${texts.length} of 50 messages`)
    }
  },
)

t.test('the same seed tells the same story, byte for byte', async t => {
  const story = (seed: number): string => {
    const stage = createStage({
      seed,
      link: { latencyMs: 20, jitterMs: 10, loss: 0.1, duplicate: 0.05, reorder: 0.05 },
    })
    const { alice, bob } = meet(stage, 3000)
    alice.client.send('hello')
    bob.client.send('hello')
    stage.world.run(60_000)
    return stage.world.trace.text()
  }
  const texts = [1, 2, 3, 4, 5].map(story)
  t.same([1, 2, 3, 4, 5].map(story), texts)
  t.equal(new Set(texts).size, 5, 'and another seed another one')
})
