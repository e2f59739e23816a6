// Names with owners, at the production server in a world: who gets what said, and who is where in the end.
import t from 'tap'
import fc from 'fast-check'
import { claimBytes, claimHolds } from '../src/claim.ts'
import {
  type Line,
  decodeLines,
  decodeRegistration,
  encodeRegistration,
  longestRegistration,
} from '../src/dialects/phonebook/codec.ts'
import { binding, encode, newTransactionId } from '../src/dialects/stun/message.ts'
import type { Endpoint } from '../src/endpoint.ts'
import { identityOf } from '../src/identity.ts'
import { overhear, serverEndpoint, words } from '../src/lab/forger.ts'
import { createStage } from '../src/lab/stage.ts'
import { privateStage } from '../src/stage-secret.ts'
import { toBase64url } from '../src/rfc4648.ts'
import { Admission } from '../src/server/admission.ts'
import type { ServerOptions } from '../src/server/server.ts'

const who = (n: number) => identityOf(new Uint8Array(64).fill(n))
const [mine, theirs] = [who(1), who(2)]

/** A server, and people who speak to it datagram by datagram. */
const setUp = (options: Partial<ServerOptions> = {}, addresses = [serverEndpoint.address]) => {
  const stage = createStage({ seed: 1, link: { latencyMs: 5 } })
  const { server, events } = stage.startServer(options, stage.world.host({ name: 'server', addresses }))
  const person = (address: string) => {
    let heard: Uint8Array[] = []
    const socket = stage.world.host({ address, name: address }).udp({ port: 5000 })
    socket.onDatagram(bytes => heard.push(bytes))
    const askOften = (times: number, request: (i: number) => string): Line[] => {
      heard = []
      for (let i = 0; i < times; i++) socket.send(words(request(i)), serverEndpoint)
      stage.world.run(stage.world.now() + 100)
      return heard.flatMap(decodeLines)
    }
    const ask = (request: string): Line[] => askOften(1, () => request)
    const say = (bytes: Uint8Array): Uint8Array[] => {
      heard = []
      socket.send(bytes, serverEndpoint)
      stage.world.run(stage.world.now() + 100)
      return heard
    }
    const claim = (name: string, { stageName = '', to = serverEndpoint, by = mine, also = '' } = {}): Line[] => {
      const stageToken = stageName === '' ? '' : ` stage=${stageName}`
      const cookie = ask(`${name} v=2 key=${by.key}${stageToken}`)[0]?.cookie ?? ''
      const sig = toBase64url(by.sign(claimBytes({ to, cookie, stage: stageName, name, key: by.key })))
      const at = `${to.address}:${to.port}`
      return ask(`${name} v=2 key=${by.key} cookie=${cookie} to=${at} sig=${sig}${stageToken}${also}`)
    }
    return { ask, askOften, claim, say, at: { address, port: 5000 } as Endpoint }
  }
  const where = (name: string, stageName = '') => server.phonebook.find(name, stageName)?.endpoint.address
  return { stage, server, events, person, where }
}

t.test('a name with a key stays with it; whoever else asks gets his answer, and nothing moves', async t => {
  const { person, where, server } = setUp()
  const [alice, mallory, older] = ['198.51.100.1', '192.0.2.1', '192.0.2.2'].map(person) as [
    ReturnType<typeof person>,
    ReturnType<typeof person>,
    ReturnType<typeof person>,
  ]
  person('198.51.100.9').ask('zoe')
  const [own] = alice.claim('alice')
  t.match(own, { name: 'alice', proven: true, key: mine.key, endpoint: alice.at })
  t.equal(own?.taken, undefined)

  const [refused, ...others] = mallory.claim('alice', { by: theirs })
  t.match(refused, { name: 'alice', taken: true, proven: false, endpoint: mallory.at })
  t.ok(refused?.cookie, 'with what its owner would have to sign')
  t.same(others, [], 'and nothing of the book')
  t.match(mallory.ask('alice v=2 seek=zoe'), [{ taken: true }], 'without a key neither')

  const book = older.ask('alice')
  t.same(
    book.map(({ name, endpoint, newer, taken }) => [name, endpoint.address, newer, taken]),
    [
      ['alice', '192.0.2.2', false, undefined],
      ['zoe', '198.51.100.9', false, undefined],
    ],
    'an older client sees itself and the others, in plain lines',
  )
  t.same(person('192.0.2.3').ask('REGISTER alice'), [])
  t.equal(where('alice'), '198.51.100.1')
  const { dispositions } = server.counters()
  t.ok(dispositions.taken >= 4, 'all of it is counted')

  alice.ask('bob v=2')
  t.equal(server.phonebook.find('bob')?.key, undefined)
  t.equal(mallory.ask('bob v=2')[0]?.taken, undefined, 'a name without an owner is had by the last one, as ever')
  t.equal(where('bob'), '192.0.2.1')
})

t.test('its owner comes back from elsewhere, and from the same place without a cookie', async t => {
  const { person, where, server } = setUp()
  person('198.51.100.1').claim('alice')
  const entry = server.phonebook.find('alice')
  const [moved] = person('198.51.100.2').claim('alice')
  t.match(moved, { key: mine.key, proven: true })
  t.equal(moved?.taken, undefined)
  t.equal(where('alice'), '198.51.100.2')
  t.equal(server.phonebook.find('alice'), entry, 'in its own slot')
  const again = person('198.51.100.3')
  t.equal(again.claim('alice')[0]?.key, mine.key)
  t.equal(again.ask(`alice v=2 key=${mine.key}`)[0]?.taken, true, 'without a cookie it is anybody')
  t.equal(again.claim('alice')[0]?.key, mine.key, 'started anew on the same port')
  t.equal(where('alice'), '198.51.100.3')
})

t.test('an entry that ends gives its name free', async t => {
  const { person, where, stage } = setUp({ expiryMs: 5000 })
  person('198.51.100.1').claim('alice')
  stage.world.run(stage.world.now() + 6000)
  t.equal(person('192.0.2.1').claim('alice', { by: theirs })[0]?.key, theirs.key)
  t.equal(where('alice'), '192.0.2.1')
})

t.test(
  'an entry that has ended keeps its name from no door, and nobody is sent to it, however quiet the server',
  async t => {
    const stun = (name: string): Uint8Array =>
      encode({
        class: 'indication',
        method: binding,
        transactionId: newTransactionId(new Uint8Array(12)),
        attributes: [{ name: 'CLIENT-ID', value: name }],
      })
    for (const request of [words('REGISTER alice'), stun('alice')]) {
      const { person, where, stage } = setUp({ expiryMs: 5000 })
      person('198.51.100.1').claim('alice')
      const other = person('192.0.2.1')
      other.say(request)
      t.equal(where('alice'), '198.51.100.1', 'it lives')
      stage.world.run(stage.world.now() + 6000)
      other.say(request)
      t.equal(where('alice'), '192.0.2.1')
    }
    for (const [register, ask, answer] of [
      ['REGISTER dora', 'CONNECT dora alice', 'ERROR unknown id alice'],
      ['REGISTER', 'CONNECT:alice', 'CONNECT_NAK:alice'],
    ] as const) {
      const { person, stage } = setUp({ expiryMs: 5000 })
      person('198.51.100.1').claim('alice')
      const other = person('192.0.2.1')
      other.say(words(register))
      stage.world.run(stage.world.now() + 6000)
      t.same(
        other.say(words(ask)).map(bytes => new TextDecoder().decode(bytes)),
        [answer],
      )
    }
  },
)

t.test('the same name on two stages has two owners', async t => {
  const { person, where } = setUp()
  person('198.51.100.1').claim('alice', { stageName: 'jam' })
  person('192.0.2.1').claim('alice', { stageName: 'opera', by: theirs })
  t.equal(person('192.0.2.2').claim('alice', { stageName: 'jam', by: theirs })[0]?.taken, true)
  t.equal(where('alice', 'jam'), '198.51.100.1')
  t.equal(where('alice', 'opera'), '192.0.2.1')
})

t.test('a claim is for a server as it was dialled', async t => {
  const dialled = { address: '198.18.0.1', port: 8080 }
  const forwarded = { address: '198.18.0.1', port: 3478 }
  const rows: [string, Partial<ServerOptions>, Endpoint, boolean][] = [
    ['its own address', {}, serverEndpoint, true],
    ['its own address, another port', {}, { ...serverEndpoint, port: 8081 }, false],
    ['an address that it does not know', {}, dialled, false],
    ['--public ADDRESS', { publicEndpoints: [{ ...dialled, port: 0 }] }, dialled, true],
    ['--public ADDRESS, its own too', { publicEndpoints: [{ ...dialled, port: 0 }] }, serverEndpoint, true],
    ['--public ADDRESS, another port', { publicEndpoints: [{ ...dialled, port: 0 }] }, forwarded, false],
    ['--public ADDRESS:PORT', { publicEndpoints: [forwarded] }, forwarded, true],
    ['--public ADDRESS:PORT, another port', { publicEndpoints: [forwarded] }, dialled, false],
    ['--classic', { classic: true }, serverEndpoint, false],
  ]
  for (const [story, options, to, expected] of rows) {
    const { person, events } = setUp(options)
    t.equal(person('198.51.100.1').claim('alice', { to })[0]?.key === mine.key, expected, story)
    const told = events.some(({ event }) => event === 'dialled-elsewhere')
    t.equal(told, !expected && !options.classic, 'and the operator hears of it where it is not')
  }
})

t.test('what was signed for an address that others have too is no claim from where that is another server', async t => {
  const [loopback, home] = ['127.0.0.1', '192.168.0.10']
  const rows: [string, string, boolean][] = [
    [serverEndpoint.address, '198.51.100.1', true],
    [serverEndpoint.address, '192.168.0.7', true],
    [home, '192.168.0.7', true],
    [home, '10.1.2.3', true],
    [home, '198.51.100.1', false],
    [loopback, '198.51.100.1', false],
    [loopback, '192.168.0.7', false],
  ]
  for (const [address, from, expected] of rows) {
    const to = { ...serverEndpoint, address }
    const { person } = setUp({}, [serverEndpoint.address, home])
    t.equal(person(from).claim('alice', { to })[0]?.key === mine.key, expected, `${address} from ${from}`)
    const named = setUp({ publicEndpoints: [to] }, [serverEndpoint.address, home])
    t.equal(named.person(from).claim('alice', { to })[0]?.key, mine.key, `--public ${address} from ${from}`)
  }
})

t.test(
  'two real clients: each sees the key of the other before either is connected, and who is refused says so',
  async t => {
    const stage = createStage({ seed: 3, link: { latencyMs: 20 } })
    const { server } = stage.startServer()
    const alice = stage.startClient('alice', 'bob', { identity: mine })
    stage.world.run(1000)
    const bob = stage.startClient('bob', 'alice', { identity: theirs })
    const impostor = stage.startClient('alice', 'bob', {
      on: stage.world.host({ address: '192.0.2.1', name: 'impostor' }),
      timeoutMs: 8000,
    })
    stage.world.run(10_000)
    t.match(alice.first('owned'), { name: 'alice' })
    t.match(bob.first('owned'), { name: 'bob' })
    t.equal(alice.of('owned').length, 1, 'said once')
    t.equal(alice.client.state, 'connected')
    t.equal(alice.of('name-conflict').length, 0)
    t.same(impostor.of('registered'), [])
    t.equal(impostor.of('name-taken').length, 1)
    t.match(impostor.first('failed'), { reason: 'name-refused' })
    t.same(impostor.of('waiting'), [], 'whether bob is there it can not know')
    t.equal(server.phonebook.find('alice')?.endpoint.address, alice.host.addresses()[0])
  },
)

t.test('a server that is started anew, and one that knows no owners: the client goes on', async t => {
  const stage = createStage({ seed: 4, link: { latencyMs: 20 } })
  const { server } = stage.startServer()
  const alice = stage.startClient('alice', 'bob', { identity: mine })
  stage.world.run(1000)
  server.close()
  const second = stage.startServer()
  stage.world.run(5000)
  t.equal(second.server.phonebook.find('alice')?.key, mine.key)
  t.ok(second.server.phonebook.find('alice')?.claim)
  t.equal(alice.of('name-taken').length, 0)
  second.server.close()
  const third = stage.startServer({ classic: true })
  stage.world.run(10_000)
  t.equal(third.server.phonebook.find('alice')?.claim, undefined)
  t.equal(alice.of('name-taken').length, 0)
})

t.test(
  'a stage with a secret: the server sees a name that tells nothing, and who lacks the secret meets nobody',
  async t => {
    // openssl: printf jam | openssl dgst -sha256 -hmac sesame
    const { wireName, psk } = privateStage('sesame', 'jam')
    t.equal(wireName, 'oam4s6gdhumzzqfbh4el4b5zcx')
    t.equal(psk.length, 32)
    const others = [privateStage('sesame', ''), privateStage('sesame', 'opera'), privateStage('Sesame', 'jam')]
    t.equal(new Set([wireName, ...others.map(other => other.wireName)]).size, 4)
    t.equal(new Set([psk, ...others.map(other => other.psk)].map(String)).size, 4)
    t.notMatch(new TextDecoder().decode(psk), wireName)

    const stage = createStage({ seed: 5, link: { latencyMs: 10 } })
    const said: string[] = []
    for (const name of ['alice', 'bob', 'mallory'])
      overhear(stage.hostOf(name), bytes => void said.push(new TextDecoder('latin1').decode(bytes)))
    const { server } = stage.startServer()
    const common = { stage: 'jam', stageSecret: 'sesame' }
    const alice = stage.startClient('alice', 'bob', { ...common, identity: mine })
    const bob = stage.startClient('bob', 'alice', { ...common, identity: theirs })
    const mallory = stage.startClient('mallory', 'alice', { ...common, stageSecret: 'sesam', identity: who(3) })
    stage.world.run(5000)
    t.equal(alice.client.state, 'connected')
    t.equal(bob.client.state, 'connected')
    t.equal(mallory.client.state, 'waiting')
    t.ok(server.phonebook.find('alice', wireName))
    t.ok(said.length > 20)
    for (const text of said) t.notMatch(text, /sesame|stage=jam/)
  },
)

t.test('a signature is of one claim', async t => {
  const claim = { to: serverEndpoint, cookie: 'cookie', stage: 'jam', name: 'alice', key: mine.key }
  const sig = toBase64url(mine.sign(claimBytes(claim)))
  t.ok(claimHolds(claim, sig))
  const rows: [string, Partial<typeof claim>][] = [
    ['server', { to: { ...serverEndpoint, port: 1 } }],
    ['cookie', { cookie: 'cookies' }],
    ['stage', { stage: '' }],
    ['name', { name: 'alicia' }],
    ['key', { key: theirs.key }],
    ['the line key alone', { key: toBase64url(new Uint8Array(64).fill(1)) }],
    ['no key', { key: '' }],
  ]
  for (const [story, other] of rows) t.notOk(claimHolds({ ...claim, ...other }, sig), story)
  for (const other of ['', sig.slice(1), `${sig.slice(0, -1)}B`, 'A'.repeat(86)]) t.notOk(claimHolds(claim, other))
})

t.test('what a verification costs is bounded: ten at once and ten a second for a prefix, 500 for all', async t => {
  const admission = new Admission({}, 1)
  const count = (addresses: readonly string[], nowMs: number): number =>
    addresses.filter(address => admission.mayVerify(address, () => nowMs)).length
  const neighbours = Array.from({ length: 256 }, (_, i) => `192.0.2.${i}`)
  t.equal(count(neighbours, 0), 10)
  t.equal(count(neighbours, 1000), 10)
  t.equal(count(neighbours, 1100), 1)
  const all = Array.from({ length: 20_000 }, (_, i) => `10.${i >> 8}.${i & 255}.1`)
  const inAll = count(all, 1100)
  t.ok(inAll >= 480 && inAll <= 500, `${inAll}`)
})

t.test('who claims too much is not listened to for a moment, and loses nothing', async t => {
  const { person, server, where } = setUp()
  const alice = person('198.51.100.1')
  alice.claim('alice')
  const wrong = `key=${mine.key} to=203.0.113.10:8080 sig=${toBase64url(new Uint8Array(64).fill(3))}`
  const mallory = person('198.51.100.2')
  const cookie = mallory.ask('alice v=2')[0]?.cookie
  const lines = mallory.askOften(40, i => `alice v=2 cookie=${cookie} ${wrong} seek=${i}`)
  t.equal(lines.length, 10, 'the others get no answer, as if they had been lost')
  t.equal(where('alice'), '198.51.100.1')
  t.ok(server.counters().dispositions.taken >= 40)
})

t.test('the tokens, both ways; hosts make room for them', async t => {
  const endpoint = fc.record({ address: fc.ipV4(), port: fc.integer({ min: 1, max: 65_535 }) })
  const sixtyFour = fc.uint8Array({ minLength: 64, maxLength: 64 }).map(toBase64url)
  fc.assert(
    fc.property(sixtyFour, sixtyFour, endpoint, (key, sig, to) => {
      const request = { name: 'alice', newer: true, stage: 'jam', seek: 'bob', cookie: 'c', hosts: [], key, to, sig }
      t.same(decodeRegistration(encodeRegistration(request)), request)
      return true
    }),
    { numRuns: 50 },
  )
  const long = 'n'.repeat(64)
  const to = { address: '2001:db8:1234:5678:9abc:def0:1234:5678', port: 65_535 }
  const sig = toBase64url(new Uint8Array(64))
  const longest = encodeRegistration({
    name: long,
    newer: true,
    stage: long,
    seek: long,
    cookie: 'c'.repeat(16),
    hosts: Array.from({ length: 4 }, () => to),
    key: mine.key,
    to,
    sig,
  })
  t.ok(longest.length <= longestRegistration, `${longest.length} bytes`)
  t.match(decodeRegistration(longest), { key: mine.key, sig, to })
  for (const token of [
    'key=short',
    `key=${'='.repeat(86)}`,
    `key=${mine.key}A`,
    'to=nowhere',
    'to=1.2.3.4:0',
    'sig=',
  ]) {
    t.match(decodeRegistration(words(`alice v=2 ${token}`)), { key: undefined, to: undefined, sig: undefined }, token)
  }
  t.match(
    decodeRegistration(words(`alice key=${mine.key}`)),
    { newer: false, key: undefined },
    'an older client has none',
  )
})
