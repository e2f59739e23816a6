// Getting through, room by room: the numbers, the plan that both sides make alike, and the shots of an attempt.
import t from 'tap'
import fc from 'fast-check'
import { type Situation, type Shot, createAttempts } from '../src/client/attempts.ts'
import { hitProbability, nextPorts, sequenceOf, sprayPorts } from '../src/client/odds.ts'
import { type Parameters, type Part, type StrategyName, ourParameters, planFor } from '../src/client/strategy.ts'
import { type NatHint, formatHint, parseHint } from '../src/dialects/phonebook/hint.ts'
import { type Behavior, behaviors } from '../src/nat-profile.ts'
import { createGettingThrough } from '../src/client/getting-through.ts'
import type { UdpSocket } from '../src/host.ts'
import { seededRandom } from '../src/sim/random.ts'
import { createWorld } from '../src/sim/world.ts'

const [EI, AD, APD] = behaviors
const counted = [40_000, 40_001, 40_003]
const scattered = [1519, 60_031, 44_410]
const hint = (mapping: Behavior, filtering?: Behavior, ports: readonly number[] = []): NatHint => ({
  mapping,
  filtering,
  ports,
})

t.test('hints: written and read', async t => {
  const table: [string, NatHint][] = [
    ['ei/-', hint(EI)],
    ['ad/apd/1024/65535', hint(AD, APD, [1024, 65_535])],
    ['apd/ei/1/2/3/4/5/6/7/8', hint(APD, EI, [1, 2, 3, 4, 5, 6, 7, 8])],
  ]
  for (const [text, value] of table) {
    t.equal(formatHint(value), text)
    t.same(parseHint(text), value)
  }
  t.equal(formatHint(hint(APD, undefined, [1, 2, 3, 4, 5, 6, 7, 8, 9])), 'apd/-/2/3/4/5/6/7/8/9', 'the latest eight')
  for (const bad of ['', 'ei', 'eim/-', 'ei/', 'ei/-/', 'ei/-/0', 'ei/-/65536', 'ei/-/x', 'ei/-/1/2/3/4/5/6/7/8/9'])
    t.equal(parseHint(bad), undefined, JSON.stringify(bad))
  t.equal(parseHint(`ei/-${'/1'.repeat(40)}`), undefined)
})

t.test('a sequence, though datagrams overtake each other and others use the NAT', async t => {
  const table: [number[], ReturnType<typeof sequenceOf>][] = [
    [[40_000, 40_001, 40_002], { latest: 40_002, step: 1 }],
    [[40_000, 40_002, 40_001], { latest: 40_002, step: 1 }],
    [[40_000, 40_007, 40_009, 40_030], { latest: 40_030, step: 2 }],
    [[40_000, 39_998, 39_996], { latest: 39_996, step: -2 }],
    [[40_000, 40_000, 40_001], undefined],
    [scattered, undefined],
    [[], undefined],
  ]
  for (const [ports, sequence] of table) t.same(sequenceOf(ports), sequence, ports.join())
  t.same(nextPorts({ latest: 65_533, step: 1 }, 5), [65_534, 65_535], 'only what is a port')
  t.same(nextPorts({ latest: 40_000, step: -2 }, 3), [39_998, 39_996, 39_994])
})

t.test('the birthday paradox, as published', async t => {
  for (const [probes, share] of [
    [174, 0.5],
    [256, 0.639],
    [1024, 0.983],
    [2048, 0.9997],
  ] as const)
    t.ok(Math.abs(hitProbability(64_511, 256, probes) - share) < 0.002, `${probes} probes`)
  t.equal(hitProbability(100, 60, 60), 1)
})

t.test('a spray: different ports, in the range of the samples where that is wide enough', async () => {
  const port = fc.integer({ min: 1024, max: 65_535 })
  fc.assert(
    fc.property(
      fc.array(port, { maxLength: 8 }),
      fc.integer({ min: 1, max: 2000 }),
      fc.nat(),
      (samples, count, seed) => {
        const random = seededRandom(seed, 'spray')
        const ports = sprayPorts(samples, count, () => random.next())
        if (ports.length !== count || new Set(ports).size !== count) throw new Error('not so many different ones')
        if (ports.some(each => each < 1024 || each > 65_535)) throw new Error('no port that a NAT gives')
        const [lowest, highest] = [Math.min(...samples), Math.max(...samples)]
        const isWide = new Set(samples).size > 2 && highest - lowest >= 4 * count
        if (isWide && ports.some(each => each < lowest || each > highest)) throw new Error('outside of the samples')
      },
    ),
  )
})

t.test('both sides make the same plan, each with its own part', async t => {
  const table: [string, NatHint | undefined, NatHint | undefined, StrategyName, Part, Part][] = [
    ['easy ones', hint(EI), hint(EI), 'direct', 'both', 'both'],
    ['one is open', hint(APD, APD, scattered), hint(APD, EI, scattered), 'direct', 'both', 'both'],
    ['counted up', hint(EI), hint(APD, APD, counted), 'predict', 'probe', 'open'],
    ['at random', hint(EI), hint(APD, undefined, scattered), 'spray', 'probe', 'open'],
    ['its filter sees addresses only', hint(APD, APD, scattered), hint(AD, AD, scattered), 'spray', 'probe', 'open'],
    ['both filters do', hint(AD, AD, scattered), hint(AD, AD, scattered), 'spray', 'open', 'probe'],
    ['the counted one opens', hint(APD, AD, scattered), hint(APD, AD, counted), 'predict', 'probe', 'open'],
    ['both counted up', hint(APD, APD, counted), hint(APD, APD, counted), 'predict', 'both', 'both'],
    ['one of them at random', hint(APD, APD, counted), hint(APD, APD, scattered), 'relay', 'both', 'both'],
    ['both at random', hint(APD, APD, scattered), hint(AD, APD, scattered), 'relay', 'both', 'both'],
    ['filters not known', hint(APD, undefined, scattered), hint(APD, undefined, scattered), 'relay', 'both', 'both'],
    ['nothing known', undefined, hint(EI), 'direct', 'both', 'both'],
  ]
  for (const [story, mine, theirs, strategy, myPart, theirPart] of table) {
    const [here, there] = [planFor(mine, theirs, true), planFor(theirs, mine, false)]
    t.match(here, { strategy, part: myPart }, story)
    t.match(there, { strategy, part: theirPart }, `${story}, seen from the other side`)
    t.equal(here.odds, there.odds)
    t.equal(here.odds === undefined, mine === undefined)
  }
})

// --- attempts ---

type Told = { readonly shots: (Shot & { readonly atMs: number })[]; readonly attempts: string[]; exhausted: number }

const setUp = (parameters: Partial<Parameters> = {}, isFirst = true) => {
  const told: Told = { shots: [], attempts: [], exhausted: 0 }
  let nowMs = 0
  let sockets = 0
  let samples = 0
  const random = seededRandom(1, 'attempts')
  const attempts = createAttempts({
    isFirst,
    parameters: { ...ourParameters, ...parameters },
    random: () => random.next(),
    open: (count, done) =>
      done(
        Array.from({ length: count }, () => ++sockets),
        nowMs,
      ),
    sample(atMs, done) {
      samples++
      done(atMs)
    },
    offer() {},
    shoot: (shot, atMs) => told.shots.push({ ...shot, atMs }),
    onPlan() {},
    onAttempt: strategy => told.attempts.push(strategy),
    onExhausted: () => void told.exhausted++,
  })
  const runTo = (untilMs: number): void => {
    for (let next = attempts.deadline(); next <= untilMs; next = attempts.deadline()) {
      nowMs = Math.max(nowMs, next)
      attempts.tick(nowMs)
    }
    nowMs = untilMs
  }
  return { attempts, told, runTo, sockets: () => sockets, samples: () => samples }
}

const at = { address: '192.0.2.2', port: 5000 }
const between = (mine: NatHint, theirs: NatHint, more: Partial<Situation> = {}): Situation => ({
  mine,
  theirs,
  endpoint: at,
  offered: [],
  consented: true,
  ...more,
})

t.test('without consent not a single shot, whatever is known', async t => {
  for (const mine of [hint(EI), hint(APD, APD, counted), hint(APD, AD, scattered)]) {
    for (const theirs of [hint(EI), hint(APD, APD, counted), hint(APD, AD, scattered)]) {
      const { attempts, told, runTo } = setUp()
      attempts.update(between(mine, theirs, { consented: false, offered: [at] }), 0)
      runTo(100_000)
      t.same(told.shots, [])
      t.ok(told.exhausted > 0)
    }
  }
})

t.test('sockets of an attempt that is over before they are there are closed', async t => {
  const world = createWorld({ seed: 1, trace: false })
  const host = world.host({ address: '192.0.2.1' })
  const udp = host.udp.bind(host)
  const opened = new Set<UdpSocket>()
  host.udp = where => {
    const socket = udp(where)
    const close = socket.close.bind(socket)
    socket.close = () => void (opened.delete(socket), close())
    opened.add(socket)
    return socket
  }
  const through = createGettingThrough({
    host,
    isFirst: true,
    strategy: 'low-ttl', // which begins at once
    server: () => at,
    mapped: () => undefined,
    mainPort: () => 1,
    sendByMain() {},
    onDatagram() {},
    shoot() {},
    onNews() {},
    onActive() {},
    onEvent() {},
    onExhausted() {},
  })
  const { mine: _, ...target } = between(hint(EI), hint(APD, APD, scattered))
  through.update(target, 0)
  through.update({ ...target, endpoint: { ...at, port: 6000 } }, 0)
  world.run(100)
  t.equal(opened.size, 1)
  through.close()
  t.equal(opened.size, 0)
})

t.test('a spray probes different ports from the registered socket, at its pace, and ends in time', async t => {
  const { attempts, told, runTo } = setUp({ probes: 500, pacingMs: 2 })
  attempts.update(between(hint(EI), hint(APD, APD, scattered)), 0)
  runTo(20_000)
  t.equal(told.shots.length, 500)
  t.equal(new Set(told.shots.map(({ to }) => to.port)).size, 500)
  t.ok(told.shots.every(({ via, to }) => via === 0 && to.address === at.address))
  const [first, last] = [told.shots[0]?.atMs ?? 0, told.shots.at(-1)?.atMs ?? 0]
  t.ok(Math.abs(last - first - 499 * 2) < 1, 'two milliseconds apart')
  t.same(told.attempts, ['direct', 'spray'])
  t.equal(told.exhausted, 1)
})

t.test('whom a spray looks for opens as many sockets, first with a short life', async t => {
  const { attempts, told, runTo, sockets } = setUp({ sockets: 64 })
  attempts.update(between(hint(APD, APD, scattered), hint(EI)), 0)
  runTo(15_000)
  t.equal(sockets(), 64)
  t.equal(told.shots.length, 128)
  t.ok(told.shots.slice(0, 64).every(({ ttl }) => ttl === 2))
  t.ok(told.shots.slice(64).every(({ ttl }) => ttl === undefined))
  t.ok(told.shots.every(({ to }) => to === at))
})

t.test('a prediction begins anew with each sample of the peer', async t => {
  const { attempts, told, runTo } = setUp()
  attempts.update(between(hint(EI), hint(APD, APD, counted.slice(0, 2).concat(39_999))), 0)
  runTo(50)
  t.same(told.shots, [], 'what was sampled before its checks is of no use')
  attempts.update(between(hint(EI), hint(APD, APD, counted)), 50)
  runTo(100)
  t.same(
    told.shots.slice(0, 3).map(({ to }) => to.port),
    [40_004, 40_005, 40_006],
  )
  attempts.update(between(hint(EI), hint(APD, APD, [...counted, 40_050])), 100)
  runTo(110)
  t.equal(told.shots.at(-1)?.to.port, 40_053)
  attempts.stop()
  t.equal(attempts.deadline(), Infinity, 'connected: nothing more is due')
})

t.test('two that count up: one leads, the other one follows, and they meet halfway', async t => {
  const mine = hint(APD, APD, counted)
  const leader = setUp({}, true)
  leader.attempts.update(between(mine, hint(APD, APD, [50_000, 50_001, 50_002])), 0)
  leader.runTo(400)
  t.equal(leader.samples(), 1)
  t.same(leader.told.shots, [], 'waits for the answer')
  leader.attempts.update(between(mine, hint(APD, APD, [50_000, 50_001, 50_002, 50_004])), 400)
  leader.runTo(401)
  t.match(leader.told.shots, [{ via: 1, to: { port: 50_005 } }])

  const follower = setUp({}, false)
  follower.attempts.update(between(mine, hint(APD, APD, [50_000, 50_001, 50_002])), 0)
  follower.runTo(400)
  t.equal(follower.samples(), 0, 'waits for the first sample')
  follower.attempts.update(between(mine, hint(APD, APD, [50_000, 50_001, 50_002, 50_004])), 400)
  follower.runTo(401)
  t.equal(follower.samples(), 1)
  t.match(follower.told.shots, [{ via: 1, to: { port: 50_005 } }])
})

t.test('low-TTL openers: open first, knock when the other one has had the time to', async t => {
  const { attempts, told, runTo } = setUp()
  const offered = [{ address: at.address, port: 6000 }]
  attempts.update(between(hint(EI), hint(EI)), 0)
  runTo(1600)
  t.same(told.attempts, ['direct', 'low-ttl'])
  t.same(told.shots, [], 'nothing is offered yet')
  attempts.update(between(hint(EI), hint(EI), { offered }), 1600)
  runTo(3900)
  t.match(told.shots[0], { atMs: 1600, via: 1, ttl: 2, to: offered[0] })
  t.ok(told.shots.slice(1).every(({ ttl, atMs }) => ttl === undefined && atMs >= 2000))
  t.equal(told.shots.length, 6)
})
