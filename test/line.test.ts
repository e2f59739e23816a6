// The private line between two production clients in a world: when it stands, what is seen of it from outside, what loss, restarts,
// moves and enemies do to it, and whom it is refused to.
import t from 'tap'
import { PrivateLine } from '../src/client/private-line.ts'
import { decodePeerMessage, directMessage, encodePeerMessage, longestPayload } from '../src/dialects/phonebook/peer.ts'
import type { Endpoint } from '../src/endpoint.ts'
import { type Identity, fingerprintOf, identityOf } from '../src/identity.ts'
import { createForger, overhear, serverEndpoint, words } from '../src/lab/forger.ts'
import { behindForgetfulNat } from '../src/lab/rebinding.ts'
import { type Stage, type StageClient, createStage } from '../src/lab/stage.ts'
import type { SimHost } from '../src/sim/host.ts'
import type { LinkOptions } from '../src/sim/link.ts'

const who = (n: number) => identityOf(new Uint8Array(64).fill(n))
const [one, two, three] = [who(1), who(2), who(3)]
/** Whose static key is the smaller one begins. */
const [smaller, larger] =
  Buffer.compare(one.line.publicKey, two.line.publicKey) < 0 ? ([one, two] as const) : ([two, one] as const)

const stageWith = (link: Partial<LinkOptions> = {}, seed = 1): Stage => {
  const stage = createStage({ seed, trace: false, link: { latencyMs: 20, ...link } })
  stage.startServer()
  return stage
}

const stranger: Endpoint = { address: '192.0.2.66', port: 6 }
const textsOf = (client: StageClient): string[] => client.of('message').map(({ text }) => text)
const placeOf = (host: SimHost): Endpoint => ({ address: host.addresses()[0] ?? '', port: 49_152 })

const meet = (stage: Stage, mine = one, theirs = two): [StageClient, StageClient] => {
  const alice = stage.startClient('alice', 'bob', { identity: mine })
  const bob = stage.startClient('bob', 'alice', { identity: theirs })
  stage.world.runUntil(
    () => [alice, bob].every(({ client }) => client.state === 'connected'),
    stage.world.now() + 10_000,
  )
  return [alice, bob]
}

t.test('it costs one round trip after the peer was heard, and nothing before that', async t => {
  const roundTripMs = 80
  for (const [mine, theirs] of [
    [smaller, larger],
    [larger, smaller],
  ] as const) {
    const heard = (keys: boolean): number[] => {
      const stage = stageWith()
      const alice = stage.startClient('alice', 'bob', keys ? { identity: mine } : {})
      stage.world.run(1000)
      const bob = stage.startClient('bob', 'alice', keys ? { identity: theirs } : {})
      stage.world.run(3000)
      for (const client of [alice, bob]) {
        const { atMs, private: isPrivate } = client.first('connected')
        t.equal(isPrivate, keys)
        if (keys) t.ok(atMs - client.first('heard').atMs <= roundTripMs, `${atMs - client.first('heard').atMs} ms`)
      }
      return [alice, bob].map(client => client.first('heard').atMs)
    }
    t.same(heard(true), heard(false))
  }
})

t.test('all that is said is sealed, comes once, and shows nothing of what it says', async t => {
  const stage = stageWith()
  const seen: Uint8Array[] = []
  for (const name of ['alice', 'bob']) overhear(stage.hostOf(name), bytes => void seen.push(bytes))
  const [alice, bob] = meet(stage)
  t.match(alice.first('connected'), { private: true, key: two.key, form: 'binary' })
  t.match(bob.first('connected'), { private: true, key: one.key })
  alice.client.send('the quick brown fox')
  bob.client.send(new Uint8Array(longestPayload).fill(7))
  t.equal(alice.client.send(new Uint8Array(longestPayload + 1)), 'too-long')
  stage.world.run(stage.world.now() + 30_000)
  alice.client.close()
  stage.world.run(stage.world.now() + 1000)
  t.same(textsOf(bob), ['the quick brown fox'])
  t.equal(alice.first('message').bytes.length, longestPayload)
  t.match(bob.first('lost'), { reason: 'left' })
  const kinds = new Set(seen.map(bytes => decodePeerMessage(bytes)?.type))
  for (const kind of ['data', 'keepalive', 'close'] as const) t.notOk(kinds.has(kind), `no ${kind} in plain`)
  for (const bytes of seen) t.notMatch(Buffer.from(bytes).toString('latin1'), 'quick brown')
})

t.test('loss, doubling, overtaking, and both starting at once', async t => {
  const seeds = 60
  let slowestMs = 0
  for (let seed = 1; seed <= seeds; seed++) {
    const link = { latencyMs: 10, jitterMs: 30, loss: 1 - Math.sqrt(0.8), duplicate: 0.1, reorder: 0.2 }
    const stage = stageWith(link, seed)
    const [alice, bob] = meet(stage)
    slowestMs = Math.max(slowestMs, stage.world.now())
    for (const client of [alice, bob]) {
      if (client.of('connected')[0]?.private !== true) t.fail(`seed ${seed}: not private`)
    }
    for (let i = 0; i < 20; i++) {
      alice.client.send(`a${i}`)
      bob.client.send(`b${i}`)
    }
    stage.world.run(stage.world.now() + 1000)
    for (const client of [alice, bob]) {
      const texts = textsOf(client)
      if (texts.length < 5 || new Set(texts).size !== texts.length) t.fail(`seed ${seed}: ${texts.join()}`)
    }
    for (const client of [alice, bob]) if (client.of('lost').length > 0) t.fail(`seed ${seed}: lost`)
  }
  t.ok(slowestMs < 10_000, `${slowestMs} ms`)
})

t.test('towards a peer without a key it is plain, and says so; where that is not wanted, nothing is said', async t => {
  const rows: [string, object, object, string][] = [
    ['both have a key', { identity: one }, { identity: two }, 'private'],
    ['one has none', { identity: one }, {}, 'plain'],
    ['the other has none', {}, { identity: two }, 'plain'],
    ['it is asked for, and there is one', { identity: one, requireEncryption: true }, { identity: two }, 'private'],
    ['it is asked for, and there is none', { identity: one, requireEncryption: true }, {}, 'missing'],
    ['known by this key', { identity: one, knownKey: two.key }, { identity: two }, 'private'],
    ['known by another key', { identity: one, knownKey: three.key }, { identity: two }, 'changed'],
    ['known by a key that is gone', { identity: one, knownKey: two.key }, {}, 'vanished'],
    ['both know the secret', { identity: one, stageSecret: 's' }, { identity: two, stageSecret: 's' }, 'private'],
    [
      'a stranger on the secret stage',
      { identity: one, stageSecret: 's' },
      { stage: 'aoq6kcscorxkmqm4tcwrpgnn5w' },
      'nobody',
    ],
  ]
  for (const [story, mine, theirs, expected] of rows) {
    const stage = stageWith()
    const alice = stage.startClient('alice', 'bob', mine)
    stage.world.run(100)
    const bob = stage.startClient('bob', 'alice', theirs)
    stage.world.run(4000)
    alice.client.send('hello')
    stage.world.run(5000)
    const said = textsOf(bob)
    const [connected] = alice.of('connected')
    const [refused] = alice.of('key-refused')
    t.equal(connected ? (connected.private ? 'private' : 'plain') : (refused?.why ?? 'nobody'), expected, story)
    t.same(said, connected ? ['hello'] : [], story)
    t.ok(alice.of('key-refused').length <= 1, 'said once')
    if (refused) {
      stage.world.run(40_000)
      t.same(alice.of('waiting'), [], 'nor said to be missing in the phonebook')
    }
    if (expected === 'changed') {
      t.match(refused, { was: fingerprintOf(three.key), now: fingerprintOf(two.key) }, 'both fingerprints')
      t.same(alice.of('check-sent'), [], 'and nothing was sent there')
    }
  }
  t.throws(() => stageWith().startClient('alice', 'bob', { requireEncryption: true }), { code: 'usage' })
})

t.test('a phonebook that shows the right key on the line of an older program gets no plain text', async t => {
  for (const [options, why] of [
    [{ requireEncryption: true }, 'missing'],
    [{ knownKey: two.key }, 'vanished'],
  ] as const) {
    const stage = stageWith()
    const alice = stage.startClient('alice', 'bob', { identity: one, ...options })
    const forge = createForger(stage)
    const there = { address: '192.0.2.66', port: 9999 }
    stage.world.run(1000)
    forge(words(`1,2,bob,${there.address},${there.port},key=${two.key}\n`), serverEndpoint, placeOf(alice.host))
    stage.world.run(1500)
    forge(words(directMessage('bob', 'alice')), there, placeOf(alice.host))
    stage.world.run(3000)
    t.same(alice.of('connected'), [])
    t.equal(alice.first('key-refused').why, why)
  }
})

t.test('a client gives up for the key that the phonebook shows then, not for one that it showed once', async t => {
  const rows = [
    [[three, two], 'peer-unreached'],
    [[two, three], 'identity-refused'],
  ] as const
  for (const [shown, reason] of rows) {
    const stage = stageWith()
    const alice = stage.startClient('alice', 'bob', { identity: one, knownKey: two.key, timeoutMs: 8000 })
    const forge = createForger(stage)
    for (const [i, { key }] of shown.entries()) {
      stage.world.run(1000 * (i + 1))
      forge(words(`1,2,bob,192.0.2.${i + 1},9,v=2,ok=1,key=${key}\n`), serverEndpoint, placeOf(alice.host))
    }
    stage.world.run(10_000)
    t.equal(alice.of('key-refused').length, 1)
    t.equal(alice.first('failed').reason, reason)
  }
})

t.test('who takes the name of a peer without a key, and has one, does not get into its talk', async t => {
  for (const [mine, theirs] of [
    [smaller, larger],
    [larger, smaller],
  ] as const) {
    const stage = stageWith()
    const alice = stage.startClient('alice', 'bob', { identity: mine })
    const bob = stage.startClient('bob', 'alice')
    stage.world.run(3000)
    const other = stage.startClient('bob', 'alice', { identity: theirs, on: stage.hostOf('other') })
    const texts = Array.from({ length: 60 }, (_, i) => `${i}`)
    for (const text of texts) {
      alice.client.send(text)
      bob.client.send(text)
      stage.world.run(stage.world.now() + 500)
    }
    t.same([textsOf(alice), textsOf(bob), textsOf(other)], [texts, texts, []])
    bob.host.online = false
    stage.world.run(stage.world.now() + 20_000)
    t.match(alice.of('connected').at(-1), { private: true, key: theirs.key }, 'but after it')
  }
})

t.test('a phonebook that shows another key in mid-talk changes nothing', async t => {
  const stage = stageWith()
  const [alice, bob] = meet(stage)
  const forge = createForger(stage)
  for (const line of [`1,2,bob,192.0.2.66,9,v=2,ok=1,key=${three.key}\n`, '1,2,bob,192.0.2.66,9\n'])
    forge(words(line), serverEndpoint, placeOf(alice.host))
  stage.world.run(stage.world.now() + 1000)
  t.same(
    alice.of('key-refused').map(({ why }) => why),
    ['changed', 'vanished'],
  )
  bob.client.send('still here')
  alice.client.send('me too')
  stage.world.run(stage.world.now() + 1000)
  t.same([...textsOf(alice), ...textsOf(bob)], ['still here', 'me too'])
})

t.test('who has the name and the key of the peer, but not its secret half, gets nothing', async t => {
  const stage = stageWith()
  const alice = stage.startClient('alice', 'bob', { identity: one })
  const impostor = { ...three, key: two.key }
  const bob = stage.startClient('bob', 'alice', { identity: impostor })
  stage.world.run(20_000)
  t.same(alice.of('connected'), [])
  t.same(bob.of('connected'), [])
  t.equal(alice.of('line-stuck').length, 1)
  t.equal(alice.client.send('hello'), 'not-connected')
})

t.test('who answered a check and is gone before the line stands is not called for ever', async t => {
  const stage = stageWith()
  const hellosAtMs: number[] = []
  overhear(stage.hostOf('alice'), bytes => {
    if (decodePeerMessage(bytes)?.type === 'hello') hellosAtMs.push(stage.world.now())
  })
  stage.startClient('alice', 'bob', { identity: smaller })
  const bob = stage.startClient('bob', 'alice', { identity: { ...three, key: larger.key } })
  stage.world.run(10_000)
  bob.host.online = false
  stage.world.run(3_600_000)
  const lastMs = hellosAtMs.at(-1) ?? Infinity
  t.ok(lastMs > 20_000 && lastMs <= 40_000, `the last one after ${lastMs} ms`)
})

t.test('either is started anew: a new line, in seconds, as the same peer', async t => {
  for (const [mine, theirs] of [
    [smaller, larger],
    [larger, smaller],
  ] as const) {
    const stage = stageWith()
    const alice = stage.startClient('alice', 'bob', { identity: mine })
    const bob = stage.startClient('bob', 'alice', { identity: theirs })
    stage.world.run(3000)
    bob.host.online = false
    stage.world.run(3100)
    const again = stage.startClient('bob', 'alice', {
      identity: theirs,
      on: stage.world.host({ address: '198.51.100.77', name: 'bob again' }),
    })
    stage.world.run(6000)
    again.client.send('I am back')
    alice.client.send('welcome')
    stage.world.run(7000)
    t.same(textsOf(alice), ['I am back'])
    t.same(textsOf(again), ['welcome'])
    t.match(alice.of('connected').at(-1), { private: true, key: theirs.key })
    t.same(bob.of('message'), [])
  }
})

t.test('one leaves, and comes back', async t => {
  const stage = stageWith()
  const [alice, bob] = meet(stage)
  bob.client.close()
  stage.world.run(stage.world.now() + 2000)
  t.match(alice.first('lost'), { reason: 'left' })
  const again = stage.startClient('bob', 'alice', { identity: two, on: bob.host })
  stage.world.run(stage.world.now() + 5000)
  again.client.send('back')
  stage.world.run(stage.world.now() + 1000)
  t.same(textsOf(alice), ['back'])
})

t.test('both lose each other for a while, and go on with the keys that they have', async t => {
  const stage = stageWith()
  const [alice, bob] = meet(stage)
  bob.host.online = false
  stage.world.run(stage.world.now() + 40_000)
  t.ok(alice.of('lost').length > 0)
  bob.host.online = true
  stage.world.run(stage.world.now() + 15_000)
  alice.client.send('hello again')
  bob.client.send('hello too')
  stage.world.run(stage.world.now() + 1000)
  t.same([...textsOf(bob), ...textsOf(alice)], ['hello again', 'hello too'])
})

/** The longest silence at either end, of two who talk ten times a second, while something happens at 5 s. */
const longestSilence = (seed: number, moves: readonly ('alice' | 'bob')[]): number => {
  const stage = stageWith({}, seed)
  const nats = new Map(['alice', 'bob'].map(name => [name, behindForgetfulNat(stage.hostOf(name))]))
  const start = (name: string, peer: string, identity: typeof one): StageClient =>
    stage.startClient(name, peer, { identity, on: (nats.get(name)?.host ?? stage.hostOf(name)) as never })
  const both = [start('alice', 'bob', one), start('bob', 'alice', two)]
  for (let i = 0; i < 150; i++) {
    stage.world.after(2000 + i * 100, () => both.forEach(({ client }) => client.send(`${i}`)))
  }
  stage.world.after(5000 + seed * 7, () => moves.forEach(name => nats.get(name)?.rebind()))
  stage.world.run(20_000)
  const gaps = both.flatMap(client => {
    const times = client.of('message').map(({ atMs }) => atMs)
    return [...times.slice(1).map((atMs, i) => atMs - (times[i] ?? 0)), 16_000 - (times.at(-1) ?? 0)]
  })
  return Math.max(...gaps)
}

t.test('a NAT that forgets, on either side and on both: at most a second of silence', async t => {
  for (const moves of [['alice'], ['bob'], ['alice', 'bob']] as const) {
    const worst = Math.max(...Array.from({ length: 20 }, (_, seed) => longestSilence(seed, moves)))
    t.ok(worst <= 1000, `${moves.join(' and ')}: ${worst.toFixed(0)} ms`)
    t.comment(`${moves.join(' and ')}: ${worst.toFixed(0)} ms`)
  }
})

t.test('a stranger who answers each hello first keeps nobody apart', async t => {
  const stage = stageWith()
  const forge = createForger(stage)
  const hellos = new Set<string>()
  overhear(stage.hostOf('alice'), bytes => {
    const message = decodePeerMessage(bytes)
    if (message?.type !== 'hello') return
    hellos.add(Buffer.from(bytes).toString('hex'))
    const welcome = { type: 'welcome', tag: message.from, noise: new Uint8Array(48).fill(9) } as const
    forge(encodePeerMessage(welcome), stranger, placeOf(stage.hostOf('alice')))
  })
  const both = meet(stage, smaller, larger)
  for (const client of both) t.match(client.of('connected'), [{ private: true }])
  t.equal(hellos.size, 1, 'the same bytes each time')
})

t.test('a stranger who sends checks in the name of the peer, each with another tag, keeps nobody apart', async t => {
  const stage = stageWith({ latencyMs: 40 })
  const forge = createForger(stage)
  const [alice, bob] = ['alice', 'bob'].map(name => placeOf(stage.hostOf(name))) as [Endpoint, Endpoint]
  const random = stage.hostOf('stranger')
  const check = (): void => {
    const [transaction, tag] = [random.randomBytes(12), random.randomBytes(8)]
    forge(encodePeerMessage({ type: 'check', transaction, tag, pair: '', from: 'bob', to: 'alice' }), bob, alice)
    stage.world.after(50, check)
  }
  check()
  for (const client of meet(stage, smaller, larger)) t.match(client.of('connected'), [{ private: true }])
})

t.test('an old hello said again is nobody, and keeps nobody out', async t => {
  for (const [story, leaves, again] of [
    ['after a goodbye', true, false],
    ['after a goodbye, while it comes back', true, true],
    ['after a silent end, while it comes back', false, true],
  ] as const) {
    const stage = stageWith()
    const forge = createForger(stage)
    const hellos: Uint8Array[] = []
    const sayAgain = (): void => forge(hellos[0] ?? words(''), stranger, placeOf(stage.hostOf('alice')))
    const alice = stage.startClient('alice', 'bob', { identity: larger })
    let runs = 0
    const run = (): StageClient => {
      const on = stage.hostOf(`bob ${++runs}`)
      overhear(on, bytes => {
        if (decodePeerMessage(bytes)?.type !== 'hello') return
        hellos.push(bytes.slice())
        // Behind the new one, and before what is sealed.
        if (again && runs === 3) stage.world.after(10, sayAgain)
      })
      const bob = stage.startClient('bob', 'alice', { identity: smaller, on })
      stage.world.run(stage.world.now() + 3000)
      return bob
    }
    for (const bob of [run(), run()]) {
      if (leaves) bob.client.close()
      else bob.host.online = false
      stage.world.run(stage.world.now() + 20_000)
    }
    t.equal(alice.of('connected').length, 2, story)
    sayAgain()
    stage.world.run(stage.world.now() + 1000)
    t.equal(alice.of('connected').length, 2, story)
    const bob = run()
    bob.client.send('back')
    alice.client.send('hello')
    stage.world.run(stage.world.now() + 1000)
    t.same([textsOf(alice), textsOf(bob)], [['back'], ['hello']], story)
  }
})

t.test('hellos and welcomes of strangers, and of yesterday, change nothing', async t => {
  const stage = stageWith()
  const said: Uint8Array[] = []
  for (const name of ['alice', 'bob']) overhear(stage.hostOf(name), bytes => void said.push(bytes.slice()))
  const [alice, bob] = meet(stage)
  const forge = createForger(stage)
  const to = ({ host }: StageClient): Endpoint => placeOf(host)
  const before = [alice.of('connected').length, bob.of('connected').length]
  for (const bytes of said) {
    const message = decodePeerMessage(bytes)
    if (!message || message.type === 'check' || message.type === 'check-response') continue
    for (const [victim, other] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      forge(bytes, to(other), to(victim))
      forge(bytes, stranger, to(victim))
      if (message.type !== 'hello') continue
      const noise = message.noise.map((byte, i) => (i === 40 ? byte ^ 1 : byte))
      forge(encodePeerMessage({ ...message, noise }), to(other), to(victim))
      forge(encodePeerMessage({ ...message, from: new Uint8Array(8).fill(9) }), to(other), to(victim))
    }
  }
  stage.world.run(stage.world.now() + 1000)
  t.same([alice.of('connected').length, bob.of('connected').length], before)
  t.same([...textsOf(alice), ...textsOf(bob)], [])
  alice.client.send('fine')
  stage.world.run(stage.world.now() + 1000)
  t.same(textsOf(bob), ['fine'])
})

t.test(
  'a flood of hellos costs no more than two hundred answers a second, and the peer gets through after it',
  async t => {
    let computed = 0
    const sent: Uint8Array[] = []
    const lineOf = (
      identity: Identity,
      me: string,
      peer: string,
      tag: Uint8Array,
      send: (bytes: Uint8Array) => void,
    ) => {
      const line = new PrivateLine({
        identity,
        me,
        peer,
        stage: '',
        tag,
        randomBytes(count) {
          computed++
          return new Uint8Array(count).fill(computed)
        },
        send,
        mayGreet: () => true,
        onStuck() {},
      })
      line.peerKey = identity === smaller ? larger.key : smaller.key
      return line
    }
    const [aliceTag, bobTag] = [new Uint8Array(8).fill(1), new Uint8Array(8).fill(2)]
    const alice = lineOf(smaller, 'alice', 'bob', aliceTag, bytes => sent.push(bytes))
    const bob = lineOf(larger, 'bob', 'alice', bobTag, () => {})
    for (let i = 0; i < 1000; i++) {
      const noise = new Uint8Array(48).fill(i % 251)
      bob.receive({ type: 'hello', tag: bobTag, from: aliceTag, noise: noise.fill(i >> 8, 32) }, stranger, i / 2)
    }
    t.equal(computed, 200)
    alice.knock(stranger, bobTag, true, 1000)
    const hello = decodePeerMessage(sent[0] ?? new Uint8Array())
    if (hello?.type !== 'hello') throw new Error('no hello')
    t.ok(bob.receive(hello, stranger, 1000))
    t.ok(bob.isUp(aliceTag))
  },
)

t.test('where the first hellos are lost, others follow, proven or not', async t => {
  // With these seeds the welcome to the only hello was lost, and who had sent it knew of no proof to try once more.
  for (const seed of [263, 295, 421]) {
    const link = { latencyMs: 15, jitterMs: 20, loss: 1 - Math.sqrt(0.8), duplicate: 0.1, reorder: 0.2 }
    const stage = stageWith(link, seed)
    const both = [
      stage.startClient('alice', 'bob', { identity: one }),
      stage.startClient('bob', 'alice', { identity: two }),
    ]
    stage.world.run(10_000)
    for (const client of both) {
      const tookMs = client.first('connected').atMs - client.first('heard').atMs
      t.ok(tookMs < 2000, `seed ${seed}: ${tookMs} ms`)
    }
  }
})
