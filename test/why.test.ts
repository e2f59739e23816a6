// The lab explains itself: every word of a story is in the trace, and what would have worked works.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { formatEndpoint } from '../src/endpoint.ts'
import { planTrials } from '../src/lab/matrix.ts'
import { type MeetingOptions, meet } from '../src/lab/meeting.ts'
import { whatWorks } from '../src/lab/remedies.ts'
import { builtInSites, placeOf, usualNames } from '../src/lab/sites.ts'
import { storyOf } from '../src/lab/story.ts'
import { tell } from '../src/lab/telling.ts'
import { labelOf } from '../src/lab/label.ts'
import { type IpVersions, type NatProfile, ipVersions } from '../src/nat-profile.ts'
import { createLadder } from '../src/report/ladder.ts'
import { ladderText } from '../src/report/ladder-text.ts'
import { storyText, triedText } from '../src/report/story.ts'
import { seededRandom } from '../src/sim/random.ts'
import { withFingerprint } from '../src/dialects/stun/integrity.ts'
import { binding, encode, newTransactionId } from '../src/dialects/stun/message.ts'

const trialOf = (a: string, b: string, seed: number, ip: IpVersions = '4'): MeetingOptions =>
  planTrials({ pairs: [{ a, b }], trials: 1, seed, ip })[0] as MeetingOptions

const sites = [...builtInSites.values()]

/** Any two that can be put together. */
const anyTrial = (seed: number): MeetingOptions => {
  const random = seededRandom(seed, 'story')
  for (;;) {
    const [a, b] = [0, 0].map(() => sites[Math.floor(random.next() * sites.length)]) as [
      (typeof sites)[0],
      (typeof sites)[0],
    ]
    const ip = ipVersions[seed % ipVersions.length] ?? '4'
    if (placeOf(a, b)) return { ...trialOf(a.name, b.name, seed, ip), limitMs: 4000 }
  }
}

/** What a story says of a drop, as the trace's own line would begin and end. */
const claim =
  /^ *(\d+\.\d{3}) \*? +At (\S+) ends? the \S+(?: \S+)? of (\S+) from (.+?) to (.+?),(?: (\d+) times, until (\d+\.\d{3}) ms:)? ([a-z-]+)\./

/** An endpoint, or so many ports of an address: how many, and what they begin with. */
const portsIn = (words: string): [ports: number, text: string] => {
  const [, ports, address] = /^(\d+) ports of (\S+)$/.exec(words) ?? []
  return ports === undefined ? [1, `${words} `] : [Number(ports), `${address}:`]
}

t.test('every drop that a story tells of is in the trace: time, box, endpoints, reason, how often', async t => {
  const runs = Number(process.env['WHY_RUNS'] ?? 150)
  let [claims, failed] = [0, 0]
  for (let seed = 1; seed <= runs; seed++) {
    const { records, story, result } = tell(anyTrial(seed))
    if (!result.connected) failed++
    const drops = records.filter(({ kind }) => kind === 'drop')
    const senderOf = new Map(records.flatMap(({ kind, id, box }) => (kind === 'send' ? [[id, box]] : [])))
    for (const line of storyText(story).split('\n')) {
      if (!line.includes(' ends the ')) continue
      const [, time, box, sender, from = '', to = '', times = '1', until = time, reason] = claim.exec(line) ?? []
      const [[sources, fromText], [destinations, toText]] = [portsIn(from), portsIn(to)]
      const found = drops.filter(
        drop =>
          drop.box === box &&
          drop.reason === reason &&
          senderOf.get(drop.id) === sender &&
          `${formatEndpoint(drop.from)} `.startsWith(fromText) &&
          `${formatEndpoint(drop.to)} `.startsWith(toText),
      )
      const ports = (end: 'from' | 'to'): number => new Set(found.map(drop => drop[end].port)).size
      const [first, last] = [found[0], found.at(-1)].map(drop => drop?.timeMs.toFixed(3))
      claims++
      const isAsOften = found.length === Number(times) && ports('from') === sources && ports('to') === destinations
      if (first === time && last === until && isAsOften) continue
      t.fail(`seed ${seed}: ${line}: ${found.length} in the trace`)
    }
    if (story.why !== undefined && /^\S+ [a-z-]+$/.test(story.why)) {
      const [box, reason] = story.why.split(' ')
      t.ok(
        records.some(record => record.box === box && record.reason === reason),
        `seed ${seed}: ${story.why}`,
      )
    }
    const moments = new Set(records.map(({ id, timeMs }) => `${id} ${timeMs}`))
    for (const { id, timeMs } of story.steps) {
      if (!moments.has(`${id} ${timeMs}`)) t.fail(`seed ${seed}: #${id} ${timeMs}`)
    }
  }
  t.ok(claims > runs / 2, 'there was something to check')
  t.comment(`${runs} runs, ${failed} of them failed: ${claims} drops told, each as it is in the trace`)
})

t.test('the story of a pair that cannot meet', async t => {
  const options = trialOf('symseq', 'symrand', 1)
  const { story, result, plans } = tell(options)
  t.notOk(result.connected)
  t.equal(story.why, result.why, 'the same as in the matrix')
  const told = storyText(story)
  t.match(
    told,
    /nat-b sends what bob has for \S+ from 192\.0\.2\.2:\d+, not from 192\.0\.2\.2:\d+, where the server sees bob/,
  )
  t.match(told, /nothing had left from 198\.51\.100\.2:40000 to 192\.0\.2\.2:\d+, only to 203\.0\.113\.10:8080/)
  t.match(told, /never hear of each other\. What stopped them: nat-[ab] filtering\.$/)
  t.same(
    plans.map(text => text.split(':', 1)[0]),
    ['alice plans relay, 2.95 %', 'bob plans relay, 2.95 %'],
  )
  const tried = whatWorks(options)
  t.ok(tried.worked.length > 0 && tried.worked.every(({ isTheirs }) => !isTheirs))
  t.match(triedText(tried), /\nAs the boxes are, the two need a relay\.$/)
})

t.test('a spray is told in a line, and drawn in one for as long as nothing else happens', async t => {
  const options = trialOf('portrest', 'symrand', 1)
  const { story, result, plans, records, remarks } = tell(options)
  t.ok(result.connected)
  const told = storyText(story)
  t.match(
    told,
    /At internet end the checks of bob from 256 ports of 192\.0\.2\.2 to 198\.51\.100\.2:49152, 256 times, .*: ttl\./,
  )
  t.match(
    told,
    /At nat-b end the checks of alice from 198\.51\.100\.2:49152 to (\d+) ports of 192\.0\.2\.2, \1 times, .*: no-mapping\./,
  )
  t.ok(story.steps.length < 20, `${story.steps.length} steps`)
  t.same(plans, [
    "alice plans spray, probe, 99.95 %: the peer's NAT gives each peer a random port.",
    'bob plans spray, open, 99.95 %: our NAT gives each peer a random port.',
  ])
  const ladder = createLadder(records, { decisive: story.decisive, remarks })
  t.ok(
    ladder.datagrams > 1000 && ladder.rungs.length < 120,
    `${ladder.datagrams} datagrams, ${ladder.rungs.length} rungs`,
  )
  const lines = ladderText(ladder)
  t.match(
    lines,
    /check 10\.1\.0\.2:49152 > \d{2,} ports of 192\.0\.2\.2 \(nat-a: from 198\.51\.100\.2\), dropped at nat-b: no-mapping/,
  )
  t.match(lines, /-- alice: plans spray, probe, /)
  t.match(lines, /-- bob: tries spray\n/)
  const startedMs = performance.now()
  for (let i = 0; i < 5; i++) storyText(storyOf(records, ['alice', 'bob']))
  t.comment(`${records.length} records told in ${((performance.now() - startedMs) / 5).toFixed(0)} ms`)
})

t.test('what was forced on them is what they would have done better without', async t => {
  const options = { ...trialOf('portrest', 'symrand', 1), strategy: 'direct' } as const
  t.notOk(meet(options).connected)
  const { worked } = whatWorks(options)
  t.match(worked[0], { text: 'they choose for themselves what to try', isTheirs: true })
  t.notMatch(triedText({ tried: 1, worked }), 'relay')
})

t.test('the stories of README and docs are real ones', async t => {
  for (const [file, a, b] of [
    ['README.md', 'symrand', 'symrand'],
    ['docs/lab-why.md', 'portrest', 'symrand'],
  ] as const) {
    const text = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8')
    const options = trialOf(a, b, 1)
    const { result, story, plans } = tell(options)
    const tried = result.connected ? '' : `\n${triedText(whatWorks(options))}\n`
    t.ok(text.includes(`\n${plans.join('\n')}\n\n${storyText(story)}\n${tried}`), file)
    t.ok(text.includes(`Trace ${result.trace}. `), `${file}: its trace`)
  }
})

t.test('with the names hidden it says the same', async t => {
  const hide = (profile: NatProfile | undefined): NatProfile | undefined => profile && { ...profile, name: 'x' }
  for (const [a, b] of [
    ['portrest', 'symrand'],
    ['cgn', 'same-cgn'],
    ['none', 'blocked'],
    ['portrest-naive', 'portrest'],
  ] as const) {
    const options = trialOf(a, b, 2)
    const place = Object.fromEntries(
      Object.entries(options.place).map(([key, value]) => [key, key === 'shared' ? value : hide(value as NatProfile)]),
    ) as typeof options.place
    const hidden = { ...options, place }
    t.equal(storyText(tell(hidden).story), storyText(tell(options).story), `${a} x ${b}`)
    t.same(
      whatWorks(hidden).worked.map(({ text }) => text),
      whatWorks(options).worked.map(({ text }) => text),
    )
  }
})

t.test('what would have worked works when it is run', async t => {
  let [tries, works] = [0, 0]
  for (const [a, b] of [
    ['symseq', 'symrand'],
    ['symrand', 'symrand'],
    ['cgn', 'same-cgn'],
    ['none', 'blocked'],
    ['adm-apdf', 'symseq'],
  ] as const) {
    const options = trialOf(a, b, 3)
    if (meet(options).connected) continue
    const { tried, worked } = whatWorks(options)
    tries += tried
    for (const { text, options, connectedMs } of worked) {
      const again = meet(options)
      works++
      if (!again.connected || again.connectedMs !== connectedMs) t.fail(`${a} x ${b}: ${text}`)
    }
  }
  t.ok(works > 0)
  t.comment(`${tries} other ways tried, ${works} of them worked, and again`)
})

t.test('to look changes nothing', async t => {
  for (const [a, b] of [
    ['portrest', 'portrest'],
    ['adm', 'symseq'],
  ] as const) {
    const options = trialOf(a, b, 4)
    t.equal(tell(options).result.trace, meet(options).trace)
  }
  t.ok(usualNames.length > 10)
})

t.test('datagrams have names that are safe to print', async t => {
  const words = (text: string): Uint8Array => new TextEncoder().encode(text)
  const request = {
    class: 'request',
    method: binding,
    transactionId: newTransactionId(new Uint8Array(12)),
    attributes: [],
  }
  const rows: [string, Uint8Array][] = [
    ['Binding request', withFingerprint(encode(request as Parameters<typeof encode>[0]))],
    ['entry', words('0,2,alice,127.0.0.1,45105')],
    ['register', words('alice seek=bob')],
    ['keepalive', Uint8Array.from([0xfe, 4, ...Array<number>(8).fill(1)])],
    ['CONNECT', words('CONNECT 1 2')],
    ['bytes', Uint8Array.from([0xff, 0xfe])],
    ['bytes', new Uint8Array(0)],
  ]
  for (const [name, bytes] of rows) t.equal(labelOf(bytes), name)
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), bytes => !/[\p{Cc}\p{Cf}]/u.test(labelOf(bytes))))
})
