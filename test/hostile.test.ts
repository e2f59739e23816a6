// Whatever arrives, from whomever: server and client live on and stay correct.
import t from 'tap'
import { samples } from '../src/dialects/phonebook/samples.ts'
import { seededRandom } from '../src/sim/random.ts'
import type { Attachment, Box } from '../src/sim/segment.ts'
import { mutated } from '../src/lab/mutate.ts'
import { type Stage, createStage, port, serverAddress } from '../src/lab/stage.ts'

const text = (words: string): Uint8Array => new TextEncoder().encode(words)
const server = { address: serverAddress, port }
const nobody: Box = { name: 'forger', receive() {} }

/** Somebody who can claim any source. */
const forger = (stage: Stage): Attachment => stage.world.internet.attach(nobody, ['198.51.100.250'])

let datagrams = 1_000_000
const forge = (at: Attachment, bytes: Uint8Array, from: { address: string; port: number }, to = server): void =>
  at.send({ id: datagrams++, from, to, bytes, ttl: 64 })

/** Two fresh clients meet through the server within a second. */
const stillMeets = (stage: Stage): boolean => {
  const alice = stage.startClient('honest-alice', 'honest-bob')
  const bob = stage.startClient('honest-bob', 'honest-alice')
  const both = () => alice.client.state === 'connected' && bob.client.state === 'connected'
  return stage.world.runUntil(both, stage.world.now() + 1000)
}

t.test('100,000 mutated datagrams: the server answers on, in bounds', async t => {
  const stage = createStage({ seed: 1, trace: false, link: { latencyMs: 5 } })
  const { server: running } = stage.startServer()
  const at = forger(stage)
  const random = seededRandom(1, 'mutations')
  for (let i = 0; i < 100_000; i++) {
    const from = { address: `192.0.2.${Math.floor(random.next() * 256)}`, port: Math.floor(random.next() * 65_536) }
    forge(at, mutated(samples, random), from)
    if (i % 1000 === 0) stage.world.run(stage.world.now() + 100)
  }
  stage.world.run(stage.world.now() + 100)
  const { dispositions, datagramsIn } = running.counters()
  t.equal(datagramsIn, 100_000)
  t.equal(
    Object.values(dispositions).reduce((a, b) => a + b),
    datagramsIn,
    'each is counted once',
  )
  for (const one of ['answered', 'empty', 'not-utf8', 'bad-name', 'too-long'] as const)
    t.ok(dispositions[one] > 100, one)
  t.ok(running.phonebook.size <= running.phonebook.capacity)
  t.ok(stillMeets(stage))
})

t.test(
  '100,000 mutated datagrams from the server, the peer and strangers: the client lives and finds its peer',
  async t => {
    const stage = createStage({ seed: 2, trace: false, link: { latencyMs: 5 } })
    const alice = stage.startClient('alice', 'bob')
    stage.world.run(100)
    const at = forger(stage)
    const random = seededRandom(2, 'mutations')
    const aliceAt = { address: alice.host.addresses()[0] ?? '', port: 49_152 }
    for (let i = 0; i < 100_000; i++) {
      const from = [server, { address: '198.51.100.2', port: 5000 }, { address: '192.0.2.1', port: 1 + (i % 65_535) }][
        i % 3
      ]
      forge(at, mutated(samples, random), from ?? server, aliceAt)
      if (i % 100 === 0) stage.world.run(stage.world.now() + 20)
    }
    stage.world.run(stage.world.now() + 60_000)
    stage.startServer()
    const bob = stage.startClient('bob', 'alice')
    const startedMs = stage.world.now()
    const both = () => alice.client.endpoint?.address === bob.host.addresses()[0] && bob.client.state === 'connected'
    t.ok(stage.world.runUntil(both, startedMs + 10_000), `met ${stage.world.now() - startedMs} ms later`)
  },
)

t.test('the datagrams that killed the older programs', async t => {
  const stage = createStage({ seed: 3, trace: false, link: { latencyMs: 5 } })
  const { server: running } = stage.startServer()
  const at = forger(stage)
  const from = { address: '192.0.2.1', port: 5000 }
  const rows: [string, Uint8Array, string][] = [
    ['nothing at all', new Uint8Array(), 'empty'],
    ['blanks', text('  \r\n '), 'empty'],
    ['60 KB', new Uint8Array(60_000).fill(65), 'too-long'],
    ['not UTF-8', Uint8Array.of(0x61, 0xff, 0xfe), 'not-utf8'],
    ['half a character', Uint8Array.of(0xe2, 0x82), 'not-utf8'],
    ['a comma', text('alice,1,2'), 'bad-name'],
    ['an escape sequence', text('\u001b[2Jalice'), 'bad-name'],
    ['a line separator', text('a\u2028b'), 'bad-name'],
    ['an override of the reading direction', text('a\u202eb'), 'bad-name'],
    ['a NUL', text('a\0b'), 'bad-name'],
    ['65 bytes', text('a'.repeat(65)), 'bad-name'],
    ['its own answer', text('0,1,alice,192.0.2.1,5000\n'), 'bad-name'],
    ['a STUN response', Uint8Array.of(1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...new Uint8Array(12)), 'not-a-request'],
    ['STUN with a cut attribute', Uint8Array.of(0, 1, 0, 4, ...new Uint8Array(16), 0, 32, 0, 8), 'malformed'],
    ['STUN of another length', Uint8Array.of(0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, ...new Uint8Array(12)), 'not-utf8'],
    ['another dialect', text('LIST_ACK:1'), 'reserved-name'],
    ['an answer of another dialect', text('ERROR:not registered'), 'reserved-name'],
    ['a binary check', Uint8Array.of(0xfe, 1, ...new Uint8Array(30)), 'not-utf8'],
  ]
  for (const [story, bytes, disposition] of rows) {
    const before = running.counters()
    forge(at, bytes, from)
    stage.world.run(stage.world.now() + 20)
    const after = running.counters()
    const key = disposition as keyof typeof after.dispositions
    t.equal(after.dispositions[key] - before.dispositions[key], 1, `${story}: ${disposition}`)
    t.equal(after.datagramsOut, before.datagramsOut, `${story}: silence`)
  }
  forge(at, text('alice'), { address: '192.0.2.1', port: 0 })
  forge(at, text('alice'), server)
  stage.world.run(stage.world.now() + 20)
  t.equal(running.counters().dispositions['bad-source'], 1)
  t.equal(running.counters().dispositions['own-echo'], 1)
  t.ok(stillMeets(stage))
})

t.test('nothing that a server says is input to a server', async t => {
  const stage = createStage({ seed: 4, trace: false, link: { latencyMs: 5 } })
  const { server: running, events } = stage.startServer()
  for (let i = 0; i < 40; i++) stage.startClient(`client${i}`, `client${i ^ 1}`)
  stage.world.run(5000)
  const said = events.flatMap(event =>
    event.event === 'registered' ? event.sent : event.event === 'pushed' ? [event.sent] : [],
  )
  t.ok(said.length > 100)
  const before = running.counters()
  const at = forger(stage)
  for (const bytes of said) forge(at, bytes, { address: '192.0.2.1', port: 5000 })
  stage.world.run(5050)
  const refused = running.counters().dispositions['bad-name'] - before.dispositions['bad-name']
  t.equal(refused, said.length, 'each of its own words was refused')
  t.equal(running.phonebook.find('0'), undefined)
  t.equal(running.phonebook.size, 40)
})
