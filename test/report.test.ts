// Ladders, captures and pages: what they show is what the trace says, however it is drawn.
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { hostBehind, record } from '../src/lab/index.ts'
import { planTrials } from '../src/lab/matrix.ts'
import { meet } from '../src/lab/meeting.ts'
import { type Telling, tell } from '../src/lab/telling.ts'
import { distributionSvg } from '../src/report/distribution.ts'
import { journeysOf } from '../src/report/journeys.ts'
import { type Ladder, createLadder } from '../src/report/ladder.ts'
import { layoutOf } from '../src/report/ladder-layout.ts'
import { ladderSvg } from '../src/report/ladder-svg.ts'
import { ladderText } from '../src/report/ladder-text.ts'
import { escaped, scriptJson } from '../src/report/markup.ts'
import { matrixData, trialsOf } from '../src/report/matrix-data.ts'
import { checksum, packetOf } from '../src/report/packet.ts'
import { pcapOf } from '../src/report/pcap.ts'
import { readTrace, recordsOf } from '../src/report/real-trace.ts'
import { createWorld } from '../src/sim/world.ts'
import { withFingerprint } from '../src/dialects/stun/integrity.ts'
import { binding, encode, newTransactionId } from '../src/dialects/stun/message.ts'
import { cpuMsSince } from './fixtures/cpu.ts'

const told = (a: string, b: string, seed = 1): Telling =>
  tell(planTrials({ pairs: [{ a, b }], trials: 1, seed })[0] as Parameters<typeof tell>[0])

const pairs = [
  ['none', 'portrest'],
  ['portrest', 'symrand'],
  ['cgn', 'same-cgn'],
  ['portrest', 'same-nat'],
  ['adm', 'symrand-eif'],
  ['blocked', 'firewall'],
] as const

t.test('who stands where, by the trace alone', async t => {
  const rows: [a: string, b: string, names: string][] = [
    ['none', 'none', 'alice server bob'],
    ['none', 'portrest', 'alice server nat-b bob'],
    ['portrest', 'symrand', 'alice nat-a server nat-b bob'],
    ['cgn', 'portrest', 'alice nat-a cgn-a server nat-b bob'],
    ['portrest', 'same-nat', 'alice bob nat-a server'],
    ['blocked', 'none', 'alice nat-a server bob'],
    ['cgn', 'same-cgn', 'alice nat-a bob nat-b cgn-a server'],
  ]
  for (const [a, b, names] of rows) {
    const { lifelines } = createLadder(told(a, b).records)
    t.equal(lifelines.map(({ name }) => name).join(' '), names, `${a} x ${b}`)
  }
})

t.test('every datagram, delivery and drop is in the ladder once, folded or not', async t => {
  for (const [a, b] of pairs) {
    const { records, story } = told(a, b)
    const count = (kind: string): number => records.filter(record => record.kind === kind).length
    const journeys = journeysOf(records)
    const legs = journeys.flatMap(({ legs }) => legs)
    t.equal(journeys.length, count('send'))
    t.equal(legs.length, count('forward') + count('deliver') + count('drop'), `${a} x ${b}`)
    t.equal(legs.filter(({ dropped }) => dropped !== undefined).length, count('drop'))
    const ladder = createLadder(records, { decisive: story.decisive })
    t.equal(
      ladder.rungs.reduce((sum, { count }) => sum + count, 0),
      count('send'),
    )
    t.same(
      ladder.rungs.flatMap(({ decisive, journey }) => (decisive === undefined ? [] : [journey.id])).sort(),
      [...story.decisive.keys()].sort(),
      'and each decisive one by itself',
    )
    for (const { legs } of journeys) {
      for (const { arriveMs, departMs, from, to } of legs) if (arriveMs < departMs || from === to) t.fail(`${a} x ${b}`)
    }
  }
})

t.test('copies of a datagram go ways of their own', async t => {
  const world = createWorld({ seed: 3, link: { latencyMs: 10, jitterMs: 5, duplicate: 1 } })
  const records = record(world)
  world.host({ name: 'server', address: '203.0.113.1' }).udp({ port: 4000 })
  const { host } = hostBehind(world, { name: 'alice', nat: 'portrest', address: '198.51.100.1' })
  Object.assign(host.link, { duplicate: 1, jitterMs: 3 })
  host.udp().send(new Uint8Array(3), { address: '203.0.113.1', port: 4000 })
  world.run(1000)
  for (const { id, legs } of journeysOf(records)) {
    const forwarded = records.filter(record => record.id === id && record.kind === 'forward')
    const departed = new Set(legs.filter(({ from }) => from.startsWith('nat-')).map(({ departMs }) => departMs))
    t.equal(departed.size, forwarded.length, `#${id}: each that a box sent on arrives from there`)
    t.ok(legs.length > forwarded.length)
  }
})

t.test('the text', async t => {
  const { records, story } = told('symrand', 'symrand')
  const lines = ladderText(createLadder(records, { decisive: story.decisive })).split('\n')
  t.match(lines[0], /^ +ms +alice +nat-a +server +nat-b +bob$/)
  const [dropped] = lines.filter(line => line.includes('* ') && line.includes('nat-a: filtering'))
  t.match(
    dropped,
    /\| +X-+\|-+o-+\| {2}check 10\.2\.0\.2:49152 > .* \(nat-b: from 192\.0\.2\.2:\d+\), dropped at nat-a: filtering/,
  )
  t.ok(lines.some(line => /^ +[\d.]+ {3}\| +\| +<-+o-+\| {2}register/.test(line)))
})

t.test('lower is later, and nothing is drawn outside', async t => {
  for (const [a, b] of pairs) {
    const ladder = createLadder(told(a, b).records, { fold: false })
    const { rungs, width, height } = layoutOf(ladder)
    const ends = rungs.flatMap(({ legs }) => legs.map(({ leg, y2 }): [number, number] => [leg.arriveMs, y2]))
    const all = [...ends, ...rungs.map(({ rung, y }): [number, number] => [rung.journey.sentMs, y])]
    all.sort(([one, y], [other, z]) => one - other || y - z)
    t.ok(
      all.every(([, y], i) => y > (all[i - 1]?.[1] ?? 0)),
      `${a} x ${b}`,
    )
    const xs = rungs.flatMap(({ legs }) => legs.flatMap(({ x1, x2 }) => [x1, x2]))
    t.ok(Math.min(...xs) > 0 && Math.max(...xs) < width && (all.at(-1)?.[1] ?? 0) < height)
  }
})

t.test('1,500 datagrams fold into what can be read, and are drawn in less than a second', async t => {
  const trial = planTrials({ pairs: [{ a: 'portrest', b: 'portrest' }], trials: 1, seed: 1 })[0]
  const { records, story } = tell({ ...(trial as NonNullable<typeof trial>), stayMs: 1_700_000 })
  const journeys = journeysOf(records).length
  t.ok(journeys >= 1500, String(journeys))
  const started = process.cpuUsage()
  const ladder = createLadder(records, { decisive: story.decisive })
  const svg = ladderSvg(ladder)
  const ms = cpuMsSince(started)
  t.ok(ms < 1000, `${ms} ms`)
  t.ok(ladder.rungs.length < 150, `${ladder.rungs.length} rungs`)
  t.comment(`${journeys} datagrams: ${ladder.rungs.length} rungs, ${svg.length} bytes of SVG, ${ms.toFixed(0)} ms`)
})

t.test('SVG and HTML say what they are given, whatever it is', async t => {
  fc.assert(fc.property(fc.string(), text => !/[<>"']/.test(escaped(text)) && !scriptJson(text).includes('<')))
  fc.assert(
    fc.property(fc.jsonValue(), value => JSON.stringify(JSON.parse(scriptJson(value))) === JSON.stringify(value)),
  )
  const { records, story } = told('portrest', 'symrand')
  const svg = ladderSvg(createLadder(records, { decisive: story.decisive }))
  t.equal(svg.match(/<g class="rung/g)?.length, createLadder(records, { decisive: story.decisive }).rungs.length)
  t.match(svg, /class="rung dropped decisive"/)
  t.match(svg, />filtering<\/text>/)
  const times = distributionSvg([10, 20, 30, 400], 2, 'Times')
  t.match(times, 'Times: 4 connected: median')
  const counts = [...times.matchAll(/ms: (\d+)<\/title>/g)].map(([, count]) => Number(count))
  t.equal(
    counts.reduce((sum, count) => sum + count, 0),
    4,
    'every one in a bar',
  )
})

t.test('the runs of a matrix come out of a page as they were', async t => {
  const trials = planTrials({ pairs: [{ a: 'portrest', b: 'symrand' }], trials: 12, seed: 7 })
  const results = trials.map(trial => meet(trial))
  const data = JSON.parse(JSON.stringify(matrixData([{ trials, results }], true))) as ReturnType<typeof matrixData>
  t.same(trialsOf(data, 0), trials)
  t.same(
    trialsOf(data, 0)?.map(trial => meet(trial).trace),
    results.map(({ trace }) => trace),
  )
  t.equal(trialsOf(matrixData([{ trials, results }], false), 0), undefined, 'the kernel’s can not be told again')
})

t.test('checksums are right: what they cover sums up to nothing', async t => {
  t.equal(checksum([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0x220d, 'RFC 1071 s.3: the sum is ddf2')
  const [four, six] = [
    ['192.0.2.1', '198.51.100.2'],
    ['2001:db8::1', '2001:db8::2'],
  ] as const
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(four, six), (payload, [from, to]) => {
      const packet = packetOf({ address: from, port: 5000 }, { address: to, port: 8080 }, payload, 7)
      const [head, addresses] = from === four[0] ? [20, packet.subarray(12, 20)] : [40, packet.subarray(8, 40)]
      const length = 8 + payload.length
      const pseudo = [...addresses, 0, 17, length >> 8, length & 255]
      return (head === 40 || checksum(packet.subarray(0, 20)) === 0) && checksum(pseudo, packet.subarray(head)) === 0
    }),
  )
})

const hasTshark = spawnSync('tshark', ['--version']).status === 0

t.test('Wireshark reads every packet', { skip: hasTshark ? false : 'no tshark here' }, async t => {
  const world = createWorld({ seed: 1 })
  const records = record(world)
  const server = world.host({ name: 'server', address: '203.0.113.1' }).udp({ port: 3478 })
  server.onDatagram((bytes, from) => server.send(bytes, from))
  const { host } = hostBehind(world, { name: 'alice', nat: 'portrest', address: '198.51.100.1' })
  const message = {
    class: 'request',
    method: binding,
    transactionId: newTransactionId(new Uint8Array(12)),
    attributes: [],
  }
  host
    .udp()
    .send(withFingerprint(encode(message as Parameters<typeof encode>[0])), { address: '203.0.113.1', port: 3478 })
  world.run(1000)
  const dir = t.testdir({})
  const tshark = (name: string, what: readonly (typeof records)[number][], ...args: string[]): string[] => {
    const file = join(dir, name)
    writeFileSync(file, pcapOf(what))
    const checks = ['-o', 'ip.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE']
    const text = execFileSync('tshark', ['-r', file, ...checks, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return text.trimEnd().split('\n')
  }
  const packets = (what: readonly (typeof records)[number][]): number =>
    what.reduce((sum, { kind }) => sum + (kind === 'forward' ? 2 : 1), 0)
  const fields = ['frame.interface_name', 'ip.checksum.status', 'udp.checksum.status', 'stun.type', 'frame.comment']
  const wanted = ['-T', 'fields', ...fields.flatMap(field => ['-e', field])]

  const stun = tshark('stun.pcapng', records, ...wanted)
  t.equal(stun.length, packets(records))
  for (const line of stun)
    t.match(line, /^(alice|nat-alice|server)\t1\t1\t0x0001/, 'a Binding request, its checksums good')

  const { records: long } = told('portrest', 'symrand')
  const all = tshark('run.pcapng', long, ...wanted)
  t.equal(all.length, packets(long))
  t.equal(
    all.filter(line => line.includes('drop: filtering')).length,
    long.filter(({ reason }) => reason === 'filtering').length,
  )
  t.comment(`${stun.length} STUN packets and ${all.length} others read by tshark, every checksum good`)
})

const base64 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'))

t.test('two files of one run: one axis of time, and what never came was lost', async t => {
  const line = (value: object): string => JSON.stringify(value)
  const datagram = (timeMs: number, way: string, remote: string, words: string): string =>
    line({ timeMs, datagram: way, local: '10.0.0.2:5000', remote, bytes: Buffer.from(words).toString('base64') })
  const file = (name: string, peer: string, startedAt: string, ...lines: string[]): string =>
    [
      line({ trace: 1, name, peer, startedAt }),
      line({ timeMs: 0, event: 'registering', server: '203.0.113.1:8080' }),
      ...lines,
    ].join('\n')
  // Bob's clock is an hour off; each way takes 30 ms.
  const alice = file(
    'alice',
    'bob',
    '2026-01-01T00:00:00.000Z',
    datagram(1, 'sent', '203.0.113.1:8080', 'alice seek=bob'),
    datagram(100, 'sent', '192.0.2.1:6000', 'one'),
    datagram(150, 'sent', '192.0.2.1:6000', 'lost'),
    datagram(230, 'received', '192.0.2.1:6000', 'two'),
  )
  const bob = file(
    'bob',
    'alice',
    '2026-01-01T01:00:00.000Z',
    datagram(1030, 'received', '198.51.100.1:5000', 'one'),
    datagram(1100, 'sent', '198.51.100.1:5000', 'two'),
    line({ timeMs: 1031, event: 'heard' }),
  )
  const read = (text: string): ReturnType<typeof readTrace> => readTrace(text, 'file', Date.parse)
  const { records, remarks } = recordsOf([read(alice), read(bob)], base64)
  const journeys = journeysOf(records)
  const story = journeys.map(({ label, sentMs, endMs, dropped, delivered }) => [
    label,
    sentMs,
    endMs,
    delivered ?? dropped,
  ])
  t.same(story, [
    ['register', 1, 1, 'server'],
    ['one', 100, 130, 'bob'],
    ['lost', 150, 150, 'somewhere loss'],
    ['two', 200, 230, 'alice'],
  ])
  t.same(remarks, [{ timeMs: 131, box: 'bob', text: 'heard' }])
  t.match(
    ladderText(createLadder(records, { remarks })),
    /one 10\.0\.0\.2:5000 > 192\.0\.2\.1:6000 \(alice: from 198\.51\.100\.1:5000 to 10\.0\.0\.2:5000\)/,
  )
  for (const [text, problem] of [
    ['', /line 1 is not a JSON object/],
    ['{}', /is no trace of test-client/],
    [`${file('a', 'b', '')}\n{"datagram":"sent"}`, /line 3 is no datagram/],
  ] as const) {
    t.throws(() => read(text), { message: problem })
  }
})

t.test('a real run, traced and drawn', async t => {
  const dir = t.testdir({})
  const bin = (name: string): string => new URL(`../bin/${name}`, import.meta.url).pathname
  const script = `
    ${bin('test-server')} -p 47113 --host 127.0.0.1 -q & server=$!; sleep 0.5
    talk() { ${bin('test-client')} -s 127.0.0.1 -p 47113 -n $1 -c $2 --no-input --exit-on-connect --timeout 20 -q --trace ${dir}/$1.jsonl; }
    talk alice bob & alice=$!; talk bob alice; wait $alice; kill $server
    ${bin('nat-lab')} ladder ${dir}/alice.jsonl ${dir}/bob.jsonl --svg ${dir}/real.svg --html ${dir}/real.html
    ${bin('nat-lab')} ladder ${dir}/alice.jsonl ${dir}/bob.jsonl --json > ${dir}/real.json`
  // tap's loaders must not get into the children.
  const said = spawnSync('env', ['-u', 'NODE_OPTIONS', 'bash', '-c', script], { encoding: 'utf8', timeout: 60_000 })
  t.match(said.stdout, /ms +alice +server +bob\n/, said.stderr)
  t.match(said.stdout, /-- alice: connected/)
  t.match(said.stdout, /\|-+\|-+> {2}check 127\.0\.0\.1/)
  t.match(readFileSync(join(dir, 'real.svg'), 'utf8'), /^<svg/)
  t.notMatch(readFileSync(join(dir, 'real.html'), 'utf8'), /(src|href)="(?!data:|#)/)
  const { lifelines, rungs, datagrams } = JSON.parse(readFileSync(join(dir, 'real.json'), 'utf8')) as Ladder
  t.match(lifelines, [{ name: 'alice' }, { name: 'server' }, { name: 'bob' }])
  t.equal(
    rungs.reduce((sum, { count }) => sum + count, 0),
    datagrams,
  )
})
