// The stun dialect as a server speaks it: what testers, clients and registrants get, in a world and from real STUN clients.
import { execFile, spawnSync } from 'node:child_process'
import t from 'tap'
import type { Attribute } from '../src/dialects/stun/attributes.ts'
import { fingerprintHolds, withFingerprint } from '../src/dialects/stun/integrity.ts'
import {
  type Class,
  type Decoded,
  binding,
  decode,
  encode,
  every,
  first,
  newTransactionId,
} from '../src/dialects/stun/message.ts'
import type { Endpoint } from '../src/endpoint.ts'
import { createStage } from '../src/lab/stage.ts'
import type { ServerOptions } from '../src/server/server.ts'
import type { SimSocket } from '../src/sim/socket.ts'
import { freePort } from '../src/cli/free-port.ts'
import { start, stopAll } from './fixtures/program.ts'

const [addressA, addressB] = ['203.0.113.10', '203.0.113.11']
const [port, otherPort] = [3478, 3479]
const primary: Endpoint = { address: addressA, port }
const fourSockets = [
  primary,
  { address: addressA, port: otherPort, stunOnly: true },
  { address: addressB, port, stunOnly: true },
  { address: addressB, port: otherPort, stunOnly: true },
]

type Heard = { readonly message: Decoded; readonly from: Endpoint; readonly bytes: Uint8Array }

/** A server in a world, and clients that send one datagram and collect what comes back. */
const setUp = (options: Partial<ServerOptions> = {}) => {
  const stage = createStage({ seed: 1, trace: false, link: { latencyMs: 1 } })
  const host = stage.world.host({ name: 'stun server', addresses: [addressA, addressB] })
  const { server } = stage.startServer({ listen: fourSockets, ...options }, host)
  stage.world.run(10)
  let ids = 0

  const client = (name: string, address = `198.51.100.${name.charCodeAt(0)}`) => {
    const socket: SimSocket = stage.world.host({ name, address }).udp({ port: 5000 })
    const heard: Heard[] = []
    socket.onDatagram((bytes, from) => {
      if (from.address !== addressA && from.address !== addressB) return // a peer's text
      const message = decode(bytes)
      if (typeof message === 'string') throw new Error(`${name} got ${message}`)
      heard.push({ message, from, bytes })
    })
    const send = (bytes: Uint8Array, to = primary): Heard[] => {
      heard.length = 0
      socket.send(bytes, to)
      stage.world.run(stage.world.now() + 20)
      return [...heard]
    }
    return { at: { address, port: 5000 }, heard, send, run: (ms: number) => stage.world.run(stage.world.now() + ms) }
  }

  const message = (kind: Class, ...attributes: Attribute[]): Uint8Array => {
    const transactionId = newTransactionId(new Uint8Array(12).fill(++ids))
    return encode({ class: kind, method: binding, transactionId, attributes })
  }
  return { stage, server, client, request: message.bind(undefined, 'request'), message }
}

const only = (heard: readonly Heard[]): Heard => {
  const [one, ...more] = heard
  if (!one || more.length > 0) throw new Error(`${heard.length} answers instead of one`)
  return one
}

const errorOf = ({ message }: Heard): number | undefined => first(message, 'ERROR-CODE')?.code

t.test('a Binding request is told where it came from, twice, and by whom', async t => {
  const { client, request } = setUp()
  const alice = client('alice')
  const { message, from } = only(alice.send(request()))
  t.same(from, primary)
  t.equal(message.class, 'success response')
  t.same(message.attributes, [
    { name: 'XOR-MAPPED-ADDRESS', value: alice.at },
    { name: 'MAPPED-ADDRESS', value: alice.at },
    { name: 'RESPONSE-ORIGIN', value: primary },
    { name: 'OTHER-ADDRESS', value: { address: addressB, port: otherPort } },
    { name: 'SOFTWARE', value: 'stage-manager' },
  ])
})

t.test('IPv6 is told the same way', async t => {
  const { stage, message } = setUp()
  const host = stage.world.host({ name: 'six', addresses: ['2001:db8::10'] })
  stage.startServer({ listen: [{ address: '::', port }] }, host)
  const socket = stage.world.host({ name: 'seven', addresses: ['2001:db8::7'] }).udp({ address: '::', port: 5000 })
  const heard: Uint8Array[] = []
  socket.onDatagram(bytes => void heard.push(bytes))
  socket.send(message('request'), { address: '2001:db8::10', port })
  stage.world.run(100)
  const answer = decode(heard[0] ?? new Uint8Array()) as Decoded
  t.same(first(answer, 'XOR-MAPPED-ADDRESS'), { address: '2001:db8::7', port: 5000 })
  t.equal(first(answer, 'RESPONSE-ORIGIN'), undefined, 'a wildcard socket does not know its address')
})

t.test('the transaction is echoed, whole, and a FINGERPRINT is answered with one', async t => {
  const { client, request } = setUp()
  const asked = withFingerprint(request())
  const { message, bytes } = only(client('alice').send(asked))
  t.same(message.transactionId, (decode(asked) as Decoded).transactionId)
  t.equal(message.attributes.at(-1)?.name, 'FINGERPRINT')
  t.ok(fingerprintHolds(bytes, bytes.length - 8))
})

t.test('RFC 3489 gets the plain addresses alone, under their old names', async t => {
  const { stage } = setUp()
  const socket = stage.world.host({ name: 'old tester', address: '198.51.100.1' }).udp({ port: 5000 })
  const heard: Uint8Array[] = []
  socket.onDatagram(bytes => void heard.push(bytes))
  const transactionId = new Uint8Array(16).fill(9)
  socket.send(encode({ class: 'request', method: binding, transactionId, attributes: [] }), primary)
  stage.world.run(100)
  const [bytes = new Uint8Array()] = heard
  t.same(bytes.slice(4, 20), transactionId)
  // We read no response without the cookie; with it, it is one.
  const message = decode(Uint8Array.from([...bytes.slice(0, 4), 0x21, 0x12, 0xa4, 0x42, ...bytes.slice(8)])) as Decoded
  t.same(message.attributes, [
    { name: 'MAPPED-ADDRESS', value: { address: '198.51.100.1', port: 5000 } },
    { name: 'SOURCE-ADDRESS', value: primary },
    { name: 'CHANGED-ADDRESS', value: { address: addressB, port: otherPort } },
  ])
})

t.test('CHANGE-REQUEST: from the other address, the other port, or both; RESPONSE-PORT: to another port', async t => {
  const { client, request, stage } = setUp()
  const alice = client('alice')
  for (const [ip, changed] of [
    [false, { address: addressA, port: otherPort }],
    [true, { address: addressB, port: otherPort }],
  ] as const) {
    const { from, message } = only(alice.send(request({ name: 'CHANGE-REQUEST', value: { ip, port: true } })))
    t.same(from, changed)
    t.same(first(message, 'RESPONSE-ORIGIN'), changed)
  }
  t.same(only(alice.send(request({ name: 'CHANGE-REQUEST', value: { ip: true, port: false } }))).from, {
    address: addressB,
    port,
  })
  t.same(only(alice.send(request({ name: 'CHANGE-REQUEST', value: { ip: false, port: false } }))).from, primary)

  const elsewhere: Uint8Array[] = []
  const bob = stage.world.host({ name: 'bob', address: '198.51.100.98' })
  const [asking, waiting] = [bob.udp({ port: 5000 }), bob.udp({ port: 5001 })]
  waiting.onDatagram(bytes => void elsewhere.push(bytes))
  asking.send(request({ name: 'RESPONSE-PORT', value: 5001 }), primary)
  alice.run(20)
  const answer = decode(elsewhere[0] ?? new Uint8Array()) as Decoded
  t.same(first(answer, 'XOR-MAPPED-ADDRESS'), { address: '198.51.100.98', port: 5000 })
  t.equal(errorOf(only(alice.send(request({ name: 'RESPONSE-PORT', value: 53 })))), 400)
})

t.test('with one address: no OTHER-ADDRESS, the other port works, the other address is refused with 420', async t => {
  const { client, request } = setUp({ listen: fourSockets.slice(0, 2) })
  const alice = client('alice')
  t.equal(first(only(alice.send(request())).message, 'OTHER-ADDRESS'), undefined)
  const changed = only(alice.send(request({ name: 'CHANGE-REQUEST', value: { ip: false, port: true } })))
  t.same(changed.from, { address: addressA, port: otherPort })
  const refused = only(alice.send(request({ name: 'CHANGE-REQUEST', value: { ip: true, port: false } })))
  t.equal(errorOf(refused), 420)
  t.same(first(refused.message, 'UNKNOWN-ATTRIBUTES'), [0x0003])
})

t.test('an attribute that has to be understood and is not: 420 and its type; responses are not answered', async t => {
  const { client, request, message, server } = setUp()
  const alice = client('alice')
  const odd = request({ name: 'USE-CANDIDATE', value: true }).map(byte => byte)
  odd[21] = 0x7f // 0x007f, which nobody has
  const refused = only(alice.send(odd))
  t.equal(errorOf(refused), 420)
  t.same(first(refused.message, 'UNKNOWN-ATTRIBUTES'), [0x007f])
  t.same(alice.send(message('success response')), [])
  t.same(alice.send(message('error response')), [])
  t.same(alice.send(request().subarray(0, 19)), [], 'cut short: it is no STUN, and no name either')
  t.equal(server.counters().dispositions['not-a-request'], 2)
})

t.test('what an answer says never exceeds three times the question, padding included', async t => {
  const { client, request } = setUp({ strict: true })
  const alice = client('alice')
  for (const padding of [0, 4, 64, 500, 1500]) {
    const asked = request({ name: 'PADDING', value: padding })
    const { bytes, message } = only(alice.send(asked))
    t.ok(bytes.length + 28 <= 3 * (asked.length + 28), `${asked.length} in, ${bytes.length} out`)
    t.equal(first(message, 'PADDING'), padding)
  }
})

t.test('the other sockets speak STUN alone', async t => {
  const { client, request, server } = setUp()
  const alice = client('alice')
  const second = { address: addressB, port: otherPort }
  t.equal(alice.send(request(), second).length, 1)
  t.same(alice.send(new TextEncoder().encode('alice'), second), [])
  t.equal(server.counters().dispositions.unrecognised, 1)
})

t.test('alt= names the other sockets of the family that was asked, where STUN is spoken there', async t => {
  const two = [primary, { address: addressA, port: 9000 }]
  const rows: [string, Partial<ServerOptions>, string][] = [
    ['another port, and another address', {}, ',alt=3479,alt=203.0.113.11:3479'],
    ['a port of all dialects is as good', { listen: two }, ',alt=9000'],
    ['of a wildcard the port alone', { listen: two.map(at => ({ ...at, address: '0.0.0.0' })) }, ',alt=9000'],
    ['none of another family', { listen: [primary, { address: '::', port: 9000, stunOnly: true }] }, ''],
    ['none', { listen: [primary] }, ''],
    ['nobody would answer', { listen: two, dialects: ['phonebook'] }, ''],
  ]
  for (const [story, options, expected] of rows) {
    const { stage } = setUp(options)
    const lines = ['zoe', 'alice'].map(name => {
      const socket = stage.world.host({ name, address: `198.51.100.${name.length}` }).udp({ port: 5000 })
      let heard = ''
      socket.onDatagram(bytes => void (heard += new TextDecoder().decode(bytes)))
      socket.send(new TextEncoder().encode(`${name} v=2`.padEnd(500)), primary)
      stage.world.run(stage.world.now() + 20)
      return heard.trimEnd().split('\n')
    })
    const [own = '', other = ''] = lines[1] ?? []
    t.equal(own.replace(/^[^=]*=2,cookie=[^,]*/, ''), expected, story)
    t.match(other, /^0,2,zoe,[\d.]*,5000,v=2$/, 'on its own line alone')
  }
})

t.test('an indication with CLIENT-ID registers, without a word', async t => {
  const { client, message, server } = setUp()
  const ten = client('ten')
  t.same(ten.send(message('indication', { name: 'CLIENT-ID', value: '10' })), [])
  const entry = server.phonebook.find('10')
  t.same([entry?.endpoint, entry?.door], [ten.at, 'stun'])
  t.same(ten.send(message('indication')), [], 'a keepalive')
  t.equal(server.counters().entries, 1)
})

t.test('when the second of two appears, and when either moves, both are told', async t => {
  const { client, request, stage } = setUp()
  const [ten, fourteen, moved] = [client('a'), client('b'), client('c')]
  const asks = (me: string, peer: string): Uint8Array =>
    request({ name: 'CLIENT-ID', value: me }, { name: 'PEER-ID', value: peer })

  const alone = only(ten.send(asks('10', '14')))
  t.equal(first(alone.message, 'XOR-PEER-ADDRESS'), undefined)
  t.same(first(alone.message, 'XOR-MAPPED-ADDRESS'), ten.at)
  ten.heard.length = 0
  const [response] = fourteen.send(asks('14', '10'))
  t.same(response && first(response.message, 'XOR-PEER-ADDRESS'), ten.at)
  const told = only(ten.heard).message
  t.equal(told.class, 'indication')
  t.same(
    [first(told, 'PEER-ID'), first(told, 'XOR-PEER-ADDRESS'), first(told, 'XOR-MAPPED-ADDRESS')],
    ['14', fourteen.at, ten.at],
  )
  stage.world.run(stage.world.now() + 2000)
  ten.heard.length = 0
  moved.send(asks('14', '10'))
  t.same(first(only(ten.heard).message, 'XOR-PEER-ADDRESS'), moved.at)
})

t.test('a phonebook client and a stun client find each other, each in its own words', async t => {
  const { client, request, stage } = setUp()
  const ten = client('ten')
  ten.send(request({ name: 'CLIENT-ID', value: '10' }, { name: 'PEER-ID', value: 'alice' }))
  const alice = stage.startClient('alice', '10', { server: addressA, port })
  ten.heard.length = 0
  stage.world.run(stage.world.now() + 2000)
  t.same(alice.of('located')[0]?.endpoint, ten.at)
  const told = ten.heard.find(({ message }) => message.class === 'indication')
  t.equal(told && first(told.message, 'PEER-ID'), 'alice')
  t.ok(every(told?.message as Decoded, 'XOR-PEER-ADDRESS').length === 1)
})

/** Undefined where it is installed. */
const missing = (program: string): string | undefined =>
  spawnSync('sh', ['-c', `command -v ${program}`]).status === 0 ? undefined : `${program} is not installed`

const said = (program: string, ...args: string[]): Promise<string> =>
  new Promise(resolve => {
    // They wait for an answer for ever.
    execFile('timeout', ['20', program, ...args], (_error, stdout, stderr) => resolve(stdout + stderr))
  })

const clients = ['turnutils_stunclient', 'turnutils_natdiscovery', 'stun']
const absent = clients.map(missing).find(Boolean)

t.test('real STUN clients get right answers from the program', { skip: absent ?? false }, async t => {
  t.teardown(stopAll)
  const [first, second] = [await freePort(), await freePort()].map(String)
  const two = ['--host', '127.0.0.2', '--alt-address', '127.0.0.3', '--alt-port', `${second}`]
  await start('test-server', ['-p', `${first}`, ...two]).until(/reachable/)
  const at = ['-p', `${first}`, '127.0.0.2']

  const basic = await said('turnutils_stunclient', '-f', ...at)
  t.match(basic, /UDP reflexive addr: 127\.0\.0\.1:\d+/)
  t.match(basic, `Other addr: : 127.0.0.3:${second}`)
  t.match(basic, 'RFC 5780 response 3')
  t.notMatch(basic, /error/i)

  const found = await said('turnutils_natdiscovery', '-m', '-f', ...at)
  t.match(found, 'NAT with Endpoint Independent Mapping')
  t.match(found, 'NAT with Endpoint Independent Filtering')
  t.match(found, 'No ALG: Mapped == XOR-Mapped')
  t.match(await said('turnutils_natdiscovery', '-H', '-L', '127.0.0.1', ...at), 'successful hairpinning')
  const lifetime = await said('turnutils_natdiscovery', '-t', '-T', '1', '-L', '127.0.0.1', ...at)
  t.equal(lifetime.match(/RFC 5780 response/g)?.length, 2, 'before and after the pause')

  t.match(await said('stun', `127.0.0.2:${first}`, '-i', '127.0.0.1'), 'Primary: Open')
})
