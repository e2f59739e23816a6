// Our client of the stun dialect against a scripted Stage Manager: what it asks, how often, whom it believes, who meets.
import t from 'tap'
import { type Endpoint, formatEndpoint, sameEndpoint } from '../src/endpoint.ts'
import { createStunClient, retransmissionMs } from '../src/client/stun-client.ts'
import type { Attribute } from '../src/dialects/stun/attributes.ts'
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
import { type Stage, createStage, port, serverAddress } from '../src/lab/stage.ts'
import { seededRandom } from '../src/sim/random.ts'
import { bytesOf } from './fixtures/desk.ts'
import { type DoorClient, startDoor } from './fixtures/doors.ts'
import type { StunClient } from '../src/client/stun-client.ts'

type Request = { readonly message: Decoded; readonly from: Endpoint; readonly atMs: number }

/** Registers and introduces, as docs/dialects.md section 3 says, and no more; `deaf` and `lie` change that. */
const startStageManager = (stage: Stage, options: { deafUntilMs?: number; peerAddress?: Endpoint } = {}) => {
  const { world } = stage
  const socket = stage.hostOf('server').udp({ port })
  const requests: Request[] = []
  const book = new Map<string, Endpoint>()
  const say = (kind: Class, transactionId: Uint8Array, attributes: Attribute[], to: Endpoint): void =>
    socket.send(encode({ class: kind, method: binding, transactionId, attributes }), to)

  socket.onDatagram((bytes, from) => {
    const message = decode(bytes)
    if (typeof message === 'string') return
    requests.push({ message, from, atMs: world.now() })
    if (world.now() < (options.deafUntilMs ?? 0)) return
    const [me = '', peer = ''] = [first(message, 'CLIENT-ID'), first(message, 'PEER-ID')]
    const known = book.get(me)
    book.set(me, from)
    const there = options.peerAddress ?? book.get(peer)
    const mapped: Attribute = { name: 'XOR-MAPPED-ADDRESS', value: from }
    say('success response', message.transactionId, [mapped, ...peerAt(there)], from)
    if (!there || (known && sameEndpoint(known, from))) return
    const id = newTransactionId(new Uint8Array(12))
    for (const [other, whom, where] of [
      [there, me, from],
      [from, peer, there],
    ] as const) {
      const own: Attribute = { name: 'XOR-MAPPED-ADDRESS', value: other }
      say('indication', id, [{ name: 'PEER-ID', value: whom }, ...peerAt(where), own], other)
    }
  })
  return { socket, requests, say }
}

const peerAt = (value: Endpoint | undefined): Attribute[] => (value ? [{ name: 'XOR-PEER-ADDRESS', value }] : [])

const start = (stage: Stage, host: string, me: string, peer: string, trace?: (line: string) => void) =>
  startDoor(stage, host, outside => createStunClient(outside, { me, peer, offerHosts: true, trace }))

const connectedMs = (client: DoorClient<StunClient>): number => client.of('connected')[0]?.atMs ?? Infinity

t.test(
  'the first request: CLIENT-ID, PEER-ID, own addresses; then what the server said of the mapping, too',
  async t => {
    const stage = createStage({ seed: 1 })
    const { requests } = startStageManager(stage)
    const lines: string[] = []
    const ten = start(stage, 'ten', '10', '14', line => lines.push(line))
    stage.world.run(3000)
    const asked = requests.map(({ message }) => message)
    t.equal(asked[0]?.class, 'request')
    t.equal(asked[0] && first(asked[0], 'CLIENT-ID'), '10')
    t.equal(asked[0] && first(asked[0], 'PEER-ID'), '14')
    const home = { address: '198.51.100.2', port: 49152 }
    t.same(asked[0] && every(asked[0], 'XOR-MAPPED-ADDRESS'), [home])
    t.same(asked[1] && every(asked[1], 'XOR-MAPPED-ADDRESS'), [home, home], 'innermost first')
    t.same(
      ten.of('registered').map(({ endpoint }) => endpoint),
      [home],
      'said once',
    )
    t.equal(new Set(asked.map(({ transactionId }) => transactionId.join())).size, asked.length, 'a new id each time')
    t.match(lines[0], /^to 203\.0\.113\.10 8080: Binding request [\da-f]{24} CLIENT-ID "10" PEER-ID "14" XOR-MAPPED/)
    t.match(lines[1], /^from 203\.0\.113\.10 8080: Binding success response [\da-f]{24} XOR-MAPPED-ADDRESS 198\.51/)
  },
)

t.test('retransmission: RFC 8489 s.6.2.1, the same bytes after 500, 1000, 2000 ... ms', async t => {
  t.same([1, 2, 3, 4, 5, 6, 7].map(retransmissionMs), [500, 1000, 2000, 4000, 8000, 16_000, 8000])
  const stage = createStage({ seed: 1 })
  const { requests } = startStageManager(stage, { deafUntilMs: 60_000 })
  const ten = start(stage, 'ten', '10', '14')
  stage.world.run(70_000)
  const times = requests.map(({ atMs }) => atMs - (requests[0]?.atMs ?? 0))
  t.same(times.slice(0, 8), [0, 500, 1500, 3500, 7500, 15_500, 31_500, 39_500])
  const ids = requests.map(({ message }) => message.transactionId.join())
  t.equal(new Set(ids.slice(0, 7)).size, 1)
  t.not(ids[7], ids[0], 'given up; a new transaction')
  t.same(
    ten.of('unanswered').map(({ elapsedMs }) => elapsedMs),
    [3000],
  )
})

t.test('two meet and talk in plain text, whatever is lost', async t => {
  let worst = 0
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed, 'story')
    const loss = seed % 2 ? 0.1 : 0
    const stage = createStage({ seed, trace: false, link: { latencyMs: random.next() * 80, loss } })
    startStageManager(stage)
    const ten = start(stage, 'ten', '10', '14')
    const laterMs = random.next() * 20_000
    stage.world.run(laterMs)
    const fourteen = start(stage, 'fourteen', '14', '10')
    stage.world.run(laterMs + 20_000)
    const bothMs = Math.max(connectedMs(ten), connectedMs(fourteen)) - laterMs
    worst = Math.max(worst, bothMs)
    if (bothMs > (loss ? 15_000 : 1000)) t.fail(`seed ${seed}: ${bothMs}`)
    for (let i = 0; i < 20; i++) ten.act((client, nowMs) => client.say(`line ${i}`, nowMs))
    stage.world.run(stage.world.now() + 1000)
    t.equal(fourteen.texts[0], 'This is a direct P2P message from 10 to 14')
    t.ok(fourteen.texts.length > (loss ? 8 : 20), `seed ${seed}: ${fourteen.texts.length}`)
  }
  t.comment(`worst ${worst.toFixed(0)} ms`)
})

t.test('once connected it refreshes every 20 s, and keeps the hole open every 15 s', async t => {
  const stage = createStage({ seed: 1 })
  const { requests } = startStageManager(stage)
  const ten = start(stage, 'ten', '10', '14')
  const fourteen = start(stage, 'fourteen', '14', '10')
  stage.world.run(200_000)
  t.ok(ten.core.progress === 'connected' && fourteen.core.progress === 'connected')
  const late = requests.filter(({ from, atMs }) => from.address.endsWith('.2') && atMs > 40_000)
  t.ok(late.length >= 7 && late.length <= 9, `${late.length} in 160 s`)
  t.same(ten.texts, ['This is a direct P2P message from 14 to 10'], 'and nobody has to read that')
})

t.test('whom it does not believe: other ids, other sources, broken messages, other peers', async t => {
  const stage = createStage({ seed: 1 })
  const { socket, requests, say } = startStageManager(stage, { deafUntilMs: 5000 })
  const ten = start(stage, 'ten', '10', '14')
  stage.world.run(1000)
  const [{ from, message } = { from: undefined, message: undefined }] = requests
  if (!from || !message) throw new Error('nothing was asked')
  const evil: Attribute[] = [
    { name: 'XOR-MAPPED-ADDRESS', value: { address: '192.0.2.66', port: 66 } },
    ...peerAt({ address: '192.0.2.66', port: 66 }),
  ]
  say('success response', newTransactionId(new Uint8Array(12)), evil, from)
  say('error response', newTransactionId(new Uint8Array(12)), evil, from)
  say('request', message.transactionId, evil, from)
  say('indication', message.transactionId, evil, from)
  say('indication', message.transactionId, [{ name: 'PEER-ID', value: '15' }, ...evil], from)
  socket.send(encode({ ...message, class: 'success response', attributes: evil }).subarray(0, 24), from)
  const stranger = stage.hostOf('stranger').udp()
  stranger.send(encode({ ...message, class: 'success response', attributes: evil }), from)
  stranger.send(bytesOf('hello'), from)
  stage.world.run(2000)
  t.same(ten.of('registered'), [])
  t.same(ten.of('introduced'), [])
  t.equal(ten.of('stranger').length, 1, 'the text; STUN from a stranger is none')
  stage.world.run(9000)
  t.same(
    ten.of('registered').map(({ endpoint }) => endpoint && formatEndpoint(endpoint)),
    ['198.51.100.2:49152'],
  )
})

t.test('the peer’s address is only tried where packets have a business', async t => {
  const rows: [address: string, refused: boolean][] = [
    ['127.0.0.1', true],
    ['10.1.2.3', true],
    ['169.254.1.1', true],
    ['239.1.1.1', true],
    ['192.0.2.7', false],
  ]
  for (const [address, refused] of rows) {
    const stage = createStage({ seed: 1 })
    startStageManager(stage, { peerAddress: { address, port: 5000 } })
    const ten = start(stage, 'ten', '10', '14')
    stage.world.run(59_000)
    t.equal(ten.of('refused').length > 0, refused, address)
    const lines = stage.world.trace.text().split('\n')
    const sent = lines.filter(line => / send #\d+ ten /.test(line) && line.includes(`> ${address}:5000`))
    if (refused) t.same(sent, [])
    else t.ok(sent.length === 40, `${sent.length}: one a second for 40 s`)
  }
})

t.test('a refusal of the server is shown in its words', async t => {
  const stage = createStage({ seed: 1 })
  const socket = stage.hostOf('server').udp({ port })
  socket.onDatagram((bytes, from) => {
    const message = decode(bytes)
    if (typeof message === 'string') return
    const attributes: Attribute[] = [{ name: 'ERROR-CODE', value: { code: 420, reason: 'Unknown Attribute' } }]
    socket.send(encode({ ...message, class: 'error response', attributes }), from)
  })
  const ten = start(stage, 'ten', '10', '14')
  stage.world.run(500)
  t.same(
    ten.of('rejected').map(({ reason }) => reason),
    ['420 Unknown Attribute'],
  )
  t.equal(serverAddress, ten.of('registering')[0]?.server.address)
})
