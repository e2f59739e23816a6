// nat-lab: statistics against known values, who must meet and who can't yet, why not, experiments, figures, and the
// program as people run it: repeated, interrupted, resumed, mistyped.
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import colors from 'picocolors'
import t from 'tap'
import { command as accuracy } from '../src/cli/lab-accuracy.ts'
import { command as agree } from '../src/cli/lab-agree.ts'
import { command as check } from '../src/cli/lab-check.ts'
import { command as figures } from '../src/cli/lab-figures.ts'
import { command as ladder } from '../src/cli/lab-ladder.ts'
import { command as matrix } from '../src/cli/lab-matrix.ts'
import { command as runFile } from '../src/cli/lab-run.ts'
import { command as why } from '../src/cli/lab-why.ts'
import { kernelAvailability } from '../src/kernel/available.ts'
import { presets } from '../src/client/presets.ts'
import { compare, differ, fewestTrials } from '../src/lab/agreement.ts'
import { hitProbability } from '../src/client/odds.ts'
import { probesToHit } from '../src/lab/birthday.ts'
import { broken, goalOf } from '../src/lab/expectation.ts'
import { readExperiment, unmet } from '../src/lab/experiment.ts'
import { figureNamed, figureNames } from '../src/lab/figures.ts'
import { type Cell, cellOf, pairsOf, planTrials } from '../src/lab/matrix.ts'
import { type MeetingResult, meet, meetIn } from '../src/lab/meeting.ts'
import { predicts } from '../src/lab/prediction.ts'
import { builtInSites, placeOf, siteNamed, usualNames } from '../src/lab/sites.ts'
import { trialOf, wordsOf } from '../src/lab/setting.ts'
import { fisher, median, quantile, wilson } from '../src/lab/statistics.ts'
import { whyOf } from '../src/lab/why.ts'
import { profileNamed } from '../src/nat-profile.ts'
import { csvText } from '../src/report/csv.ts'
import { createCellLines, gridText } from '../src/report/matrix.ts'
import { tableText } from '../src/report/table.ts'
import type { DropReason, TraceRecord } from '../src/sim/trace.ts'
import { cpuMsSince } from './fixtures/cpu.ts'
import { type Program, bin, start, stopAll } from './fixtures/program.ts'

t.afterEach(stopAll)

const plain = colors.createColors(false)
const close = (a: number, b: number, within = 5e-5): boolean => Math.abs(a - b) <= within

// --- statistics ---

t.test('Wilson: known intervals, and always around the share', async t => {
  const table = [
    [81, 263, 0.2553, 0.3662], // Newcombe 1998, table I
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
    [20, 20, 0.8389, 1],
  ] as const
  for (const [successes, trials, low, high] of table) {
    const found = wilson(successes, trials)
    t.ok(close(found.low, low) && close(found.high, high), `${successes}/${trials}: ${found.low}-${found.high}`)
  }
  t.match(wilson(0, 0), { low: 0, high: 1 }, 'nothing is known')
  const trialsAndSuccesses = fc.integer({ min: 1, max: 500 }).chain(n => fc.tuple(fc.constant(n), fc.nat(n)))
  fc.assert(
    fc.property(trialsAndSuccesses, ([n, successes]) => {
      const { share, low, high } = wilson(successes, n)
      const mirrored = wilson(n - successes, n)
      return low >= 0 && low <= share && share <= high && high <= 1 && close(mirrored.low, 1 - high, 1e-9)
    }),
  )
})

t.test('Fisher: known tables, symmetric, and a sure thing for equal ones', async t => {
  const table = [
    [3, 4, 1, 4, 0.4857], // the lady tasting tea
    [1, 10, 11, 14, 0.0028],
    [10, 10, 10, 10, 1],
    [7, 7, 0, 7, 0.0006],
    [104, 105, 105, 105, 1],
  ] as const
  for (const [a, ofA, b, ofB, p] of table) {
    const [one, other] = [
      { successes: a, trials: ofA },
      { successes: b, trials: ofB },
    ]
    t.ok(close(fisher(one, other), p), `${a}/${ofA} and ${b}/${ofB}: ${fisher(one, other)}`)
  }
  const tally = fc
    .integer({ min: 1, max: 60 })
    .chain(trials => fc.record({ trials: fc.constant(trials), successes: fc.nat(trials) }))
  fc.assert(
    fc.property(tally, tally, (one, other) => {
      const p = fisher(one, other)
      return p > 0 && p <= 1 && close(p, fisher(other, one), 1e-9)
    }),
  )
})

t.test('quantiles lie between their neighbours', async t => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
  t.equal(quantile([10, 20], 0.95), 19.5)
  t.equal(quantile([7], 0.95), 7)
  t.equal(median([]), undefined)
})

t.test('two worlds differ only where so many trials can say so', async t => {
  const cell = (connected: number, trials: number): Cell =>
    cellOf(
      { a: 'a', b: 'b' },
      Array.from({ length: trials }, (_, i) => ({ connected: i < connected, datagrams: 1 })),
    )
  t.equal(differ(compare(cell(fewestTrials, fewestTrials), cell(0, fewestTrials))), true)
  t.equal(differ(compare(cell(6, 6), cell(0, 6))), false, 'six can never be enough')
  t.equal(differ(compare(cell(20, 20), cell(15, 20))), false)
  t.match(compare(cell(20, 20), cell(3, 20)), { sim: { connected: 20, trials: 20 }, kernel: { connected: 3 } })
})

// --- the matrix ---

const cellsOf = (names: readonly string[], trials: number, seed = 1): Cell[] =>
  pairsOf(names).map(pair => cellOf(pair, planTrials({ pairs: [pair], trials, seed }).map(meet)))

t.test('who must meet, meets; who cannot yet, does not, and it has a name', async t => {
  const cells = cellsOf(
    ['none', 'restricted', 'portrest', 'symseq', 'symrand', 'blocked', 'cgn', 'same-nat', 'same-cgn'],
    4,
  )
  t.same(broken(cells), [])
  const found = new Map(cells.map(cell => [`${cell.a} x ${cell.b}`, cell]))
  const of = (pair: string): Cell => found.get(pair) ?? (t.fail(pair) as never)
  for (const pair of [
    'none x none',
    'restricted x symrand',
    'portrest x portrest',
    'portrest x cgn',
    'symrand x same-nat',
  ]) {
    t.match(of(pair), { trials: 4, connected: 4, why: {} }, pair)
    t.ok((of(pair).medianMs ?? Infinity) < 1000 && of(pair).datagrams > 5, `${pair}: soon`)
  }
  // Each of them by a strategy of its own.
  for (const pair of ['portrest x symseq', 'portrest x symrand', 'symseq x symseq'])
    t.match(of(pair), { trials: 4, connected: 4, why: {} }, pair)
  for (const pair of ['symseq x symrand', 'symrand x symrand']) {
    t.match(of(pair), { connected: 0, oneWay: 0, medianMs: undefined }, pair)
    t.match(Object.keys(of(pair).why).join(), /^nat-[ab] filtering/, `${pair}: a filter`)
  }
  t.same(of('none x blocked').why, { 'nat-b blocked': 4 })
  t.same(of('cgn x same-cgn').why, { 'cgn-a hairpinning-off': 4 })
  t.notOk(found.has('none x same-nat'), 'there is no NAT to share')
  const grid = gridText(cells, plain).split('\n')
  t.equal(grid[0], '   % connected    1    2    3    4    5  6    7    8  9')
  t.equal(grid[3], '3  portrest               100  100  100  0  100  100')
})

t.test('the goal of a pair follows from its behaviors', async t => {
  const goalAt = (a: string, b: string) => {
    const place = placeOf(siteNamed(a), siteNamed(b))
    return place && goalOf(place)
  }
  // docs/getting-through.md has the reasons.
  const table: [by: string | undefined, least: number, most: number, ...pairs: string[]][] = [
    ['checks', 1, 1, 'none x none', 'portrest x portrest', 'firewall x cgn', 'portrest-naive x portrest'],
    ['checks', 1, 1, 'restricted x symrand', 'fullcone x symseq', 'none x adm-apdf', 'symrand-eif x symrand'],
    ['checks', 1, 1, 'symrand-eif x portrest', 'symrand x same-nat'],
    ['prediction', 1, 1, 'portrest x symseq', 'portrest-naive x symseq', 'cgn x symseq', 'symseq x symseq'],
    ['spray', 0.97, 1, 'portrest x symrand', 'eim-random x symrand', 'firewall x symrand', 'cgn x symrand'],
    ['spray', 0.97, 1, 'portrest-naive x symrand', 'portrest x adm', 'portrest x adm-apdf', 'portrest x symrand-adf'],
    ['spray', 0.97, 1, 'symrand x adm', 'symseq x symrand-adf', 'adm x adm', 'adm-apdf x symrand-adf'],
    ['relay', 0, 2048 / 64_512, 'symrand x symrand', 'symseq x symrand'],
    ['relay', 0, 2048 / 60_000, 'symseq x adm-apdf', 'symrand x adm-apdf', 'adm-apdf x adm-apdf'],
    ['relay', 0, 0, 'none x blocked', 'blocked x blocked'],
    [undefined, 0, 0, 'cgn x same-cgn'],
  ]
  for (const [by, least, most, ...pairs] of table) {
    for (const pair of pairs) {
      const [a = '', b = ''] = pair.split(' x ')
      if (by === undefined) t.equal(goalAt(a, b), undefined, pair)
      else t.match(goalAt(a, b), { by, least, most }, pair)
    }
  }
  t.ok(close(goalAt('portrest', 'symrand')?.theory ?? 0, 0.9995), 'of 64,512 ports')
  t.ok(close(goalAt('portrest', 'adm')?.theory ?? 0, 0.9997), 'of 60,000')
  const place = placeOf(siteNamed('portrest'), siteNamed('symrand'))
  const goal = place && goalOf(place, presets.easytier)
  t.match(place && goalOf(placeOf(siteNamed('symseq'), siteNamed('symseq')) ?? place, presets.hyperdht), {
    by: 'relay',
  })
  t.ok(goal?.theory !== undefined && goal.least === goal.theory && close(goal.theory, 0.6003), 'with fewer sockets')
})

t.test('which side is which, and how two layers are made, changes no goal', async t => {
  const sites = [...builtInSites.values()].flatMap(site => ('profile' in site && !site.cgn ? [site.profile] : []))
  const one = fc.constantFrom(...sites)
  fc.assert(
    fc.property(one, one, (profileA, profileB) => {
      t.same(goalOf({ profileA, profileB }), goalOf({ profileA: profileB, profileB: profileA }))
      // Behind a box that is easier in all ways it is as without.
      const easy = profileNamed('fullcone')
      t.same(goalOf({ profileA, profileB, cgnA: easy }), goalOf({ profileA, profileB }))
    }),
  )
})

t.test('a cell is as expected where its interval reaches into the goal', async t => {
  const cell = (a: string, b: string, connected: number, trials: number): Cell =>
    cellOf(
      { a, b },
      Array.from({ length: trials }, (_, i) => ({ connected: i < connected, datagrams: 1 })),
    )
  const table: [Cell, string | undefined][] = [
    [cell('portrest', 'portrest', 2000, 2000), undefined],
    [cell('portrest', 'portrest', 1999, 2000), '1999 of 2000 connected, at least 100 % must'],
    [cell('portrest', 'symrand', 19, 20), undefined],
    [cell('portrest', 'symrand', 1926, 2000), undefined],
    [cell('portrest', 'symrand', 1924, 2000), '1924 of 2000 connected, at least 97 % must'],
    [cell('symrand', 'symrand', 1, 20), undefined],
    [cell('symrand', 'symrand', 4, 20), '4 of 20 connected, at most 3.2 % may'],
    [cell('none', 'blocked', 1, 1000), '1 of 1000 connected, at most 0 % may'],
  ]
  for (const [cell, problem] of table)
    t.same(broken([cell]), problem === undefined ? [] : [`${cell.a} x ${cell.b}: ${problem}`])
})

t.test('a preset is what both clients do, and its name is part of the command that repeats it', async t => {
  const [ours, theirs] = (['ours', 'easytier'] as const).map(preset =>
    meet(trialOf({ a: 'portrest', b: 'symrand', preset })),
  )
  t.not(ours?.trace, theirs?.trace)
  t.equal(ours?.trace, meet(trialOf({ a: 'portrest', b: 'symrand' })).trace, 'ours is the default')
  t.equal(meet(trialOf({ a: 'portrest', b: 'symrand', strategy: 'direct' })).connected, false)
  const setting = { a: 'portrest', b: 'symrand', strategy: 'spray', preset: 'frp' }
  t.equal(wordsOf(setting).join(' '), 'portrest symrand --seed 1 --trial 1 --strategy spray --preset frp')
  t.throws(() => trialOf({ ...setting, preset: 'frb' }), { code: 'usage', message: /did you mean frp\?/ })
  t.throws(() => trialOf({ ...setting, strategy: 'x' }), { code: 'usage', message: /There are direct, low-ttl, / })
})

t.test('a single trial is that of the plan, however far on', async t => {
  const pair = { a: 'symrand', b: 'cgn' }
  const plan = planTrials({ pairs: [pair], trials: 17, seed: 3 })
  for (const [i, trial] of plan.entries()) t.same(trialOf({ ...pair, seed: 3, trial: i + 1 }), trial)
  t.equal(trialOf({ ...pair, trial: 999_999_999 }).seed, '1 symrand cgn 999999998', 'without those before it')
  for (const trial of [0, 1.5, Number.NaN]) t.throws(() => trialOf({ ...pair, trial }), { code: 'usage' })
})

t.test('a plan has each pair once, each order with each offset, and never the same seed twice', async t => {
  const pairs = pairsOf(usualNames)
  t.equal(new Set(pairs.map(({ a, b }) => [a, b].toSorted().join())).size, pairs.length)
  t.equal(pairs.length, (15 * 16) / 2 + 12 + 1, '15 rows, 12 NATs to share, one provider')
  const offsetsMs = [0, 100, 2000]
  const trials = planTrials({ pairs: pairs.slice(0, 10), trials: 12, seed: 3, offsetsMs })
  t.equal(new Set(trials.map(({ seed }) => seed)).size, trials.length)
  const first = trials
    .slice(0, 6)
    .map(({ first, offsetMs }) => `${first} ${offsetsMs.findLast(ms => ms <= 2 * offsetMs)}`)
  t.same(first, ['alice 0', 'bob 0', 'alice 100', 'bob 100', 'alice 2000', 'bob 2000'])
  t.throws(() => pairsOf(['same-nat']), { code: 'usage', message: /add a NAT, like portrest/ })
  t.throws(() => planTrials({ pairs: [{ a: 'none', b: 'same-nat' }], trials: 1, seed: 1 }), /no box to share/)
})

t.test('a cell adds up', async t => {
  const results: MeetingResult[] = [
    { connected: true, heardMs: 10, connectedMs: 20, datagrams: 10 },
    { connected: true, heardMs: 30, connectedMs: 40, datagrams: 20 },
    { connected: false, oneWay: 'bob', datagrams: 50, why: 'nat-a filtering' },
    { connected: false, heardMs: 90, connectedMs: 95, datagrams: 60, why: 'nat-a filtering' },
  ]
  const cell = cellOf({ a: 'x', b: 'y' }, results)
  const { low, high, ...rest } = cell
  t.same(rest, {
    a: 'x',
    b: 'y',
    trials: 4,
    connected: 2,
    oneWay: 1,
    heardMedianMs: 30,
    heardP95Ms: 84,
    medianMs: 30,
    p95Ms: 39,
    datagrams: 35,
    why: { 'nat-a filtering': 2 },
    trace: undefined,
  })
  t.ok(low < 0.5 && high > 0.5)
  t.equal(
    createCellLines([cell], plain).line(cell),
    'some  x x y        2/4    15-85 %        1      30 / 84       30 / 39         35  nat-a filtering 2',
  )
  t.match(gridText([cell], plain), /1 {2}x\s+50>/, 'one way only is marked')
})

// --- why ---

type Told = readonly [kind: 'send' | 'forward' | 'drop', id: number, box: string, to: string, reason?: DropReason]

const recordsOf = (told: readonly Told[]): TraceRecord[] =>
  told.map(([kind, id, box, address, reason]) => ({
    timeMs: 0,
    kind,
    id,
    box,
    from: { address: '10.1.0.2', port: 5000 },
    to: { address, port: 8080 },
    length: 1,
    reason,
  }))

t.test('why: the most frequent rule on the way that was never heard', async t => {
  const server = '203.0.113.10'
  const [toBob, toAlice] = ['192.0.2.2', '198.51.100.2']
  const filtered: Told[] = [
    ['send', 1, 'alice', toBob],
    ['drop', 1, 'nat-b', toBob, 'filtering'],
    ['send', 2, 'bob', toAlice],
    ['drop', 2, 'nat-a', toAlice, 'port-taken'],
    ['send', 3, 'bob', toAlice],
    ['drop', 3, 'nat-a', toAlice, 'port-taken'],
  ]
  t.equal(whyOf(recordsOf(filtered), []), 'nat-a port-taken', 'neither was heard: of both ways')
  t.equal(whyOf(recordsOf(filtered), ['alice']), 'nat-b filtering', 'only Bob was heard: it is the way of Alice')
  t.equal(whyOf(recordsOf(filtered), ['bob']), 'nat-a port-taken')
  const host: Told[] = [1, 2, 3].flatMap((id): Told[] => [
    ['send', id + 10, 'alice', '10.2.0.2'],
    ['drop', id + 10, 'nat-a', '10.2.0.2', 'no-such-address'],
  ])
  t.equal(whyOf(recordsOf([...host, ...filtered.slice(0, 2)]), []), 'nat-b filtering', 'not what had no hope')
  t.equal(whyOf(recordsOf(host), []), 'nat-a no-such-address', 'unless nothing else was dropped')
  t.equal(
    whyOf(
      recordsOf([
        ['send', 1, 'alice', server],
        ['drop', 1, 'nat-a', server, 'blocked'],
      ]),
      [],
    ),
    'nat-a blocked',
    'who never got to send anything to the other: what stopped the registrations',
  )
  const diverted: Told[] = [
    ['send', 1, 'alice', toBob],
    ['forward', 1, 'nat-a', toBob, 'port-taken'],
    ['drop', 1, 'nat-b', toBob, 'filtering'],
  ]
  t.equal(
    whyOf(recordsOf(diverted), []),
    'nat-a port-taken',
    'a filter that was right: the port had changed on the way',
  )
  t.equal(whyOf([], []), 'nothing was dropped')
  t.equal(
    whyOf(
      recordsOf([
        ['send', 1, 'server', toBob],
        ['drop', 1, 'nat-b', toBob, 'filtering'],
      ]),
      [],
    ),
    'nothing was dropped',
  )
})

// --- replay ---

t.test('a trial is repeated exactly by its seed', async t => {
  const [trial] = planTrials({ pairs: [{ a: 'restricted', b: 'symrand' }], trials: 1, seed: 5 })
  if (!trial) return t.fail()
  const [once, again, other] = [meetIn(trial), meetIn(trial), meetIn({ ...trial, seed: 'another' })]
  t.equal(once.topology.world.trace.text(), again.topology.world.trace.text())
  t.same(once.result, again.result)
  t.not(once.result.trace, other.result.trace)
})

t.test('over IPv6 nobody is kept apart but by a box that lets nothing through, and beside IPv4 neither', async t => {
  const names = ['none', 'restricted', 'symseq', 'symrand', 'blocked', 'cgn', 'same-nat', 'same-cgn']
  for (const ip of ['6', 'both'] as const) {
    const pairs = pairsOf(names)
    const cells = pairs.map(pair => cellOf(pair, planTrials({ pairs: [pair], trials: 4, seed: 1, ip }).map(meet)))
    t.same(broken(cells, undefined, undefined, ip), [], `IPv${ip}`)
    for (const { a, b, connected } of cells)
      t.equal(connected, a === 'blocked' || b === 'blocked' ? 0 : 4, `IPv${ip}, ${a} x ${b}`)
    const one = cells.map(cell =>
      cell.a === 'symseq' && cell.b === 'symrand' ? { ...cell, connected: 3, low: 0.3, high: 0.954 } : cell,
    )
    const missed = ['symseq x symrand: 3 of 4 connected, at least 100 % must']
    t.same(broken(one, undefined, undefined, ip), missed, 'and it is expected')
  }
})

// --- experiments ---

const folder = new URL('../experiments/', import.meta.url)
const ready = readdirSync(folder)
const experiment = (file: string): unknown => JSON.parse(readFileSync(new URL(file, folder), 'utf8'))

t.test('every ready experiment says in a sentence what it shows, and shows it', async t => {
  t.ok(ready.length >= 12)
  for (const file of ready) {
    const { about, instances, expect } = readExperiment(experiment(file), { trials: 2 })
    t.match(about, /^[A-Z].*\.$/, file)
    for (const { settings, trials } of instances) {
      const cell = cellOf({ a: '', b: '' }, trials.map(meet))
      t.same(unmet(expect, cell), [], `${file} ${JSON.stringify(settings)}`)
    }
  }
})

t.test('a sweep sets any field, and every combination of several', async t => {
  const { instances } = readExperiment({
    about: 'x',
    pairs: [['portrest', 'mine']],
    profiles: [{ name: 'mine' }],
    trials: 3,
    sweep: {
      'network.loss': [0, 0.5],
      'profiles.0.filtering': ['endpoint-independent', 'address-dependent'],
      seed: [9],
    },
  })
  t.same(
    instances.map(({ trials }) => [
      trials.length,
      trials[0]?.network.loss[1],
      trials[0]?.place.profileB.filtering,
      trials[0]?.seed,
    ]),
    [
      [3, 0, 'endpoint-independent', '9 portrest mine 0'],
      [3, 0, 'address-dependent', '9 portrest mine 0'],
      [3, 0.5, 'endpoint-independent', '9 portrest mine 0'],
      [3, 0.5, 'address-dependent', '9 portrest mine 0'],
    ],
  )
})

t.test('a mistake in an experiment is answered in one line that names the field', async t => {
  const right = { about: 'x', pairs: [['none', 'none']] }
  const table: [unknown, string][] = [
    [[], 'it must be an object'],
    [{ pairs: right.pairs }, 'about must say in a sentence what it shows'],
    [{ ...right, abuot: 1 }, 'abuot is not one of about, profiles, pairs,'],
    [{ about: 'x' }, 'pairs or matrix must be there, and only one of them'],
    [{ ...right, matrix: ['none'] }, 'pairs or matrix must be there, and only one of them'],
    [{ ...right, pairs: [['none']] }, 'pairs.0.1 must be a text'],
    [{ ...right, pairs: [['none', 'portrst']] }, 'pairs.0.1 has no profile "portrst": did you mean portrest?'],
    [{ about: 'x', matrix: ['fullcone', 'fulcone'] }, 'matrix.1 has no profile "fulcone": did you mean fullcone?'],
    [{ ...right, trials: 0 }, 'trials must be a whole number from 1 to 1000000'],
    [{ ...right, network: { loss: 2 } }, 'network.loss must be a number from 0 to 1'],
    [{ ...right, network: { loss: 'some' } }, 'network.loss must be a number from 0 to 1, or a pair of them'],
    [{ ...right, network: { loss: [0, 2] } }, 'network.loss must be a number from 0 to 1, or a pair of them'],
    [{ ...right, network: { latencyMs: [9, 3] } }, 'network.latencyMs must have its smaller number first'],
    [{ ...right, network: { lossy: 1 } }, 'network.lossy is not one of latencyMs, jitterMs, loss'],
    [
      { ...right, profiles: [{ mapping: 'cone' }] },
      'profiles.0 is no NAT profile: mapping must be one of endpoint-independent,',
    ],
    [{ ...right, sweep: { 'network.loss': 1 } }, 'sweep.network.loss must be a list'],
    [{ ...right, sweep: { 'network.loss': [3] } }, 'network.loss must be a number from 0 to 1'],
    [{ ...right, sweep: { expect: [1] } }, 'sweep.expect is no field to sweep over'],
    [{ ...right, first: 'carol' }, 'first must be one of alice, bob, either'],
    [{ ...right, expect: { atLeast: '1' } }, 'expect.atLeast must be a number from 0 to 1'],
  ]
  for (const [value, problem] of table) {
    try {
      readExperiment(value)
      t.fail(problem)
    } catch (error) {
      const { code, message } = error as { code?: string; message: string }
      t.equal(code, 'usage', message)
      t.ok(message.startsWith(`experiment: ${problem}`), `${message}, not ${problem}`)
      t.notMatch(message, '\n')
    }
  }
  const cell = cellOf({ a: '', b: '' }, [
    { connected: true, connectedMs: 50, datagrams: 1 },
    { connected: false, datagrams: 1 },
  ])
  t.same(unmet({ atLeast: 0.5, atMost: 0.5, medianMs: 50 }, cell), [])
  t.equal(unmet({ atLeast: 1, atMost: 0.1, medianMs: 40 }, cell).length, 3)
})

// --- figures ---

t.test('figures: ours are as theirs', async t => {
  for (const name of figureNames) {
    const { about, head, rows, broken } = figureNamed(name, { trials: 40, seed: 1 })
    t.same(broken, [], name)
    t.match(about, /^[A-Z\d].*\.$/)
    t.ok(rows.length > 0 && rows.every(({ length }) => length === head.length), `${name}: as wide as its head`)
  }
  t.throws(() => figureNamed('birthdy', { trials: 1, seed: 1 }), { code: 'usage', message: /did you mean birthday\?/ })
})

t.test('the birthday formula by hand, and a NAT that a prober must hit', async t => {
  t.ok(close(hitProbability(10, 3, 2), 1 - 21 / 45, 1e-12))
  t.ok(close(hitProbability(64_511, 256, 174), 0.5, 1e-3))
  t.equal(hitProbability(10, 3, 8), 1, 'more probes than closed ports')
  const few = { first: 2000, last: 2255 }
  t.ok(probesToHit(few, 64_512, 'x') <= 64_512, 'who probes everywhere hits')
  const seeds = Array.from({ length: 40 }, (_, i) => `${i}`)
  const [aware, blind] = [true, false].map(
    isAware => seeds.filter(seed => probesToHit(few, 20, seed, isAware) <= 20).length,
  )
  t.ok(
    (aware ?? 0) > 30 && (blind ?? 40) < 15,
    `${aware} and ${blind} of 40 hit with 20 probes, where samples lie and anywhere`,
  )
})

t.test('prediction: as long as fewer others come in between than are guessed', async t => {
  for (const [window, noise, expected] of [
    [1, 0, true],
    [1, 1, false],
    [5, 4, true],
    [5, 5, false],
  ] as const) {
    t.equal(predicts(window, noise, 'x'), expected, `window ${window}, noise ${noise}`)
  }
})

// --- reports ---

t.test('tables and CSV', async t => {
  const red = colors.createColors(true).red
  t.equal(tableText([['a', red('10')], ['long']], ['left', 'right']), `a     ${red('10')}\nlong`)
  t.equal(
    csvText([
      ['a', 1, undefined],
      ['say "hi"', 'x,y', 'line\nfeed'],
    ]),
    'a,1,\r\n"say ""hi""","x,y","line\nfeed"\r\n',
  )
})

// --- the program ---

const lab = (...args: string[]): Program => start('nat-lab', args)
const ended = async (program: Program) => ({
  code: await program.ended(),
  stdout: program.stdout,
  stderr: program.stderr,
})

t.test('a mistake is one line with its remedy', async t => {
  const table: [typeof matrix, string[], string][] = [
    [matrix, ['--profiles', 'none,portrst'], 'no profile "portrst": did you mean portrest?'],
    [matrix, ['--world', 'real'], '--world "real": choose sim or kernel'],
    [matrix, ['--ip', '5'], '--ip "5": choose 4, 6 or both'],
    [why, ['none', 'none', '--ip', 'six'], '--ip "six": choose 4, 6 or both'],
    [accuracy, ['--loss', '101'], '--loss 101: give 0 to 100 percent'],
    [accuracy, ['--loss', 'much'], '--loss "much" is not a number: give one of 0 or more'],
    [accuracy, ['--ip', 'both'], '--ip "both": choose 4 or 6'],
    [accuracy, ['--world', 'kernel', '--others', '--ip', '6'], '--others ask over IPv4 only'],
    [check, ['-s', 'localhost', '--ip', '7'], '--ip "7": choose 4 or 6'],
    [matrix, ['--trails', '5'], 'unknown option --trails: did you mean --trials?'],
    [matrix, ['--trials', '1000001'], '--trials "1000001" is not a whole number from 1 to 1000000'],
    [matrix, ['--trials', '100000'], '100000 trials of 133 pairs are more than fit: give 15037 at most'],
    [matrix, ['portrest'], 'unexpected argument "portrest"'],
    [matrix, ['--client', 'x'], '--client, --match, --server and --ready need real processes: add --world kernel'],
    [matrix, ['--world', 'kernel', '--client', 'x'], '--client and --match belong together'],
    [matrix, ['--world', 'kernel', '--client', 'x', '--match', '('], '--match: Invalid regular expression'],
    [matrix, ['--world', 'kernel', '--ready', 'x'], '--ready is of --server'],
    [matrix, ['--resume', '/no/such/folder/x'], '--resume: ENOENT'],
    [agree, ['--trials', '6'], '--trials 6 could never differ: give 7 or more'],
    [runFile, ['los'], 'no file "los": did you mean loss?'],
    [runFile, ['package.json'], 'experiment: name is not one of about,'],
    [runFile, ['README.md'], 'README.md: '],
    [runFile, ['loss', '--csv', '--json'], '--json and --csv exclude each other'],
    [why, ['portrest'], 'two profiles are needed, like nat-lab why portrest symrand'],
    [why, ['portrest', 'portrst'], 'no profile "portrst": did you mean portrest? There are none, fullcone, '],
    [why, ['none', 'same-nat'], 'none and same-nat cannot be put together'],
    [why, ['none', 'none', '--first', 'carol'], 'first "carol": choose alice or bob'],
    [why, ['none', 'none', '--loss', '101'], '--loss 101: give 0 to 100 percent'],
    [why, ['none', 'none', '--latency', 'far'], '--latency "far" is not a number: give one of 0 or more'],
    [why, ['none', 'none', '--svg', '/no/such/folder/x'], '--svg /no/such/folder/x cannot be written (ENOENT)'],
    [ladder, [], 'a file is needed: make one with test-client --trace FILE'],
    [ladder, ['/no/such/file'], '/no/such/file cannot be read (ENOENT)'],
    [ladder, ['README.md'], 'README.md, line 1 is not a JSON object: give a file that test-client --trace wrote'],
    [figures, ['birthdays'], 'no figure "birthdays": did you mean birthday?'],
    [figures, ['birthday', 'time'], 'unexpected argument "time"'],
  ]
  for (const [command, args, problem] of table) {
    try {
      t.equal(await command(args), undefined, problem)
    } catch (error) {
      const { code, message } = error as { code?: string; message: string }
      t.equal(code, 'usage', message)
      t.ok(message.startsWith(problem) && !message.includes('\n'), message)
    }
  }
  for (const [file, code] of [
    ['/no/such/folder/x', 'ENOENT'],
    [t.testdir(), 'EISDIR'],
  ] as const) {
    const unwritable = await ended(lab('matrix', '--profiles', 'none', '--trials', '1', '--html', file))
    t.equal(unwritable.stderr, `nat-lab: --html ${file} cannot be written (${code}): choose another file\n`)
    t.equal(`${unwritable.code} ${unwritable.stdout}`, '2 ', 'before the run, not after it')
  }
  // A disk that is full from the third block of 512 bytes on.
  const journal = join(t.testdir(), 'journal')
  const script = `ulimit -f 2; trap '' XFSZ; exec env -u NODE_OPTIONS ${bin('nat-lab')} matrix --profiles none --resume ${journal}`
  const full = spawnSync('bash', ['-c', script], { encoding: 'utf8' })
  t.match(
    `${full.status} ${full.stderr}`,
    /^2 nat-lab: --resume: EFBIG.*: make room, and go on with the same command\n$/,
  )
  const mistyped = lab('matrx', '--json')
  t.equal(await mistyped.ended(), 2)
  t.equal(mistyped.stdout, '')
  t.match(mistyped.stderr, /^nat-lab: no command "matrx": did you mean matrix\? There are matrix, .*; .*\n$/)
})

t.test('a reader who goes, and a disk that is full', async t => {
  const program = lab('run', 'behaviors')
  await program.until(/RFC 4787/)
  program.child.stdout.destroy()
  t.equal(`${await program.ended()} ${program.stderr}`, '0 ', 'he has what he wanted')
  const script = `env -u NODE_OPTIONS ${bin('nat-lab')} run > /dev/full`
  const { status, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8' })
  t.match(`${status} ${stderr}`, /^1 nat-lab: standard output cannot be written: ENOSPC.*\n$/)
})

t.test('each command has help', async t => {
  const all = await Promise.all(
    [[], ['matrix'], ['agree'], ['why'], ['ladder'], ['run'], ['figures']].map(words => ended(lab(...words, '--help'))),
  )
  for (const { code, stdout, stderr } of all) {
    t.match(stdout, /^Usage: nat-lab/)
    t.match(stdout, /Exit codes: 0/)
    t.ok(
      stdout.split('\n').every(line => line.length <= 100),
      'fits a terminal',
    )
    t.equal(`${code} ${stderr}`, '0 ')
  }
})

t.test('a run over both protocols says so, and is repeated as such', async t => {
  const [text, told] = await Promise.all([
    ended(lab('matrix', '--profiles', 'symrand', '--trials', '2', '--ip', 'both')),
    ended(lab('why', 'symrand', 'symrand', '--ip', 'both')),
  ])
  const [, trace, command = ''] = /Trace (\w{16})\. To repeat: nat-lab (.* --ip both .*)\n/.exec(text.stdout) ?? []
  t.match(JSON.parse((await ended(lab(...command.split(' '), '--json'))).stdout), { ip: 'both', trace, broken: [] })
  t.match(told.stdout, /^Alice is behind symrand, Bob behind symrand, and both have IPv6 too\./)
  t.match(told.stdout, /bob hears alice for the first time: a check, from \[2001:db8:a:1::2\]:\d+\./)
  t.match(told.stdout, /To repeat: nat-lab why symrand symrand .* --ip both\n$/)
})

t.test('a printed run is repeated exactly, as JSON too', async t => {
  const args = ['matrix', '--profiles', 'restricted,symrand,same-nat', '--trials', '4', '--seed', '7']
  const [text, json, other] = await Promise.all([
    ended(lab(...args)),
    ended(lab(...args, '--json')),
    ended(lab(...args.slice(0, -1), '8', '--json')),
  ])
  t.equal(text.code, 0)
  const [, trace, command = ''] = /Trace (\w{16})\. To repeat: nat-lab (.*)\n/.exec(text.stdout) ?? []
  const again = await ended(lab(...command.split(' '), '--json'))
  t.equal(again.stdout, json.stdout)
  t.equal(text.stderr + json.stderr, '', 'no progress where nobody looks')
  const found = JSON.parse(json.stdout) as { cells: Cell[]; trace: string }
  t.equal(found.trace, trace)
  t.match(found, { world: 'sim', seed: 7, trials: 4, broken: [] })
  t.same(
    found.cells.map(({ a, b, connected }) => [a, b, connected]),
    [
      ['restricted', 'restricted', 4],
      ['restricted', 'symrand', 4],
      ['restricted', 'same-nat', 4],
      ['symrand', 'symrand', 0],
      ['symrand', 'same-nat', 4],
    ],
  )
  const number = /^\d+(\.\d+)?$/
  t.match(found.cells[0], {
    trials: 4,
    low: 0.5101,
    high: 1,
    oneWay: 0,
    medianMs: number,
    p95Ms: number,
    datagrams: number,
  })
  t.not((JSON.parse(other.stdout) as { trace: string }).trace, trace)
})

t.test('the matrix of the README is a real one', async t => {
  const readme = readFileSync('README.md', 'utf8')
  const [, command = '', shown = ''] = /\$ \.\/bin\/nat-lab (matrix .*)\n([^]*?)\n```/.exec(readme) ?? []
  const { stdout } = await ended(lab(...command.split(' ')))
  const timeless = (text: string): string => text.replace(/in \d+\.\d s\./, '').trim()
  t.equal(timeless(stdout), timeless(shown))
})

t.test('interrupted and resumed, it says what an uninterrupted run says', async t => {
  const file = join(t.testdir(), 'journal.jsonl')
  const args = ['matrix', '--profiles', 'portrest,symseq', '--trials', '40', '--json']
  const long = lab(...args, '--resume', file)
  while (!/\n.*\n/.test(readIfThere(file))) await new Promise(resolve => setTimeout(resolve, 20))
  long.kill('SIGINT')
  t.equal(await long.ended(), 130)
  t.equal(long.stdout, '')
  const [, done, command = ''] = /interrupted after (\d+) of 120: go on with nat-lab (.*)\n/.exec(long.stderr) ?? []
  t.ok(Number(done) > 0 && Number(done) < 120, long.stderr)
  const kept = readFileSync(file, 'utf8')
  t.equal(kept.split('\n').length, Number(done) + 2, 'a line each, after the one that names the run')
  // Killed in the middle of a line.
  writeFileSync(file, `${kept}{"seed":"1 portrest syms`)
  const [resumed, whole] = await Promise.all([ended(lab(...command.split(' '), '--json')), ended(lab(...args))])
  t.equal(resumed.code, 0)
  t.equal(resumed.stdout, whole.stdout)

  const refused = await ended(lab(...args, '--seed', '2', '--resume', file))
  t.match(refused, { code: 2, stderr: /is of another run: give another file, or nat-lab matrix .* --seed 1\n$/ })
  writeFileSync(file, 'something else\n')
  t.match(await ended(lab(...args, '--resume', file)), { code: 2, stderr: /is not the journal of a run/ })
})

const readIfThere = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

t.test('an experiment of one’s own: CSV, JSON, and 1 where it is not as expected', async t => {
  const file = join(t.testdir(), 'own.json')
  const own = {
    about: 'Own.',
    pairs: [['symrand', 'symrand']],
    trials: 2,
    sweep: { 'network.loss': [0, [0, 0.1]] },
    expect: { atLeast: 1 },
  }
  writeFileSync(file, JSON.stringify(own))
  const [list, listed, csv, json, text] = await Promise.all([
    ended(lab('run')),
    ended(lab('run', '--json')),
    ended(lab('run', file, '--csv')),
    ended(lab('run', '--json', '--seed', '3', file)),
    ended(lab('run', 'two-layers', '--trials', '2')),
  ])
  t.equal(list.stdout.trimEnd().split('\n').length, ready.length)
  const listedNames = (JSON.parse(listed.stdout) as { name: string; about: string }[]).map(({ name }) => `${name}.json`)
  t.same(listedNames.sort(), ready.toSorted())
  const rows = csv.stdout.split('\r\n')
  t.equal(
    rows[0],
    'network.loss,a,b,trials,connected,low,high,oneWay,heardMedianMs,heardP95Ms,medianMs,p95Ms,datagrams,why',
  )
  t.match(rows[1], /^0,symrand,symrand,2,0,0,0\.6576,0,,,,,\d+(\.5)?,"?nat-[ab] filtering \d/)
  t.match(rows[2], /^"\[0,0\.1\]",symrand/)
  t.equal(csv.code, 1)
  t.match(
    csv.stderr,
    'nat-lab: not as expected: symrand x symrand network.loss = 0: 0 connected, at least 1 expected\n',
  )
  t.match(JSON.parse(json.stdout), {
    about: 'Own.',
    cells: [{ settings: { 'network.loss': 0 }, connected: 0 }, {}],
    trace: /^\w{16}$/,
  })
  t.equal(text.code, 0)
  t.match(text.stdout, /To repeat: nat-lab run two-layers --trials 2\n$/)
})

t.test('figures as JSON', async t => {
  const { code, stdout } = await ended(lab('figures', 'lifetimes', '--json'))
  t.equal(code, 0)
  t.match(JSON.parse(stdout), [
    { name: 'lifetimes', head: ['', 'Linux, s', 'ours, s'], rows: [['nobody answers', 30, 30], [], []], broken: [] },
  ])
})

t.test("other people's programs, in the kernel", async t => {
  const available = await kernelAvailability()
  if ('why' in available) return t.comment(`skipped: ${available.why}`)
  const args = ['matrix', '--world', 'kernel', '--profiles', 'none', '--trials', '1', '--json']
  const [says, silent] = await Promise.all([
    ended(
      lab(
        ...args,
        '--client',
        'echo {me} meets {peer} by {server} {port}',
        '--match',
        '^(alice|bob) meets (alice|bob) by 203.0.113.10 8080$',
      ),
    ),
    ended(lab(...args, '--client', 'echo nothing', '--match', '^met')),
  ])
  t.match(JSON.parse(says.stdout), { world: 'kernel', cells: [{ connected: 1, trials: 1, why: {} }], broken: [] })
  t.match(JSON.parse(silent.stdout), { cells: [{ connected: 0, why: { 'not traced': 1 } }] })
  t.same([says.code, silent.code], [0, 0], 'of theirs nothing is expected')
})

t.test('a single meeting: shape and silence', async t => {
  const place = { profileA: profileNamed('portrest'), profileB: profileNamed('portrest') }
  const started = process.cpuUsage()
  const result = meet({ place, seed: 1, first: 'bob', offsetMs: 100, stayMs: 300_000 })
  const ms = cpuMsSince(started)
  t.ok(ms < 1000, `five minutes in ${ms} ms`)
  t.match(result, { connected: true, trace: /^[0-9a-f]{16}$/ })
  t.same(Object.keys(result).toSorted(), ['connected', 'connectedMs', 'datagrams', 'heardMs', 'trace'])
})
