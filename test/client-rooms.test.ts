// The client's pure rooms, each driven by hand: literal inputs, and the time as an argument.
import t from 'tap'
import fc from 'fast-check'
import { decodeUtf8 } from '../src/utf8.ts'
import { type Endpoint, type Family, endpointKey } from '../src/endpoint.ts'
import { isStage, nameProblem } from '../src/name.ts'
import { headerBytes } from '../src/headers.ts'
import { nearest } from '../src/nearest.ts'
import { visible } from '../src/visible.ts'
import { Candidates } from '../src/client/candidates.ts'
import { EarlyChecks } from '../src/client/early-checks.ts'
import type { ClientEvent } from '../src/client/events.ts'
import { Manners, type PeerStanding } from '../src/client/manners.ts'
import { Puncher } from '../src/client/puncher.ts'
import { Registrar } from '../src/client/registrar.ts'
import { checkPauseMs, jittered, pollDelayMs, retryDelayMs } from '../src/client/schedule.ts'
import { Session } from '../src/client/session.ts'
import { StageView } from '../src/client/stage-view.ts'
import { hostMayBePunched, targetProblem } from '../src/client/targets.ts'
import { Transactions } from '../src/client/transactions.ts'
import { type Line, type RegistrationRequest, decodeRegistration, encodeLine } from '../src/dialects/phonebook/codec.ts'
import {
  type PeerMessage,
  decodePeerMessage,
  directMessage,
  encodePeerMessage,
} from '../src/dialects/phonebook/peer.ts'

const at = (address: string, port = 5000): Endpoint => ({ address, port })
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

// Words

t.test('what may be a name', async t => {
  const table: [name: string, problem: string | undefined][] = [
    ['alice', undefined],
    ['a', undefined],
    ['a@b=c', undefined],
    ['__proto__', undefined],
    ['漢字🎷', undefined],
    ['x'.repeat(64), undefined],
    ['🎷'.repeat(16), undefined],
    ['', 'empty'],
    ['x'.repeat(65), 'too-long'],
    ['é'.repeat(33), 'too-long'],
    ['🎷'.repeat(17), 'too-long'],
    ['\n'.repeat(99), 'too-long'],
    ['a b', 'forbidden-character'],
    ['a,b', 'forbidden-character'],
    ['a\u00adb', 'forbidden-character'],
    ['a\u061cb', 'forbidden-character'],
    ['a\u3000b', 'forbidden-character'],
    ['a\u{e0001}b', 'forbidden-character'],
    ['a\ud800b', 'forbidden-character'],
    ['REGISTER', 'reserved'],
    ['EXIT_NAK', 'reserved'],
    ['BIND:', 'reserved'],
    ['ERROR:not', 'reserved'],
    ['LIST_ACK:7:8', 'reserved'],
    ['exit', undefined],
    [':LIST', undefined],
    ['EXIT_', undefined],
  ]
  for (const [name, problem] of table) t.equal(nameProblem(name), problem, JSON.stringify(name))
  for (const stage of ['jam', '~', '!', 'a=b', '__proto__', 's'.repeat(64)]) t.ok(isStage(stage), stage)
  for (const stage of ['', ' ', 'a b', 'a,b', 'a\n', 'é', '\x7f', 's'.repeat(65)]) t.notOk(isStage(stage), stage)
})

t.test('the name that was probably meant', async t => {
  const table: [word: string, words: string[], meant: string | undefined][] = [
    ['alice', ['alcie', 'bob'], 'alcie'],
    ['alice', ['bob', 'alicia', 'alic'], 'alic'],
    ['alice', ['Alice', 'alic'], 'Alice'],
    ['alice', ['malicious'], undefined],
    ['alexander', ['alexand'], 'alexand'],
    ['alexander', ['alexan'], undefined],
    ['bob', ['rob'], 'rob'],
    ['bob', ['rib'], undefined],
    ['a', ['b', 'ab'], undefined],
    ['a', ['A'], 'A'],
    ['bob', [], undefined],
    ['', ['a', ''], ''],
    ['constructor', ['construktor'], 'construktor'],
  ]
  for (const [word, words, meant] of table) t.equal(nearest(word, words), meant, `${word}: ${words}`)
})

t.test('nothing from the wire moves the cursor, recolours or reorders', async t => {
  const table: [text: string, shown: string][] = [
    ['plain — ünïcode 漢 🎷', 'plain — ünïcode 漢 🎷'],
    ['\x1b[2J\x07', '\\u{1b}[2J\\u{7}'],
    ['a\r\nb\tc\0', 'a\\u{d}\\u{a}b\\u{9}c\\u{0}'],
    ['\u009b31m', '\\u{9b}31m'],
    ['\u202egnp.exe', '\\u{202e}gnp.exe'],
    ['\u2066\u2069\u200e\u061c', '\\u{2066}\\u{2069}\\u{200e}\\u{61c}'],
    ['\u2028\u2029\ufeff', '\\u{2028}\\u{2029}\\u{feff}'],
    ['\ud800', '\\u{d800}'],
    ['\u{e0041}', '\\u{e0041}'],
  ]
  for (const [text, shown] of table) t.equal(visible(text), shown)
  t.equal(visible('abc', 2), 'ab...')
  t.equal(visible('abc', 3), 'abc')
  t.equal(visible('a🎷', 2), 'a\\u{d83c}...', 'a letter that is cut in half')
  const acting = (text: string): boolean =>
    [...text].some(character => {
      const code = character.codePointAt(0) ?? 0
      const bidi = [0x61c, 0x200e, 0x200f, 0xfeff].includes(code) || (code >= 0x2028 && code <= 0x202e)
      return code < 32 || (code >= 127 && code < 160) || bidi || (code >= 0x2060 && code <= 0x206f) || isHalf(code)
    })
  const isHalf = (code: number): boolean => code >= 0xd800 && code <= 0xdfff
  const nasty = fc.string({
    unit: fc.oneof(
      fc.constantFrom('\x1b', '\x9b', '\u202e', '\n', '\ud83c', '\\'),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    ),
  })
  fc.assert(
    fc.property(nasty, fc.nat(12), (text, most) => !acting(visible(text)) && !acting(visible(text, most))),
    { numRuns: 3000 },
  )
})

// Schedule

t.test('when the client registers again', async t => {
  t.same([0, 1, 2, 3, 100].map(retryDelayMs), [250, 500, 1000, 1000, 1000], 'unanswered')
  const looking = (lookingForMs: number, intervalMs?: number) =>
    pollDelayMs({ connected: false, lookingForMs, intervalMs })
  t.same(
    [0, 29_999, 30_000, 86_400_000].map(ms => looking(ms)),
    [1000, 1000, 3000, 3000],
    'not connected',
  )
  t.same([looking(0, 200), looking(60_000, 200)], [200, 200], '--interval')
  t.equal(pollDelayMs({ connected: true, lookingForMs: 0, intervalMs: 200 }), 20_000, 'connected')
  t.same([jittered(1000, 0), jittered(1000, 0.5)].map(Math.round), [900, 1000])
  fc.assert(
    fc.property(
      fc.double({ min: 1, max: 1e5, noNaN: true }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (delay, random) => {
        const actual = jittered(delay, random)
        return actual >= delay * 0.9 * (1 - 1e-9) && actual <= delay * 1.1 * (1 + 1e-9)
      },
    ),
  )
})

t.test('checks of a candidate: dense, then sparse, never closer than 20 ms', async t => {
  const pauses = Array.from({ length: 40 }, (_, i) => checkPauseMs(i + 1))
  t.ok(pauses.every((pause, i) => pause >= 20 && pause >= (pauses[i - 1] ?? 0)))
  t.equal(pauses[0], 20)
  const sum = (list: number[]) => list.reduce((a, b) => a + b, 0)
  t.ok(sum(pauses.slice(0, 6)) <= 1000, 'seven in the first second')
  t.equal(checkPauseMs(Infinity), pauses.at(-1), 'one that began sparse')
})

// Manners: what good behaviour allows towards an address that has not answered

type Step =
  { what: 'try'; host: number; bytes: number } | { what: 'renew'; host: number } | { what: 'alive'; host: number }
type History = { afterMs: number; step: Step }[]
type Sent = { atMs: number; host: number; bytes: number; aliveMs: number }

const addressOf = (host: number): string => `203.0.113.${host}`

/** Plays a history by virtual time, asking for leave before every check. */
const play = (history: History, standing: PeerStanding, manners = new Manners()): Sent[] => {
  const sent: Sent[] = []
  const alive = new Map<number, number>()
  let nowMs = 0
  for (const { afterMs, step } of history) {
    nowMs += afterMs
    const address = addressOf(step.host)
    if (step.what === 'renew') manners.renew(address, nowMs)
    else if (step.what === 'alive') {
      manners.alive(address, nowMs)
      alive.set(step.host, nowMs)
    } else {
      const earliest = manners.earliest(address, step.bytes, standing, nowMs)
      if (earliest < nowMs) throw new Error(`earliest ${earliest} at ${nowMs}`)
      if (earliest > nowMs) continue
      manners.sent(address, step.bytes, nowMs)
      sent.push({ atMs: nowMs, host: step.host, bytes: step.bytes, aliveMs: alive.get(step.host) ?? -Infinity })
    }
  }
  return sent
}

const historyOf = (hosts: number, kinds: Step['what'][]): fc.Arbitrary<History> =>
  fc.array(
    fc.record({
      afterMs: fc.oneof(
        { weight: 20, arbitrary: fc.constantFrom(0, 1, 10, 19, 20, 21, 100) },
        { weight: 4, arbitrary: fc.constantFrom(999, 1000, 4999, 5000) },
        { weight: 1, arbitrary: fc.constantFrom(29_999, 31_000, 60_000, 601_000) },
      ),
      step: fc.record({
        what: fc.constantFrom(...kinds),
        host: fc.nat(hosts - 1),
        bytes: fc.integer({ min: 60, max: 220 }),
      }),
    }),
    { maxLength: 400, size: 'max' },
  )

const perHost = (sent: Sent[]): Sent[][] => {
  const hosts = new Set(sent.map(({ host }) => host))
  return [...hosts].map(host => sent.filter(one => one.host === host))
}

const limits = {
  proven: { checks: 20, spacingMs: 20 },
  unproven: { checks: 3, spacingMs: 20 },
  older: { checks: 40, spacingMs: 1000 },
} as const

for (const standing of ['proven', 'unproven', 'older'] as const) {
  const { checks, spacingMs } = limits[standing]

  t.test(`towards a silent ${standing} peer, whatever the phonebook says: ${checks} checks a minute`, async () => {
    fc.assert(
      fc.property(historyOf(3, ['try', 'try', 'try', 'renew']), history => {
        for (const toOne of perHost(play(history, standing))) {
          const start = toOne[0]?.atMs ?? 0
          toOne.forEach(({ atMs }, i) => {
            const before = toOne[i - 1]
            if (before && atMs - before.atMs < spacingMs) throw new Error(`${atMs - before.atMs} ms apart`)
            const budgets = 1 + Math.floor((atMs - start) / 60_000)
            const bytes = toOne.slice(0, i + 1).reduce((sum, one) => sum + one.bytes, 0)
            if (i + 1 > checks * budgets) throw new Error(`${i + 1} checks in ${atMs - start} ms`)
            if (standing !== 'older' && bytes > 2048 * budgets) throw new Error(`${bytes} bytes in ${atMs - start} ms`)
          })
        }
      }),
      { numRuns: 300, interruptAfterTimeLimit: 8000 },
    )
  })

  t.test(`and without news of a ${standing} peer, ${checks} in ten minutes`, async t => {
    const history: History = Array.from({ length: 6000 }, () => ({
      afterMs: 100,
      step: { what: 'try', host: 1, bytes: 77 },
    }))
    t.equal(play(history, standing).length, checks)
  })
}

t.test('2 KiB are spent before 20 checks where names are long', async t => {
  const history: History = Array.from({ length: 50 }, () => ({
    afterMs: 20,
    step: { what: 'try', host: 1, bytes: 205 },
  }))
  t.equal(play(history, 'proven').length, 9)
})

t.test('after a sign of life one check in five seconds goes on, until thirty seconds after the last', async t => {
  const manners = new Manners()
  const tries = (count: number, afterMs: number): History =>
    Array.from({ length: count }, () => ({ afterMs, step: { what: 'try', host: 1, bytes: 77 } }))
  t.equal(play(tries(30, 20), 'proven', manners).length, 20)
  const later = play([{ afterMs: 10_000, step: { what: 'alive', host: 1 } }, ...tries(1000, 100)], 'proven', manners)
  const times = later.map(({ atMs }) => atMs - 10_000)
  t.same(times, [100, 5100, 10_100, 15_100, 20_100, 25_100])
})

t.test('a sign of life is no licence to flood', async () => {
  fc.assert(
    fc.property(historyOf(1, ['try', 'try', 'try', 'alive']), history => {
      const sent = play(history, 'proven')
      const free = sent.filter(({ atMs, aliveMs }, i) => {
        const gap = atMs - (sent[i - 1]?.atMs ?? -Infinity)
        return atMs - aliveMs <= 30_000 && gap >= 5000
      })
      // Not forgotten within ten minutes of silence, so only the paced ones may be more than 20.
      const [first, last] = [sent[0]?.atMs ?? 0, sent.at(-1)?.atMs ?? 0]
      if (last - first < 600_000 && sent.length - free.length > 20)
        throw new Error(`${sent.length - free.length} checks`)
    }),
    { numRuns: 300, interruptAfterTimeLimit: 8000 },
  )
})

t.test('five addresses at once', async t => {
  const burst = (from: number, to: number): History =>
    Array.from({ length: to - from + 1 }, (_, i) => ({ afterMs: 20, step: { what: 'try', host: from + i, bytes: 77 } }))
  const hosts = (history: History) => play(history, 'proven').map(({ host }) => host)
  t.same(hosts(burst(1, 9)), [1, 2, 3, 4, 5])
  const pause: History = [{ afterMs: 31_000, step: { what: 'renew', host: 1 } }]
  t.same(hosts([...burst(1, 9), ...pause, ...burst(6, 14)]), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 'the next five later')
})

t.test('five addresses at once, also when earlier ones come back', async () => {
  fc.assert(
    fc.property(historyOf(12, ['try']), history => {
      const sent = play(history, 'proven')
      for (const { atMs } of sent) {
        const second = sent.filter(one => one.atMs <= atMs && one.atMs > atMs - 1000)
        const hosts = new Set(second.map(({ host }) => host))
        if (hosts.size > 5) throw new Error(`checks to ${[...hosts]} in the second before ${atMs}`)
      }
    }),
    { numRuns: 200, interruptAfterTimeLimit: 8000 },
  )
})

t.test('manners remember 64 addresses at most, whoever shows signs of life', async t => {
  const manners = new Manners()
  for (let host = 0; host < 1000; host++) {
    const address = `198.51.${host >> 8}.${host & 255}`
    const nowMs = host * 7000
    if (manners.earliest(address, 77, 'proven', nowMs) === nowMs) manners.sent(address, 77, nowMs)
  }
  t.ok(manners.remembered <= 64, `${manners.remembered} after checks`)
  for (let host = 0; host < 1000; host++) manners.alive(`203.0.${host >> 8}.${host & 255}`, 7_000_000 + host)
  t.ok(manners.remembered <= 64, `${manners.remembered} after signs of life`)
})

// Targets

t.test('whom a phonebook entry may make us send to', async t => {
  const [internet, lan, loopback, six] = ['203.0.113.10', '192.168.1.10', '127.0.0.1', '2001:db8::10']
  const table: [address: string, server: string, allowed: boolean][] = [
    ['198.51.100.1', internet, true],
    ['100.64.0.1', internet, true],
    ['192.0.2.1', internet, true],
    ['198.51.100.1', lan, true],
    ['198.51.100.1', loopback, true],
    ['10.0.0.1', internet, false],
    ['172.16.0.1', internet, false],
    ['169.254.1.1', internet, false],
    ['127.0.0.1', internet, false],
    ['127.0.0.1', lan, false],
    ['127.9.9.9', loopback, true],
    ['10.0.0.1', lan, true],
    ['169.254.1.1', lan, true],
    ['192.168.1.11', loopback, true],
    ['224.0.0.1', internet, false],
    ['224.0.0.1', loopback, false],
    ['239.255.255.250', lan, false],
    ['255.255.255.255', lan, false],
    ['240.0.0.1', internet, false],
    ['0.0.0.0', loopback, false],
    ['0.1.2.3', lan, false],
    ['2001:db8::1', six, true],
    ['fd00::1', six, false],
    ['fe80::1', six, false],
    ['::1', six, false],
    ['::', six, false],
    ['ff02::1', six, false],
    ['fd00::1', 'fd00::10', true],
    ['fe80::1', 'fd00::10', true],
    ['::1', '::1', true],
    ['ff02::1', '::1', false],
    ['2001:db8::1', internet, false],
    ['198.51.100.1', six, false],
  ]
  for (const [address, server, allowed] of table) {
    const problem = targetProblem(at(address), at(server, 8080))
    t.equal(problem === undefined, allowed, `${address} from a server at ${server}: ${problem ?? 'allowed'}`)
  }
})

t.test(
  "a peer's own addresses are worth a check only behind the same NAT, a forwarded port at its address anywhere",
  async t => {
    const nat = '198.51.100.1'
    const table: [host: Endpoint, mine: string | undefined, theirs: string, allowed: boolean][] = [
      [at('192.168.1.5'), nat, nat, true],
      [at('10.0.0.5', 1024), nat, nat, true],
      [at('169.254.0.5'), nat, nat, true],
      [at('203.0.113.5'), nat, nat, true],
      [at(nat), '198.51.100.2', nat, true],
      [at(nat, 1024), '198.51.100.2', nat, true],
      [at(nat, 1023), '198.51.100.2', nat, false],
      [at(nat), undefined, nat, false],
      [at('198.51.100.3'), '198.51.100.2', nat, false],
      [at('127.0.0.1'), '198.51.100.2', '127.0.0.1', false],
      [at('2001:db8:0:2::1'), '2001:db8:0:1::1', '2001:db8:0:2::1', true],
      [at('192.168.1.5', 1023), nat, nat, false],
      [at('192.168.1.5', 53), nat, nat, false],
      [at('192.168.1.5'), '198.51.100.2', nat, false],
      [at('192.168.1.5'), undefined, nat, false],
      [at('127.0.0.1'), nat, nat, false],
      [at('224.0.0.1'), nat, nat, false],
      [at('255.255.255.255'), nat, nat, false],
      [at('0.0.0.0'), nat, nat, false],
      [at('fd00::1'), nat, nat, false],
      [at('2001:db8:0:1::5'), '2001:db8:0:1::1', '2001:db8:0:1:ffff::2', true],
      [at('fe80::5'), '2001:db8:0:1::1', '2001:db8:0:1::2', true],
      [at('2001:db8:0:1::5'), '2001:db8:0:1::1', '2001:db8:0:2::1', false],
      [at('::1'), '2001:db8:0:1::1', '2001:db8:0:1::1', false],
      [at('ff02::1'), '2001:db8:0:1::1', '2001:db8:0:1::1', false],
      [at('192.168.1.5'), '2001:db8:0:1::1', '2001:db8:0:1::1', false],
      [at('192.168.1.5'), '2001:db8::1', nat, false],
    ]
    for (const [host, mine, theirs, allowed] of table) {
      const seenAt = mine === undefined ? undefined : at(mine, 7000)
      t.equal(hostMayBePunched(host, seenAt, at(theirs, 7001)), allowed, `${endpointKey(host)}: ${mine}, ${theirs}`)
    }
  },
)

// Tables with a bound

const id = (n: number): Uint8Array => Uint8Array.from({ length: 12 }, (_, i) => (n >> (8 * (i % 4))) & 255)

t.test('a response counts once, only from where the check went, and for ten seconds', async t => {
  const transactions = new Transactions()
  const there = at('192.0.2.1')
  transactions.open(id(1), there, 0)
  t.notOk(transactions.settle(id(2), there, 1))
  t.notOk(transactions.settle(id(1), at('192.0.2.2'), 1))
  t.notOk(transactions.settle(id(1), at('192.0.2.1', 5001), 1))
  t.ok(transactions.settle(id(1), there, 1), 'wrong answers do not use it up')
  t.notOk(transactions.settle(id(1), there, 1))
  t.equal(transactions.size, 0)
  for (let n = 0; n < 10_000; n++) transactions.open(id(n), there, n)
  t.equal(transactions.size, 64)
  t.notOk(transactions.settle(id(9935), there, 10_000))
  t.ok(transactions.settle(id(9936), there, 10_000))
  t.notOk(transactions.settle(id(9937), there, 20_000), 'too late')
  transactions.open(id(20_000), there, 30_000)
  t.equal(transactions.size, 1, 'the old ones are swept out')
})

t.test('two endpoints of one address take turns, or the dead one would be checked for ever', async t => {
  const candidates = new Candidates(new Manners())
  const [dead, alive] = [
    candidates.add(at('192.0.2.1', 4000), 'peer-reflexive', 0),
    candidates.add(at('192.0.2.1', 4001), 'server-reflexive', 0),
  ]
  if (dead) dead.tag = new Uint8Array(8)
  const checked: number[] = []
  for (let nowMs = 0; nowMs < 2000; nowMs += 5) {
    for (const candidate of candidates.due(nowMs))
      if (candidates.spend(candidate, 50, 'proven', nowMs)) checked.push(candidate.endpoint.port)
  }
  t.equal(checked[0], 4000, 'first where a check of the peer came from')
  const share = checked.filter(port => port === 4001).length / checked.length
  t.ok(checked.length > 10 && share > 0.4 && share < 0.6, `${checked.join()}`)
  t.ok(alive)
})

t.test('who has moved was heard: silence counts from then on', async t => {
  const session = new Session(at('192.0.2.1'), new Uint8Array(8), 0)
  session.moveTo(at('192.0.2.1', 4001), 14_000)
  t.not(session.due(16_000), 'silent')
})

t.test('sixteen candidates, eight early checks, 256 names', async t => {
  const candidates = new Candidates(new Manners())
  for (let i = 1; i <= 100; i++) candidates.add(at(`192.0.2.${i}`), 'peer-reflexive', 0)
  t.equal(candidates.size, 16)
  t.equal(candidates.get(at('192.0.2.84')), undefined, 'the oldest made room')
  t.equal(candidates.add(at('192.0.2.90'), 'host', 1)?.kind, 'peer-reflexive', 'a known one stays what it is')
  candidates.aim({ endpoint: at('192.0.2.93'), hosts: [at('192.0.2.200')] }, true, true, 1)
  t.same(
    candidates.all().map(({ endpoint, kind }) => [endpoint, kind]),
    [
      [at('192.0.2.93'), 'peer-reflexive'],
      [at('192.0.2.200'), 'host'],
    ],
    'who has moved is looked for where the phonebook says, and nowhere else',
  )
  candidates.aim({ endpoint: at('192.0.2.94'), hosts: [at('192.0.2.201')] }, false, true, 2)
  t.equal(candidates.get(at('192.0.2.201')), undefined, 'no host is tried beside a path that works')

  const early = new EarlyChecks()
  const check = {
    type: 'check',
    transaction: id(1),
    tag: id(1).slice(0, 8),
    pair: '',
    from: 'bob',
    to: 'alice',
  } as const
  for (let i = 1; i <= 100; i++) early.keep(check, at(`192.0.2.${i}`), i)
  early.keep({ ...check, pair: 'again' }, at('192.0.2.100'), 200)
  t.equal(early.size, 8)
  const taken = early.take(201)
  t.same(taken.map(({ from }) => from.address.split('.')[3]).join(), '93,94,95,96,97,98,99,100')
  t.equal(taken.at(-1)?.check.pair, 'again', 'the latest one of each source')
  t.equal(early.size, 0)
  early.keep(check, at('192.0.2.1'), 0)
  t.same(early.take(3001), [], 'too late')

  const view = new StageView()
  for (let i = 0; i < 10_000; i++) view.note(line({ name: `n${i}`, count: i }))
  t.equal(view.names().length, 256)
  t.equal(view.count, 9999)
  t.notOk(view.note(line({ name: 'n9999' })), 'known, and where it was')
  t.ok(view.note(line({ name: 'n9999', endpoint: at('192.0.2.9') })), 'moved')
  t.ok(view.note(line({ name: '__proto__' })))
})

// Session

t.test('a number counts once; 64 back it is too late to tell', async () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(300), fc.nat(20)), { maxLength: 400, size: 'max' }), numbers => {
      const session = new Session(at('192.0.2.1'), new Uint8Array(8), 0)
      const seen = new Set<number>()
      let highest = -1
      for (const number of numbers) {
        const isNew = !seen.has(number) && number > highest - 64
        if (session.isNew(number) !== isNew) throw new Error(`${number} after ${[...seen]}`)
        if (isNew) seen.add(number)
        highest = Math.max(highest, number)
      }
    }),
    { numRuns: 500 },
  )
})

t.test('the numbers wrap after four thousand million messages', async t => {
  const session = new Session(at('192.0.2.1'), new Uint8Array(8), 0)
  const some = (from: number) => Array.from({ length: 256 }, (_, i) => from + i).every(number => session.isNew(number))
  for (let from = 0; from <= 0xffffffff; from += 0x10000000) t.ok(some(from), `from ${from}`)
  t.ok(some(0xffffff00), 'up to the last one')
  for (const number of [0, 1]) t.ok(session.isNew(number), `${number}`)
  for (const number of [0, 1, 0xffffffff, 0xffffff00]) t.notOk(session.isNew(number), `${number} once more`)
})

t.test('nothing is due before the deadline, and something is at it, to the bit', async () => {
  const step = fc.record({
    afterMs: fc.double({ min: 0, max: 9000, noNaN: true }),
    what: fc.constantFrom('sent' as const, 'heard' as const, 'consented' as const, 'checked' as const),
  })
  const start = fc.double({ min: 0, max: 1e9, noNaN: true })
  fc.assert(
    fc.property(start, fc.boolean(), fc.array(step, { maxLength: 12 }), (startMs, tagged, steps) => {
      let nowMs = startMs
      const session = new Session(at('192.0.2.1'), tagged ? new Uint8Array(8) : undefined, nowMs)
      for (const { afterMs, what } of steps) {
        nowMs += afterMs
        if (what === 'heard') session.heard(at('192.0.2.1'), nowMs)
        else session[what](nowMs)
        const deadline = session.deadline()
        if (session.due(deadline) === undefined) throw new Error(`nothing due at ${deadline}`)
        for (const early of [deadline - 1, deadline * (1 - 2 ** -52), deadline - 5000])
          if (session.due(early) !== undefined) throw new Error(`${session.due(early)} at ${early}, not ${deadline}`)
      }
    }),
    { numRuns: 3000 },
  )
})

t.test('what is due in a quiet session, and when', async t => {
  const table: [ms: number, tagged: string | undefined, text: string | undefined][] = [
    [4999, undefined, undefined],
    [5000, 'keepalive', undefined],
    [10_000, 'check', undefined],
    [14_999, 'check', undefined],
    [15_000, 'silent', 'silent'],
    [40_000, 'silent', 'silent'],
  ]
  for (const [ms, tagged, text] of table) {
    t.equal(new Session(at('192.0.2.1'), new Uint8Array(8), 100).due(100 + ms), tagged, `${ms} ms`)
    t.equal(new Session(at('192.0.2.1'), undefined, 100).due(100 + ms), text, `${ms} ms, older peer`)
  }
  const heard = new Session(at('192.0.2.1'), new Uint8Array(8), 0)
  for (let ms = 0; ms <= 30_000; ms += 5000) {
    heard.heard(at('192.0.2.9'), ms)
    heard.checked(ms)
  }
  t.equal(heard.heardHereMs, 0, 'from elsewhere')
  t.equal(heard.due(30_000), 'no-consent')
  heard.consented(30_000)
  t.equal(heard.due(30_000), 'keepalive')
})

// Registrar

const [one, two, three] = [at('203.0.113.1', 8080), at('203.0.113.2', 8080), at('203.0.113.3', 8080)]

type Registered = { atMs: number; to: Endpoint; request: RegistrationRequest; length: number }

/** A registrar with a clock; `answer` plays the server, `lookup` the resolver. */
const createRegistrar = (options: { intervalMs?: number; random?: () => number } = {}) => {
  const sent: Registered[] = []
  const events: ClientEvent[] = []
  const lookups: number[] = []
  const waiting: { atMs: number; run: () => void }[] = []
  let nowMs = 0
  let onSend: (registered: Registered) => unknown = () => undefined
  let onLookup = (): void => {}
  const registrar = new Registrar({
    name: 'alice',
    seek: 'bob',
    stage: '',
    hosts: () => [],
    intervalMs: options.intervalMs,
    random: options.random ?? (() => 0.5),
    send: (bytes, to) => {
      const request = decodeRegistration(bytes)
      if (typeof request === 'string') throw new Error(request)
      const registered = { atMs: nowMs, to, request, length: bytes.length }
      sent.push(registered)
      onSend(registered)
    },
    lookup: () => {
      lookups.push(nowMs)
      onLookup()
    },
    onEvent: event => events.push(event),
  })
  return {
    registrar,
    sent,
    events,
    lookups,
    now: () => nowMs,
    onSend: (handler: (registered: Registered) => unknown) => void (onSend = handler),
    onLookup: (handler: () => void) => void (onLookup = handler),
    after: (ms: number, run: () => void) => void waiting.push({ atMs: nowMs + ms, run }),
    times: (to: Endpoint) => sent.filter(one => endpointKey(one.to) === endpointKey(to)).map(({ atMs }) => atMs),
    of: (kind: ClientEvent['event']) => events.filter(({ event }) => event === kind),
    /** Our own line, as a newer server says it; without a cookie an older one's. */
    answer(from: Endpoint, own: Partial<Line> = {}) {
      const mine = line({ name: 'alice', endpoint: at('198.51.100.1'), ...own })
      return registrar.receive(encodeLine(mine, 1, mine), from, nowMs)
    },
    runTo(untilMs: number) {
      for (let spins = 0; ;) {
        const next = Math.min(registrar.deadline(), ...waiting.map(({ atMs }) => atMs))
        if (next > untilMs) break
        spins = next > nowMs ? 0 : spins + 1
        if (spins > 100) throw new Error(`the clock stands still at ${nowMs}`)
        nowMs = Math.max(nowMs, next)
        const index = waiting.findIndex(({ atMs }) => atMs <= nowMs)
        if (index < 0) registrar.tick(nowMs)
        else waiting.splice(index, 1)[0]?.run()
      }
      nowMs = untilMs
    },
  }
}

function line(fields: Partial<Line>): Line {
  return {
    slot: 0,
    count: 1,
    name: 'bob',
    endpoint: at('192.0.2.1'),
    newer: false,
    proven: false,
    hosts: [],
    ...fields,
  }
}

t.test('unanswered: after 250, 500, 1000 ms, then every second', async t => {
  const { registrar, times, runTo } = createRegistrar()
  t.equal(registrar.deadline(), Infinity, 'before it knows a server')
  registrar.found([one], 0)
  runTo(5000)
  t.same(times(one), [0, 250, 750, 1750, 2750, 3750, 4750])
})

t.test('registrations are padded until somebody answers', async t => {
  const { registrar, sent, runTo, answer } = createRegistrar()
  registrar.found([one, two], 0)
  runTo(2000)
  t.same([...new Set(sent.map(({ length }) => length))], [1000])
  t.match(sent[0]?.request, { name: 'alice', newer: true, seek: 'bob' })
  answer(two)
  runTo(4000)
  t.ok((sent.at(-1)?.length ?? 1000) < 100)
})

t.test('the host is looked up again from the second miss on', async t => {
  const { registrar, lookups, runTo, answer } = createRegistrar()
  registrar.found([one], 0)
  runTo(3000)
  t.same(lookups, [750, 1750, 2750])
  t.equal(registrar.misses, 4)
  answer(one)
  t.same([registrar.misses, registrar.answered], [0, true])
  runTo(4300)
  t.same(lookups, [750, 1750, 2750], 'an answer begins a new count: polled at 4000, missed once at 4250')
})

t.test('answered: every second for thirty seconds, then every three, connected every twenty', async t => {
  const rig = createRegistrar()
  rig.onSend(({ to }) => rig.after(10, () => rig.answer(to)))
  rig.registrar.found([one], 0)
  rig.runTo(50_000)
  const gaps = rig.times(one).map((ms, i, all) => ms - (all[i - 1] ?? 0))
  t.ok(
    gaps.slice(1, 29).every(gap => gap === 1010),
    'every second',
  )
  t.ok(
    gaps.slice(-4).every(gap => gap === 3010),
    'every three',
  )
  const before = rig.sent.length
  rig.registrar.setConnected(true, rig.now())
  rig.runTo(110_000)
  t.ok(rig.sent.length - before <= 4, `${rig.sent.length - before} in a minute of being connected`)
  const lostAt = rig.now()
  rig.registrar.setConnected(false, lostAt)
  t.equal(rig.sent.at(-1)?.atMs, lostAt, 'lost: at once')
  rig.runTo(lostAt + 5100)
  t.equal(rig.times(one).filter(ms => ms > lostAt).length, 5, 'and eager again')
})

t.test('the next address is asked after 500 ms, the one after that 500 ms later', async t => {
  const { registrar, times, runTo, answer, onSend, after } = createRegistrar()
  registrar.found([one, two, three], 0)
  runTo(1100)
  t.same([times(one)[0], times(two)[0], times(three)[0]], [0, 500, 1000])
  t.same(registrar.server, one, 'the first one, as long as nobody has answered')
  onSend(({ to }) => to.address === two.address && after(10, () => answer(to)))
  answer(two)
  t.same(registrar.server, two)
  const before = times(one).length
  runTo(5000)
  t.equal(times(two).filter(ms => ms > 1100).length, 3, 'whoever answers')
  t.same([times(one).length, times(three).length], [before, 1], 'is the only one asked')
})

t.test('a server that fell silent is asked along with the other addresses', async t => {
  const { registrar, times, runTo, answer } = createRegistrar()
  registrar.found([one, two], 0)
  answer(one)
  runTo(10_000)
  t.ok((times(two)[0] ?? Infinity) < 4000, `the other one at ${times(two)[0]}`)
  t.ok(
    times(one).some(ms => ms > 9000),
    'and the first one still',
  )
  answer(two)
  t.same(registrar.server, two)
})

t.test('a new address of the server is used at once, an equal answer of the resolver changes nothing', async t => {
  const { registrar, times, runTo, now, answer } = createRegistrar()
  registrar.found([one], 0)
  runTo(100)
  registrar.found([one], now())
  registrar.found([], now())
  t.same(times(one), [0])
  registrar.found([two], now())
  t.same(times(two), [100])
  t.equal(answer(one), undefined, 'an address that was never active is none of ours any more')
  t.ok(answer(two))
})

t.test('all eight addresses of a long answer get their turn, though every lookup brings the same nine', async t => {
  const { registrar, times, runTo, onLookup, now } = createRegistrar()
  const nine = Array.from({ length: 9 }, (_, i) => at(`203.0.113.${i + 1}`, 8080))
  onLookup(() => registrar.found(nine, now()))
  registrar.found(nine, 0)
  runTo(20_000)
  t.ok(times(nine[7] as Endpoint).length > 0, 'the eighth')
  t.equal(times(nine[8] as Endpoint).length, 0, 'eight at most')
})

t.test('a resolver that turns its answers round makes nobody register more often', async t => {
  const { registrar, sent, runTo, onLookup, now } = createRegistrar()
  const answers = [one, two]
  onLookup(() => registrar.found([...answers.reverse()], now()))
  registrar.found([one, two], 0)
  runTo(20_000)
  const most = 2 * (2 + 20)
  t.ok(sent.length <= most, `${sent.length} registrations in 20 s to two addresses, at most ${most}`)
})

t.test('a cookie is echoed at once', async t => {
  const { registrar, sent, runTo, now, answer } = createRegistrar()
  registrar.found([one], 0)
  runTo(30)
  answer(one, { cookie: 'c1' })
  t.equal(sent.length, 2)
  t.match(sent[1], { atMs: 30, request: { cookie: 'c1' } })
  t.ok((sent[1]?.length ?? 1000) < 100, 'without padding: an answer has come')
  answer(one, { cookie: 'c1', proven: true })
  t.equal(sent.length, 2, 'once')
  runTo(now() + 1000)
  t.match(sent[2], { atMs: 1030, request: { cookie: 'c1' } })
})

for (const [roundTripMs, connected, perPoll] of [
  [0, false, 2],
  [50, false, 2],
  [50, true, 2],
  [300, true, 4], // later than the first retry
] as const) {
  const state = connected ? 'connected' : 'looking'
  t.test(
    `a new cookie in every answer, ${roundTripMs} ms away, ${state}: ${perPoll} registrations a poll, no loop`,
    async t => {
      const rig = createRegistrar()
      let made = 0
      rig.onSend(({ to }) => rig.after(roundTripMs, () => rig.answer(to, { cookie: `c${made++}` })))
      rig.registrar.found([one], 0)
      rig.runTo(1000)
      rig.registrar.setConnected(connected, rig.now())
      const before = rig.sent.length
      rig.runTo(61_000)
      const most = perPoll * (connected ? 60 / 20 + 1 : 30 + 10) + 2
      t.ok(rig.sent.length - before <= most, `${rig.sent.length - before} in a minute, at most ${most}`)
    },
  )
}

t.test('who else has our name is told once, and is in the way for as long as he goes on', async t => {
  const { registrar, of, answer, now, runTo } = createRegistrar()
  registrar.found([one], 0)
  answer(one, { cookie: 'c1' })
  t.notOk(registrar.isContested(now()))
  for (let i = 0; i < 5; i++) answer(one, { endpoint: at('198.51.100.66') })
  t.ok(registrar.isContested(now()))
  runTo(now() + 45_000)
  answer(one, { cookie: 'c1' })
  answer(one, { endpoint: at('198.51.100.66') })
  runTo(now() + 45_000)
  t.ok(registrar.isContested(now()), 'told once, and seen again since')
  runTo(now() + 20_000)
  t.notOk(registrar.isContested(now()), 'he has gone')
  t.match(of('name-conflict'), [{ name: 'alice', endpoint: at('198.51.100.66') }])
  answer(one, { endpoint: at('198.51.100.1') })
  t.equal(of('name-conflict').length, 1, 'ourselves do not count')
  t.same(registrar.mapped, at('198.51.100.1'), 'we are where we were')
})

t.test('an older server moves us about without a conflict', async t => {
  const { registrar, of, answer } = createRegistrar()
  registrar.found([one], 0)
  answer(one)
  answer(one)
  answer(one, { endpoint: at('198.51.100.1', 6000) })
  t.equal(of('name-conflict').length, 0)
  t.equal(of('registered').length, 2, 'told when it changes')
  t.same(registrar.mapped, at('198.51.100.1', 6000))
})

t.test('what is not from a server of ours is not read', async t => {
  const { registrar, events, answer } = createRegistrar()
  t.equal(answer(one), undefined, 'before there is one')
  registrar.found([one], 0)
  t.equal(answer(two), undefined)
  t.equal(answer(at(one.address, 8081)), undefined, 'another port')
  t.same([registrar.answered, registrar.mapped], [false, undefined])
  t.same(registrar.receive(Uint8Array.of(0xff), one, 1), [], 'noise from the server')
  t.same(registrar.receive(new Uint8Array(0), one, 1), [])
  t.equal(
    registrar.receive(encodeLine(line({ name: 'bob' }), 2), one, 1)?.length,
    1,
    "others' lines are no answer to us",
  )
  t.equal(registrar.answered, false)
  t.same(
    events.map(({ event }) => event),
    ['registering'],
  )
})

t.test('jitter spreads the polls, and no random number makes the clock stand still', async () => {
  fc.assert(
    fc.property(
      fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
      fc.boolean(),
      (stream, answers) => {
        const rig = createRegistrar({ random: () => stream.next().value ?? 0 })
        if (answers) rig.onSend(({ to }) => rig.after(10, () => rig.answer(to, { cookie: 'c' })))
        rig.registrar.found([one], 0)
        rig.runTo(20_000)
        if (rig.sent.length < 17 || rig.sent.length > 26) throw new Error(`${rig.sent.length} registrations in 20 s`)
      },
    ),
    { numRuns: 30 },
  )
})

// Puncher

const server = at('203.0.113.10', 8080)
const bobAt = at('192.0.2.2')
const aliceAt = at('192.0.2.1')

type Out = { atMs: number; to: Endpoint; bytes: Uint8Array; message: PeerMessage | undefined }

const createPuncher = ({
  me = 'alice',
  peer = 'bob',
  seed = 1,
  mapped = aliceAt,
  reaches = (_family: Family): boolean => true,
} = {}) => {
  const sent: Out[] = []
  const events: ClientEvent[] = []
  let nowMs = 0
  let drawn = seed * 1_000_000
  const puncher = new Puncher({
    me,
    peer,
    startedMs: 0,
    randomBytes: count => Uint8Array.from({ length: count }, (_, i) => (i < 4 ? ++drawn >> (8 * i) : seed)),
    reaches,
    send: (bytes, to) => sent.push({ atMs: nowMs, to, bytes, message: decodePeerMessage(bytes) }),
    onEvent: event => events.push(event),
  })
  const to = (endpoint: Endpoint) => sent.filter(out => endpointKey(out.to) === endpointKey(endpoint))
  const rig = {
    puncher,
    sent,
    events,
    now: () => nowMs,
    to,
    of: <K extends ClientEvent['event']>(kind: K) =>
      events.filter((event): event is Extract<ClientEvent, { event: K }> => event.event === kind),
    /** An entry of the peer, of a newer and proven one where nothing else is said. */
    learn: (fields: Partial<Line> = {}) =>
      puncher.learn(line({ name: peer, endpoint: bobAt, newer: true, proven: true, ...fields }), mapped, server, nowMs),
    receive: (message: PeerMessage | string, from: Endpoint) =>
      puncher.receive(typeof message === 'string' ? bytesOf(message) : encodePeerMessage(message), from, nowMs),
    check: (from: Endpoint, fields: Partial<PeerMessage & { type: 'check' }> = {}) =>
      rig.receive(
        { type: 'check', transaction: id(++drawn), tag: bobTag, pair: '', from: peer, to: me, ...fields },
        from,
      ),
    /** Answers the latest check that went there, as the holder of `tag`. */
    respond(from: Endpoint, tag = bobTag) {
      const check = to(from).findLast(({ message }) => message?.type === 'check')?.message
      if (check?.type !== 'check') throw new Error(`no check went to ${endpointKey(from)}`)
      rig.receive({ type: 'check-response', transaction: check.transaction, tag, observed: mapped }, from)
    },
    /** What the peer has to put on its messages to us. */
    tag(): Uint8Array {
      const tagged = sent.find(({ message }) => message?.type === 'check')?.message
      if (tagged?.type !== 'check') throw new Error('it has not said its tag yet')
      return tagged.tag
    },
    runTo(untilMs: number) {
      for (let spins = 0; puncher.deadline() <= untilMs;) {
        const next = Math.max(nowMs, puncher.deadline())
        spins = next > nowMs ? 0 : spins + 1
        if (spins > 20) throw new Error(`the clock stands still at ${nowMs}`)
        nowMs = next
        puncher.tick(nowMs)
      }
      nowMs = untilMs
    },
  }
  return rig
}

const bobTag = Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 1)
const otherTag = Uint8Array.of(2, 2, 2, 2, 2, 2, 2, 2)
const kinds = (outs: Out[]) => outs.map(({ message }) => message?.type ?? 'text')
const pairToken = 'p4ir'

/** Alice and bob have met. */
const connected = (options: Parameters<typeof createPuncher>[0] = {}) => {
  const rig = createPuncher(options)
  rig.learn({ pair: pairToken })
  rig.runTo(20)
  rig.respond(bobAt)
  rig.check(bobAt, { pair: pairToken })
  return rig
}

t.test('a proven peer is checked at once, and its answer makes the session', async t => {
  const rig = createPuncher()
  t.same([rig.puncher.state, rig.puncher.deadline()], ['waiting', Infinity])
  rig.learn()
  t.equal(rig.puncher.state, 'punching')
  t.same(kinds(rig.to(bobAt)), ['check'])
  t.match(rig.sent[0]?.message, { pair: '', from: 'alice', to: 'bob' })
  rig.runTo(20)
  rig.respond(bobAt)
  t.equal(rig.puncher.state, 'connected')
  t.match(rig.of('connected'), [{ endpoint: bobAt, form: 'binary', elapsedMs: 20 }])
  t.equal(rig.of('heard').length, 1)
  rig.puncher.send(bytesOf('hi'), rig.now())
  t.match(rig.sent.at(-1)?.message, { type: 'data', tag: bobTag, sequence: 0 })
  rig.puncher.send(bytesOf('hi'), rig.now())
  t.match(rig.sent.at(-1)?.message, { type: 'data', tag: bobTag, sequence: 1 })
  rig.receive({ type: 'data', tag: rig.tag(), sequence: 0, payload: bytesOf('hello') }, bobAt)
  rig.receive({ type: 'data', tag: rig.tag(), sequence: 0, payload: bytesOf('hello') }, bobAt)
  t.match(rig.of('message'), [{ from: 'bob', text: 'hello' }])
  t.equal(rig.of('message').length, 1, 'twice on the way, once to the reader')
})

t.test('before there is a session nothing can be sent, and nothing strange is taken for one', async t => {
  const rig = createPuncher()
  rig.puncher.send(bytesOf('hi'), 0)
  t.equal(rig.sent.length, 0, 'there is nobody')
  rig.learn()
  const { message } = rig.sent[0] ?? {}
  if (message?.type !== 'check') throw new Error('no check')
  const { transaction } = message
  rig.receive({ type: 'check-response', transaction, tag: bobTag, observed: aliceAt }, at('192.0.2.66'))
  rig.receive({ type: 'check-response', transaction: id(7), tag: bobTag, observed: aliceAt }, bobAt)
  rig.receive({ type: 'data', tag: otherTag, sequence: 0, payload: bytesOf('hi') }, bobAt)
  rig.receive({ type: 'keepalive', tag: otherTag }, bobAt)
  rig.receive({ type: 'close', tag: otherTag }, bobAt)
  t.equal(rig.puncher.state, 'punching')
  t.same([rig.of('message').length, rig.of('heard').length], [0, 0])
})

t.test('a strange check is never answered', async t => {
  const stranger = at('192.0.2.66')
  const checks: [story: string, from: Endpoint, fields: Partial<PeerMessage & { type: 'check' }>][] = [
    ['without a token from elsewhere', stranger, {}],
    ['with a wrong token', stranger, { pair: 'guess' }],
    ["from the peer's address, but another port", at(bobAt.address, 5001), {}],
    ['from somebody else', bobAt, { from: 'mallory' }],
    ['to somebody else', bobAt, { to: 'mallory' }],
  ]
  for (const [story, from, fields] of checks) {
    for (const prepare of [createPuncher, connected]) {
      const rig = prepare()
      if (prepare === createPuncher) rig.learn({ pair: pairToken })
      const before = rig.sent.length
      rig.check(from, fields)
      t.same(kinds(rig.sent.slice(before)), [], `${story}, ${rig.puncher.state}`)
      rig.learn({ pair: pairToken })
      rig.runTo(rig.now() + 4000)
      t.equal(rig.to(stranger).length, 0, `${story}, later`)
      t.notOk(kinds(rig.sent.slice(before)).includes('check-response'), `${story}, later`)
    }
  }
  const unknown = createPuncher()
  unknown.check(bobAt)
  t.same(unknown.sent, [], 'before the phonebook said anything')
  unknown.learn({ endpoint: at('192.0.2.3') })
  t.equal(unknown.to(bobAt).length, 0, 'and when it says something else')
  const empty = createPuncher()
  empty.learn()
  empty.check(stranger, { pair: '' })
  t.equal(empty.to(stranger).length, 0, 'no token is not a token')
})

t.test('a check that came before the phonebook is answered when that bears it out', async t => {
  const rig = createPuncher()
  rig.check(bobAt)
  rig.learn()
  t.same(kinds(rig.to(bobAt)).slice(0, 2).sort(), ['check', 'check-response'])
  const late = createPuncher()
  late.check(bobAt)
  late.runTo(3100)
  late.learn()
  t.same(kinds(late.to(bobAt)), ['check'], 'but not after three seconds')
})

t.test('a check with the token is answered where it comes from, and checked in return', async t => {
  const rig = createPuncher()
  const reflexive = at('192.0.2.2', 61_000)
  rig.learn({ pair: pairToken })
  rig.runTo(110) // the last one went at 80 ms: checks to one address are 20 ms apart
  rig.check(reflexive, { pair: pairToken })
  t.same(kinds(rig.to(reflexive)), ['check-response', 'check'])
  t.match(rig.to(reflexive)[0]?.message, { observed: reflexive })
  t.equal(rig.puncher.state, 'punching', 'a check proves nothing about our own way there')
  rig.respond(reflexive)
  t.same([rig.puncher.state, rig.puncher.session?.endpoint], ['connected', reflexive])
})

t.test('the first data of a peer that is surer than we are opens the session', async t => {
  const rig = createPuncher()
  rig.learn()
  rig.check(bobAt)
  rig.receive({ type: 'data', tag: rig.tag(), sequence: 0, payload: bytesOf('early') }, bobAt)
  t.equal(rig.puncher.state, 'connected')
  t.equal(rig.of('message').length, 1)
})

t.test('somebody else with our name for the peer takes over only if the peer is silent', async t => {
  for (const answers of [true, false]) {
    const rig = connected()
    const rival = at('192.0.2.77')
    rig.runTo(2000)
    rig.check(rival, { pair: pairToken, tag: otherTag })
    rig.respond(rival, otherTag)
    t.same(rig.puncher.session?.endpoint, bobAt, 'not at once')
    t.equal(rig.to(bobAt).at(-1)?.message?.type, 'check', 'the one we talk to is asked')
    rig.runTo(2100)
    if (answers) rig.respond(bobAt)
    rig.runTo(3000)
    const story = answers ? 'it answered' : 'it was silent'
    t.same(rig.puncher.session?.endpoint, answers ? bobAt : rival, story)
    t.same(rig.puncher.session?.tag, answers ? bobTag : otherTag, story)
    t.equal(rig.of('connected').length, answers ? 1 : 2, story)
  }
})

t.test('a peer whose mapping changes forty times is followed each time', async t => {
  const rig = connected({ me: 'alice' })
  for (let i = 1; i <= 40; i++) {
    const moved = at(bobAt.address, 61_000 + i)
    rig.runTo(rig.now() + 4000)
    rig.receive({ type: 'data', tag: rig.tag(), sequence: i, payload: bytesOf(`from ${i}`) }, moved)
    rig.respond(moved)
    rig.runTo(rig.now() + 1000)
    t.same(rig.puncher.session?.endpoint, moved, `move ${i}`)
    t.match(rig.of('message').at(-1), { text: `from ${i}` })
  }
})

t.test('a second path that works is answered, and not checked back for ever', async t => {
  const rig = connected({ me: 'alice' })
  const second = at('192.0.2.77', 61_000)
  rig.receive({ type: 'data', tag: rig.tag(), sequence: 1, payload: bytesOf('this way') }, second)
  rig.respond(second)
  const before = rig.to(second).length
  for (let i = 0; i < 50; i++) {
    rig.runTo(rig.now() + 200)
    rig.receive({ type: 'keepalive', tag: rig.tag() }, bobAt)
    rig.receive({ type: 'check', transaction: id(i), tag: bobTag, pair: '', from: 'bob', to: 'alice' }, second)
  }
  const after = kinds(rig.to(second).slice(before))
  t.equal(after.filter(kind => kind === 'check-response').length, 50)
  t.equal(after.filter(kind => kind === 'check').length, 0)
})

t.test('a peer whose mapping changed is followed once it answers there', async t => {
  for (const me of ['alice', 'zoe']) {
    const rig = connected({ me })
    const moved = at('192.0.2.2', 61_000)
    rig.runTo(2000)
    rig.receive({ type: 'data', tag: rig.tag(), sequence: 9, payload: bytesOf('new port') }, moved)
    rig.runTo(2100)
    t.same(rig.puncher.session?.endpoint, bobAt, 'data may be sent with a lie for a source')
    t.ok(rig.to(moved).length > 0)
    t.ok(kinds(rig.to(moved)).every(kind => kind === 'check'))
    rig.respond(moved)
    t.match(rig.of('message').at(-1), { text: 'new port' })
    rig.runTo(3000)
    t.same(rig.puncher.session?.endpoint, moved, me)
    t.match(
      rig.of('message').map(({ text }) => text),
      ['new port'],
      'what came with the change is not lost',
    )
    t.equal(rig.of('moved').length, 1)
    t.equal(rig.of('connected').length, 1, 'the session goes on')
  }
})

t.test('who was once sent our tag, but is not the peer of the session, is not heard', async t => {
  const rig = connected()
  const former = at('192.0.2.77')
  rig.runTo(2000)
  rig.check(former, { pair: pairToken, tag: otherTag })
  rig.respond(former, otherTag)
  rig.runTo(2100)
  rig.respond(bobAt)
  rig.runTo(4000)
  rig.receive({ type: 'data', tag: rig.tag(), sequence: 7, payload: bytesOf('let me in') }, former)
  rig.receive({ type: 'close', tag: rig.tag() }, former)
  rig.runTo(6000)
  t.same([rig.puncher.state, rig.puncher.session?.endpoint], ['connected', bobAt])
  t.same([rig.of('message').length, rig.of('lost').length], [0, 0])
})

t.test('a peer that was started anew at the same endpoint is a new session', async t => {
  const rig = connected()
  rig.runTo(2000)
  rig.check(bobAt, { tag: otherTag })
  rig.respond(bobAt, otherTag)
  t.same(rig.puncher.session?.tag, otherTag)
  rig.receive({ type: 'data', tag: rig.tag(), sequence: 0, payload: bytesOf('anew') }, bobAt)
  t.match(rig.of('message'), [{ text: 'anew' }])
})

t.test('a goodbye stops everything', async t => {
  const rig = connected()
  rig.runTo(1000)
  rig.receive({ type: 'close', tag: otherTag }, bobAt)
  t.equal(rig.puncher.state, 'connected', "a stranger's goodbye")
  rig.receive({ type: 'close', tag: rig.tag() }, bobAt)
  t.same([rig.puncher.state, rig.puncher.session, rig.puncher.deadline()], ['waiting', undefined, Infinity])
  t.match(rig.of('lost'), [{ reason: 'left' }])
  const before = rig.sent.length
  for (let ms = 2000; ms <= 30_000; ms += 1000) {
    rig.runTo(ms)
    rig.learn({ pair: pairToken })
  }
  t.equal(rig.sent.length, before, 'though the phonebook goes on showing the entry')
  rig.check(bobAt, { pair: pairToken })
  rig.receive({ type: 'data', tag: rig.tag(), sequence: 5, payload: bytesOf('late') }, bobAt)
  t.same([rig.sent.length, rig.puncher.state], [before, 'waiting'], 'what was still on its way')
  rig.learn({ endpoint: at('192.0.2.2', 5001) })
  t.equal(rig.to(at('192.0.2.2', 5001)).length, 1, 'somewhere else it is a new one')
})

t.test('a silent session is lost after 15 s, and looked for where it was', async t => {
  const rig = connected()
  rig.runTo(15_019)
  t.equal(rig.puncher.state, 'connected')
  rig.runTo(15_020)
  t.same([rig.puncher.state, rig.of('lost')[0]?.reason], ['punching', 'silent'])
  t.equal(rig.to(bobAt).at(-1)?.message?.type, 'check')
  rig.respond(bobAt)
  t.equal(rig.puncher.state, 'connected')
  t.equal(rig.of('heard').length, 2)
})

t.test('messages after an outage in one direction are not taken for duplicates', async t => {
  const alice = createPuncher({ me: 'alice', peer: 'bob', seed: 1, mapped: aliceAt })
  const bob = createPuncher({ me: 'bob', peer: 'alice', seed: 2, mapped: bobAt })
  const taken = { alice: 0, bob: 0 }
  let deaf = false
  const deliver = () => {
    for (let busy = true; busy;) {
      busy = false
      for (const out of alice.sent.slice(taken.alice)) {
        taken.alice++
        busy = true
        bob.puncher.receive(out.bytes, aliceAt, bob.now())
      }
      for (const out of bob.sent.slice(taken.bob)) {
        taken.bob++
        busy = true
        if (!deaf) alice.puncher.receive(out.bytes, bobAt, alice.now())
      }
    }
  }
  const runTo = (untilMs: number) => {
    for (let ms = alice.now(); ms <= untilMs; ms += 10) {
      alice.runTo(ms)
      bob.runTo(ms)
      deliver()
    }
  }
  alice.learn({ endpoint: bobAt })
  bob.learn({ endpoint: aliceAt })
  runTo(100)
  alice.puncher.send(bytesOf('before'), alice.now())
  runTo(1000)
  deaf = true
  runTo(17_000)
  t.equal(alice.of('lost').length, 1, 'alice hears nothing for 16 s')
  t.equal(bob.of('lost').length, 0, 'bob hears her all the time')
  deaf = false
  runTo(25_000)
  t.equal(alice.puncher.state, 'connected')
  alice.puncher.send(bytesOf('after'), alice.now())
  runTo(26_000)
  t.same(
    bob.of('message').map(({ text }) => text),
    ['before', 'after'],
  )
})

t.test('an older peer gets its text once a second for forty seconds, and nothing binary', async t => {
  const rig = createPuncher()
  rig.learn({ newer: false })
  rig.runTo(59_000)
  t.equal(rig.sent.length, 40)
  t.ok(rig.sent.every(({ atMs }, i) => atMs === i * 1000))
  t.ok(rig.sent.every(({ bytes }) => decodeUtf8(bytes) === directMessage('alice', 'bob')))
  rig.runTo(60_000)
  rig.learn({ newer: false })
  t.equal(rig.sent.length, 41, 'the phonebook still shows it after a minute')
})

t.test('an older peer is believed from its address, elsewhere not, and never on a word', async t => {
  const rig = createPuncher()
  rig.learn({ newer: false })
  rig.receive('hello', at('192.0.2.66'))
  rig.receive(directMessage('bob', 'alice'), at('192.0.2.66'))
  rig.receive('hello', at(bobAt.address, 5001))
  t.equal(rig.puncher.state, 'punching')
  t.equal(rig.of('stranger').length, 3)
  t.equal(rig.to(at('192.0.2.66')).length, 0)
  rig.receive(directMessage('bob', 'alice'), at(bobAt.address, 61_000))
  t.same([rig.puncher.state, rig.puncher.session?.endpoint], ['connected', at(bobAt.address, 61_000)])
  t.match(rig.of('connected'), [{ form: 'text' }])
  t.equal(rig.to(at(bobAt.address, 61_000)).length, 1, 'answered at the observed source')
  rig.receive('and now anything', at(bobAt.address, 61_000))
  t.equal(rig.of('message').length, 2)
  t.equal(kinds(rig.sent).includes('check'), false)
})

t.test("a stranger's text reaches no session", async t => {
  const rig = connected()
  const { state, session } = rig.puncher
  rig.receive('give me your money', at('192.0.2.66'))
  rig.receive(directMessage('bob', 'alice'), bobAt)
  t.same([rig.puncher.state, rig.puncher.session], [state, session])
  t.equal(rig.of('message').length, 0)
  t.match(rig.of('stranger'), [{ text: 'give me your money', length: 18 }, {}])
  rig.puncher.receive(Uint8Array.of(0xff, 0xff), bobAt, rig.now())
  rig.puncher.receive(new Uint8Array(0), bobAt, rig.now())
  t.equal(rig.puncher.session, session)
})

t.test('an entry that points where nothing may go is refused, told once, and the former one stays', async t => {
  const rig = createPuncher()
  rig.learn()
  for (let i = 0; i < 5; i++) rig.learn({ endpoint: at('10.0.0.1') })
  rig.learn({ endpoint: at('239.255.255.250', 1900) })
  rig.learn({ endpoint: at('2001:db8::1'), newer: false })
  t.equal(rig.of('refused').length, 3)
  t.same(rig.puncher.endpoints, [bobAt])
  t.ok(rig.sent.every(({ to }) => to.address === bobAt.address))
})

t.test('three checks to an entry that has proven nothing, more when it has', async t => {
  const rig = createPuncher()
  rig.learn({ proven: false })
  for (let ms = 1000; ms < 10_000; ms += 1000) {
    rig.runTo(ms)
    rig.learn({ proven: false })
  }
  t.equal(rig.to(bobAt).length, 3)
  rig.learn({ proven: true })
  rig.runTo(20_000)
  t.ok(rig.to(bobAt).length > 10)
})

t.test('own addresses of the peer are tried behind the same NAT only', async t => {
  const hosts = [at('10.0.0.2'), at('10.0.0.2', 80), at('127.0.0.1')]
  const near = createPuncher({ mapped: at(bobAt.address, 9999) })
  near.learn({ hosts })
  t.same(near.puncher.endpoints, [bobAt, at('10.0.0.2')])
  const far = createPuncher()
  far.learn({ hosts })
  t.same(far.puncher.endpoints, [bobAt])
})

t.test('a hostile phonebook aims us at nobody for long: budgets for every address, whatever it says', async () => {
  const entry = fc.record({
    afterMs: fc.oneof({ weight: 5, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.nat(40_000) }),
    host: fc.nat(11),
    port: fc.nat(3),
    hosts: fc.array(fc.nat(11), { maxLength: 4 }),
    pair: fc.boolean(),
  })
  const standings = fc.constantFrom<PeerStanding>('proven', 'unproven', 'older')
  fc.assert(
    fc.property(standings, fc.array(entry, { maxLength: 120, size: 'max' }), (standing, entries) => {
      const rig = createPuncher({ mapped: at('192.0.2.2', 9) })
      for (const { afterMs, host, port, hosts, pair } of entries) {
        rig.runTo(rig.now() + afterMs)
        rig.learn({
          endpoint: at(`192.0.2.${host}`, 5000 + port),
          newer: standing !== 'older',
          proven: standing === 'proven',
          hosts: hosts.map(n => at(n % 2 ? `2001:db8::${n}` : `198.51.100.${n}`)),
          ...(pair && { pair: pairToken }),
        })
      }
      rig.runTo(rig.now() + 60_000)
      const { checks, spacingMs } = limits[standing]
      const addresses = new Set(rig.sent.map(({ to }) => to.address))
      for (const address of addresses) {
        const there = rig.sent.filter(({ to }) => to.address === address)
        const start = there[0]?.atMs ?? 0
        there.forEach(({ atMs }, i) => {
          const gap = atMs - (there[i - 1]?.atMs ?? -Infinity)
          if (gap < spacingMs) throw new Error(`${gap} ms between two to ${address}`)
          const budgets = 1 + Math.floor((atMs - start) / 60_000)
          if (i + 1 > checks * budgets) throw new Error(`${i + 1} to ${address} in ${atMs - start} ms`)
          if (standing === 'older') return
          const bytes = there.slice(0, i + 1).reduce((sum, out) => sum + out.bytes.length + headerBytes(address), 0)
          if (bytes > 2048 * budgets) throw new Error(`${bytes} bytes to ${address} in ${atMs - start} ms`)
        })
      }
    }),
    { numRuns: 150, interruptAfterTimeLimit: 8000 }, // shrinking included
  )
})

t.test('a peer that lies about its sources aims us at five addresses at once, not more', async t => {
  for (const lie of ['check', 'keepalive'] as const) {
    const rig = connected()
    rig.runTo(2000)
    for (let n = 1; n <= 200; n++) {
      const victim = at(`198.51.100.${n}`)
      if (lie === 'check') rig.check(victim, { pair: pairToken })
      else rig.receive({ type: 'keepalive', tag: rig.tag() }, victim)
    }
    rig.runTo(3000)
    const checks = rig.sent.filter(({ message }) => message?.type === 'check')
    const checked = new Set(checks.map(({ to }) => to.address).filter(address => address !== bobAt.address))
    t.ok(checked.size <= 5, `${lie}: checks to ${checked.size} addresses`)
  }
})
