// The phonebook dialect: bytes and values both ways, hostile bytes, and what is answered to whom.
import { decodeUtf8 } from '../src/utf8.ts'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import fc from 'fast-check'
import type { Endpoint } from '../src/endpoint.ts'
import { headerBytes } from '../src/headers.ts'
import { nameProblem } from '../src/name.ts'
import type { Entry } from '../src/entry.ts'
import { Phonebook } from '../src/phonebook.ts'
import type { Answer, Desk } from '../src/dialects/dialect.ts'
import { phonebook as dialect } from '../src/dialects/phonebook/answer.ts'
import {
  type Line,
  type RegistrationRequest,
  decodeLines,
  decodeRegistration,
  encodeLine,
  encodeRegistration,
} from '../src/dialects/phonebook/codec.ts'
import {
  type PeerMessage,
  decodePeerMessage,
  directMessage,
  encodePeerMessage,
  encodeText,
  isPeerMessage,
  longestPayload,
} from '../src/dialects/phonebook/peer.ts'
import { Admission } from '../src/server/admission.ts'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
const endpoint = (address: string, port: number): Endpoint => ({ address, port })
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(model, { noNullPrototype: true })
/** A field that is undefined is as good as one that is not there. */
const expectEqual = (found: unknown, wanted: unknown): void => {
  if (!isDeepStrictEqual(structuredJson(found), structuredJson(wanted)))
    throw new Error(`${fc.stringify(found)} for ${fc.stringify(wanted)}`)
}
const structuredJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
const numbered = (from: number, count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => from + i)
const truncations = (bytes: Uint8Array): Uint8Array[] =>
  Array.from({ length: bytes.length }, (_, length) => bytes.subarray(0, length))

// Registrations

const registrations: [wire: string, request: RegistrationRequest][] = [
  ['alice', { name: 'alice', newer: false, stage: '', hosts: [] }],
  ['alice@jam', { name: 'alice@jam', newer: false, stage: '', hosts: [] }],
  ['10', { name: '10', newer: false, stage: '', hosts: [] }],
  ['žluťoučký-kůň', { name: 'žluťoučký-kůň', newer: false, stage: '', hosts: [] }],
  ['__proto__ v=2', { name: '__proto__', newer: true, stage: '', hosts: [] }],
  ['alice v=2 seek=bob', { name: 'alice', newer: true, stage: '', seek: 'bob', hosts: [] }],
  ['alice v=2 seek=Bärbel=2', { name: 'alice', newer: true, stage: '', seek: 'Bärbel=2', hosts: [] }],
  [
    'alice v=2 seek=bob stage=a=b cookie=q1/=w host=192.168.1.5:5000 host=[fd00::1]:5000',
    {
      name: 'alice',
      newer: true,
      stage: 'a=b',
      seek: 'bob',
      cookie: 'q1/=w',
      hosts: [endpoint('192.168.1.5', 5000), endpoint('fd00::1', 5000)],
    },
  ],
]

t.test('registrations, both ways', async t => {
  for (const [wire, request] of registrations) {
    t.same(decodeRegistration(bytesOf(wire)), request, wire)
    t.equal(textOf(encodeRegistration(request)), wire)
  }
})

t.test('a first registration is padded to 1000 bytes of blanks, and means the same', async t => {
  for (const [wire, request] of registrations) {
    const padded = encodeRegistration(request, true)
    t.equal(padded.length, 1000)
    t.equal(textOf(padded).trimEnd(), wire)
    t.same(decodeRegistration(padded), request)
  }
})

const accepted: [wire: string, request: Readonly<Record<string, unknown>>][] = [
  ['  \r\n alice\r\n', { name: 'alice', newer: false }],
  ['alice\nrest of a book', { name: 'alice', newer: false }],
  ['alice v=1 seek=bob stage=jam cookie=c host=1.2.3.4:5', { name: 'alice', newer: false, stage: '', hosts: [] }],
  ['alice v=3', { newer: false }],
  ['alice seek=bob v=2', { newer: true, seek: 'bob' }],
  ['alice v=2 seek= seek=a,b seek=LIST seek=\u202e', { newer: true, seek: undefined }],
  ['alice v=2 cookie= cookie=ä cookie=\t cookie=a,b', { newer: true, cookie: undefined }],
  [`alice v=2 cookie=${'c'.repeat(65)}`, { newer: true, cookie: undefined }],
  [`alice v=2 cookie=${'c'.repeat(64)}`, { cookie: 'c'.repeat(64) }],
  ['alice v=2 host=localhost:80 host=127.1:80 host=1.2.3.4 host=1.2.3.4:0 host=::1:80', { hosts: [] }],
  ['alice v=2 host=1.1.1.1:1 host=1.1.1.1:2 host=1.1.1.1:3 host=1.1.1.1:4 host=1.1.1.1:5', { name: 'alice' }],
  ['alice v=2 __proto__=x constructor=y zzz =v=2 seek', { newer: true, seek: undefined, stage: '' }],
  ['alice v=2 future=yes V=1 Seek=bob', { newer: true, seek: undefined }],
]

t.test('what is taken although it could be tidier, and keys from the future', async t => {
  for (const [wire, expected] of accepted) {
    const request = decodeRegistration(bytesOf(wire))
    if (typeof request === 'string') t.fail(`${wire}: ${request}`)
    else for (const [key, value] of Object.entries(expected)) t.same(Reflect.get(request, key), value, wire)
  }
  const many = decodeRegistration(bytesOf(accepted[10]?.[0] ?? ''))
  t.same(typeof many === 'object' && many.hosts.map(({ port }) => port), [1, 2, 3, 4], 'four hosts at most')
})

t.test('what is no registration', async t => {
  const table: [name: string, bytes: Uint8Array, refusal: string][] = [
    ['nothing', new Uint8Array(0), 'empty'],
    ['blank', bytesOf(' '), 'empty'],
    ['line ends', bytesOf('\r\n\r\n  \n'), 'empty'],
    ['64 KiB of blanks', new Uint8Array(65507).fill(32), 'empty'],
    ['64 KiB of a', new Uint8Array(65507).fill(97), 'too-long'],
    ['a name and 64 KiB of blanks', bytesOf(`alice${' '.repeat(65000)}`), 'too-long'],
    ['1025 bytes', bytesOf(`alice${' '.repeat(1020)}`), 'too-long'],
    ['NUL', Uint8Array.of(0), 'bad-name'],
    ['NUL in the name', bytesOf('al\0ice'), 'bad-name'],
    ['NUL after the name', bytesOf('alice\0'), 'bad-name'],
    ['not UTF-8', Uint8Array.of(0xff, 0xfe), 'not-utf8'],
    ['cut UTF-8', bytesOf('é').subarray(0, 1), 'not-utf8'],
    ['overlong UTF-8', Uint8Array.of(0xc0, 0xaf), 'not-utf8'],
    ['a surrogate', Uint8Array.of(0xed, 0xa0, 0x80), 'not-utf8'],
    ['comma', bytesOf('a,b'), 'bad-name'],
    ['only a comma', bytesOf(','), 'bad-name'],
    ['tab', bytesOf('a\tb'), 'bad-name'],
    ['escape', bytesOf('\x1b[2J'), 'bad-name'],
    ['DEL', bytesOf('a\x7f'), 'bad-name'],
    ['C1', bytesOf('a\u009b31m'), 'bad-name'],
    ['bidi override', bytesOf('a\u202eb'), 'bad-name'],
    ['bidi isolate', bytesOf('\u2066a'), 'bad-name'],
    ['zero width joiner', bytesOf('a\u200db'), 'bad-name'],
    ['byte order mark', bytesOf('\ufeffalice'), 'bad-name'],
    ['no-break space', bytesOf('a\u00a0b'), 'bad-name'],
    ['line separator', bytesOf('a\u2028b'), 'bad-name'],
    ['REGISTER', bytesOf('REGISTER'), 'reserved-name'],
    ['REGISTER 10', bytesOf('REGISTER 10'), 'reserved-name'],
    ['REGISTERED ip', bytesOf('REGISTERED 192.0.2.1'), 'reserved-name'],
    ['REGISTER_ACK:7', bytesOf('REGISTER_ACK:7'), 'reserved-name'],
    ['LIST', bytesOf('LIST'), 'reserved-name'],
    ['LIST_ACK:', bytesOf('LIST_ACK:'), 'reserved-name'],
    ['LIST_ACK: with rows', bytesOf("LIST_ACK:1,('192.0.2.1', 5000)"), 'bad-name'],
    ['CONNECT a b', bytesOf('CONNECT a 192.0.2.1 5000'), 'reserved-name'],
    ['CONNECT:7', bytesOf('CONNECT:7'), 'reserved-name'],
    ['CONNECT_ACK', bytesOf('CONNECT_ACK:192.0.2.1:5000'), 'reserved-name'],
    ['CONNECT_NAK', bytesOf('CONNECT_NAK:7'), 'reserved-name'],
    ['EXIT', bytesOf('EXIT'), 'reserved-name'],
    ['EXIT_ACK', bytesOf('EXIT_ACK'), 'reserved-name'],
    ['BIND token', bytesOf('BIND 0123'), 'reserved-name'],
    ['ERROR:x', bytesOf('ERROR:x'), 'reserved-name'],
    ['ERROR id', bytesOf('ERROR id 10 in use'), 'reserved-name'],
    ['65 bytes', bytesOf('a'.repeat(65)), 'bad-name'],
    ['65 bytes of 33 letters', bytesOf(`a${'é'.repeat(32)}`), 'bad-name'],
    ['65 bytes of 17 emoji and letters', bytesOf(`a${'🎷'.repeat(16)}`), 'bad-name'],
    ['a stage with a comma', bytesOf('alice v=2 stage=a,b'), 'bad-stage'],
    ['a stage with an umlaut', bytesOf('alice v=2 stage=ä'), 'bad-stage'],
    ['a stage of 65', bytesOf(`alice v=2 stage=${'s'.repeat(65)}`), 'bad-stage'],
  ]
  for (const [name, bytes, refusal] of table) t.equal(decodeRegistration(bytes), refusal, name)
})

t.test('names of 64 bytes, and words that only look reserved', async t => {
  const names = [
    'a'.repeat(64),
    'é'.repeat(32),
    '🎷'.repeat(16),
    'register',
    'Connect',
    'REGISTERx',
    'LISTS',
    'xLIST',
    'a:LIST',
    'ERRORS:x',
    'LIST_NACK',
    'a=b',
    '"',
    '<script>',
    '%s%n',
    '$(id)',
    '../..',
    '\ufffd',
  ]
  for (const name of names) {
    t.equal(nameProblem(name), undefined, name)
    t.match(decodeRegistration(bytesOf(name)), { name, newer: false })
    t.match(decodeRegistration(bytesOf(`x v=2 seek=${name}`)), { seek: name })
  }
})

t.test('name and tokens have 512 bytes, blanks not counted', async t => {
  const ofLength = (length: number, filler = 'x') => {
    const start = 'alice v=2 future='
    return bytesOf(start + filler.repeat((length - start.length) / bytesOf(filler).length))
  }
  t.match(decodeRegistration(ofLength(512)), { name: 'alice', newer: true })
  t.equal(decodeRegistration(ofLength(513)), 'too-long')
  t.match(decodeRegistration(bytesOf(`${textOf(ofLength(512))}${' '.repeat(488)}`)), { name: 'alice' })
  t.equal(ofLength(513, 'é').length, 513)
  t.equal(decodeRegistration(ofLength(513, 'é')), 'too-long', 'bytes, not letters')
})

t.test('a sought name that is not UTF-8 is nobody, not the one called U+FFFD', async t => {
  const wire = Uint8Array.of(...bytesOf('alice v=2 seek='), 0xff)
  const request = decodeRegistration(wire)
  t.equal(typeof request === 'object' ? request.seek : request, undefined)
})

const nameUnit = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...'abcXYZ019@_-=.:/🎷éß漢') },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) },
)
const anyName = fc
  .string({ unit: nameUnit, minLength: 1, maxLength: 40 })
  .filter(name => nameProblem(name) === undefined)
const opaque = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 64 }).map(s => s.replace(/[ ,]/g, '_'))
const anyPort = fc.integer({ min: 1, max: 65535 })
const anyEndpoint = record({
  address: fc.constantFrom('192.0.2.1', '10.0.0.1', '255.255.255.255', '2001:db8::1', 'fd00::', '::1'),
  port: anyPort,
})
const anyRequest: fc.Arbitrary<RegistrationRequest> = fc.oneof(
  anyName.map(name => ({ name, newer: false, stage: '', hosts: [] })),
  record({
    name: anyName,
    stage: fc.oneof(fc.constant(''), opaque),
    seek: fc.option(anyName, { nil: undefined }),
    cookie: fc.option(opaque, { nil: undefined }),
    hosts: fc.array(anyEndpoint, { maxLength: 4 }),
  }).map(({ name, stage, seek, cookie, hosts }) => ({
    name,
    newer: true,
    stage,
    ...(seek !== undefined && { seek }),
    ...(cookie !== undefined && { cookie }),
    hosts,
  })),
)

t.test('every registration survives the way there, in 512 bytes', async () => {
  fc.assert(
    fc.property(anyRequest, fc.boolean(), (request, pad) => {
      const bytes = encodeRegistration(request, pad)
      if (bytes.length > (pad ? 1000 : 512)) throw new Error(`${bytes.length} bytes`)
      expectEqual(decodeRegistration(bytes), request)
    }),
    { numRuns: 1000 },
  )
})

// Lines

const plainFields = { newer: false, proven: false, hosts: [] }
const lines: [wire: string, line: Line][] = [
  [
    '0,1,alice,192.0.2.1,5000\n',
    { slot: 0, count: 1, name: 'alice', endpoint: endpoint('192.0.2.1', 5000), ...plainFields },
  ],
  [
    '4095,4096,é@=:,2001:db8::1,1\n',
    { slot: 4095, count: 4096, name: 'é@=:', endpoint: endpoint('2001:db8::1', 1), ...plainFields },
  ],
  [
    '1,2,bob,192.0.2.1,65535,v=2\n',
    { slot: 1, count: 2, name: 'bob', endpoint: endpoint('192.0.2.1', 65535), ...plainFields, newer: true },
  ],
  [
    '1,2,bob,192.0.2.1,1,v=2,ok=1,cookie=a=b,pair=/,host=10.0.0.1:1024,host=[fd00::1]:9\n',
    {
      slot: 1,
      count: 2,
      name: 'bob',
      endpoint: endpoint('192.0.2.1', 1),
      newer: true,
      proven: true,
      cookie: 'a=b',
      pair: '/',
      hosts: [endpoint('10.0.0.1', 1024), endpoint('fd00::1', 9)],
    },
  ],
]

t.test('phonebook lines, both ways', async t => {
  for (const [wire, line] of lines) {
    t.same(decodeLines(bytesOf(wire)), [line], wire)
    t.equal(textOf(encodeLine(line, line.count, line)), wire)
  }
  t.same(
    decodeLines(bytesOf(lines.map(([wire]) => wire).join(''))),
    lines.map(([, line]) => line),
    'several to a datagram',
  )
})

t.test('a line that can not be read is left out, the others stay', async t => {
  const good = '0,1,alice,192.0.2.1,5000'
  const bad = [
    '',
    ',',
    ',,,,',
    '0,1,alice,192.0.2.1',
    '0,1,alice,192.0.2.1,0',
    '0,1,alice,192.0.2.1,65536',
    '0,1,alice,192.0.2.1,-1',
    '0,1,alice,192.0.2.1,NaN',
    '0,1,alice,localhost,5000',
    '0,1,alice,127.66,5000',
    '0,1,alice,2130706498,5000',
    '0,1,alice,fe80::1%eth0,5000',
    '0,1,,192.0.2.1,5000',
    '0,1,LIST,192.0.2.1,5000',
    '0,1,a b,192.0.2.1,5000',
    '0,1,\x1b[2J,192.0.2.1,5000',
    `0,1,${'a'.repeat(65)},192.0.2.1,5000`,
    '-1,1,alice,192.0.2.1,5000',
    'x,1,alice,192.0.2.1,5000',
    ',1,alice,192.0.2.1,5000',
    '0,,alice,192.0.2.1,5000',
    '0,1e9,alice,192.0.2.1,5000',
    '0,1234567890,alice,192.0.2.1,5000',
    'REGISTERED 192.0.2.1',
    "LIST_ACK:1,('192.0.2.1', 5000)",
    'This is a direct P2P message from bob to alice',
  ]
  for (const row of bad) {
    t.same(decodeLines(bytesOf(row)), [], JSON.stringify(row))
    t.same(decodeLines(bytesOf(`${good}\n${row}\n${good}\n`)).length, 2, `among others: ${JSON.stringify(row)}`)
  }
  t.same(decodeLines(Uint8Array.of(...bytesOf(good), 10, 0xff)), [], 'a datagram that is not UTF-8 is no book')
  t.same(decodeLines(new Uint8Array(65_536).fill(10)), [])
  t.same(decodeLines(bytesOf('\n'.repeat(65_535))), [])
})

t.test('readable, with oddities', async t => {
  const table: [wire: string, line: Partial<Line>][] = [
    ['0,1,alice,192.0.2.1,5000', { name: 'alice' }],
    ['0,1,alice,192.0.2.1,5000\r\n', { endpoint: endpoint('192.0.2.1', 5000) }],
    ['0,1,alice,::ffff:192.0.2.1,5000\n', { endpoint: endpoint('192.0.2.1', 5000) }],
    ['0,1,alice,2001:DB8::1,5000\n', { endpoint: endpoint('2001:db8::1', 5000) }],
    ['0,1,alice,192.0.2.1,5000,v=1,ok=0,cookie=,pair=,host=x\n', plainFields],
    ['0,1,alice,192.0.2.1,5000,later=1,__proto__=1,v,=,,\n', plainFields],
    [`0,1,alice,192.0.2.1,5000,cookie=${'c'.repeat(65)}\n`, plainFields],
    ['9,1,alice,192.0.2.1,5000\n', { slot: 9, count: 1 }],
  ]
  for (const [wire, expected] of table) t.match(decodeLines(bytesOf(wire))[0], expected, JSON.stringify(wire))
  const five = '0,1,a,1.1.1.1,1' + ',host=1.1.1.1:7'.repeat(5)
  t.equal(decodeLines(bytesOf(five))[0]?.hosts.length, 4)
})

t.test('every line survives the way back', async () => {
  const line = record({
    slot: fc.nat(4095),
    count: fc.nat(4096),
    name: anyName,
    endpoint: anyEndpoint,
    newer: fc.boolean(),
    proven: fc.boolean(),
    cookie: fc.option(opaque, { nil: undefined }),
    pair: fc.option(opaque, { nil: undefined }),
    hosts: fc.array(anyEndpoint, { maxLength: 4 }),
  }).map(({ cookie, pair, ...rest }) => ({
    ...rest,
    ...(cookie !== undefined && { cookie }),
    ...(pair !== undefined && { pair }),
  }))
  fc.assert(
    fc.property(line, original => {
      expectEqual(decodeLines(encodeLine(original, original.count, original)), [original])
    }),
    { numRuns: 500 },
  )
})

// Between two peers

const tag = numbered(100, 8)
const transaction = numbered(1, 12)
const mask = (bytes: number[]) => bytes.map((byte, i) => byte ^ (transaction[i % 12] ?? 0))
const messages: [bytes: number[], message: PeerMessage][] = [
  [
    [0xfe, 1, ...transaction, ...tag, 1, 112, 3, 98, 111, 98, 2, 0xc3, 0xa9],
    { type: 'check', transaction, tag, pair: 'p', from: 'bob', to: 'é' },
  ],
  [
    [0xfe, 1, ...transaction, ...tag, 0, 1, 97, 1, 98],
    { type: 'check', transaction, tag, pair: '', from: 'a', to: 'b' },
  ],
  [
    [0xfe, 2, ...transaction, ...tag, ...mask([0x13, 0x88, 192, 0, 2, 1])],
    { type: 'check-response', transaction, tag, observed: endpoint('192.0.2.1', 5000) },
  ],
  [
    [0xfe, 2, ...transaction, ...tag, ...mask([0, 1, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])],
    { type: 'check-response', transaction, tag, observed: endpoint('2001:db8::1', 1) },
  ],
  [[0xfe, 3, ...tag, 0xff, 0, 0, 1, 104, 105], { type: 'data', tag, sequence: 0xff000001, payload: bytesOf('hi') }],
  [[0xfe, 3, ...tag, 0, 0, 0, 0], { type: 'data', tag, sequence: 0, payload: new Uint8Array(0) }],
  [[0xfe, 4, ...tag], { type: 'keepalive', tag }],
  [[0xfe, 5, ...tag], { type: 'close', tag }],
]

/** What docs/dialects.md shows: from a real meeting. */
const documented: [hex: string, message: Partial<PeerMessage>][] = [
  [
    'fe01 faf75c99ed0f8504423f6f15 ec38bce45cc78ef0 00 03626f62 05616c696365',
    { type: 'check', pair: '', from: 'bob', to: 'alice' },
  ],
  [
    'fe02 faf75c99ed0f8504423f6f15 bd4a8062c9ef3478 5f2e 2399ed0e',
    { type: 'check-response', observed: endpoint('127.0.0.1', 42457) },
  ],
]

t.test('the documented messages', async t => {
  for (const [hex, expected] of documented) {
    const bytes = Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
    const message = decodePeerMessage(bytes)
    t.match(message, expected)
    t.same(message && encodePeerMessage(message), bytes)
  }
})

/** Data may be cut anywhere and still be data, and 16 bytes of address may become 4; the rest is whole or nothing. */
const mayBecome = ({ type }: PeerMessage, length: number) =>
  type === 'data' || (type === 'check-response' && length === 2 + 12 + 8 + 2 + 4)

t.test('what peers say to each other, both ways, and cut short', async t => {
  for (const [bytes, message] of messages) {
    t.same([...encodePeerMessage(message)], bytes, message.type)
    t.strictSame(decodePeerMessage(Uint8Array.from(bytes)), message, message.type)
    const inside = Uint8Array.from([9, 9, 9, ...bytes, 9]).subarray(3, 3 + bytes.length)
    t.strictSame(decodePeerMessage(inside), message, `${message.type} in a larger buffer`)
    for (const cut of truncations(Uint8Array.from(bytes))) {
      const left = decodePeerMessage(cut)
      if (left && !mayBecome(message, cut.length))
        t.fail(`${message.type} of ${cut.length} bytes is taken for ${left.type}`)
    }
    const longer = decodePeerMessage(Uint8Array.from([...bytes, 0]))
    if (longer && message.type !== 'data') t.fail(`${message.type} with a byte too many is taken`)
  }
})

t.test('messages that are not quite messages', async t => {
  const check = (pair: number[], from: number[], to: number[]) =>
    Uint8Array.from([0xfe, 1, ...transaction, ...tag, pair.length, ...pair, from.length, ...from, to.length, ...to])
  const [a, b] = [[97], [98]]
  t.ok(decodePeerMessage(check([], a, b)))
  const table: [name: string, bytes: Uint8Array][] = [
    ['nothing', new Uint8Array(0)],
    ['the first byte alone', Uint8Array.of(0xfe)],
    ['type 0', Uint8Array.of(0xfe, 0, ...tag)],
    ['type 6', Uint8Array.of(0xfe, 6, ...tag)],
    ['another first byte', Uint8Array.of(0xff, 4, ...tag)],
    ['a sender without a name', check([], [], b)],
    ['a receiver without a name', check([], a, [])],
    ['a name that is a word', check([], [...bytesOf('LIST')], b)],
    ['a name of 65 bytes', check([], Array<number>(65).fill(97), b)],
    ['a name with an escape', check([], [0x1b], b)],
    ['a name that is not UTF-8', check([], [0xff], b)],
    ['a pair token with a blank', check([32], a, b)],
    ['a pair token of 65 bytes', check(Array<number>(65).fill(97), a, b)],
    ['a length that points outside', Uint8Array.of(0xfe, 1, ...transaction, ...tag, 255, 1)],
    ['observed at port 0', Uint8Array.of(0xfe, 2, ...transaction, ...tag, ...mask([0, 0, 1, 1, 1, 1]))],
    ['observed at five bytes', Uint8Array.of(0xfe, 2, ...transaction, ...tag, ...mask([1, 1, 1, 1, 1, 1, 1]))],
    ['1201 bytes of data', Uint8Array.of(0xfe, 3, ...tag, 0, 0, 0, 0, ...new Uint8Array(longestPayload + 1))],
    ['64 KiB of the first byte', new Uint8Array(65507).fill(0xfe)],
  ]
  for (const [name, bytes] of table) t.equal(decodePeerMessage(bytes), undefined, name)
  const whole = encodePeerMessage({ type: 'data', tag, sequence: 1, payload: new Uint8Array(longestPayload) })
  t.ok(decodePeerMessage(whole))
})

const fixed = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const anyMessage: fc.Arbitrary<PeerMessage> = fc.oneof(
  record({
    type: fc.constant('check' as const),
    transaction: fixed(12),
    tag: fixed(8),
    pair: fc.oneof(fc.constant(''), opaque),
    from: anyName,
    to: anyName,
  }),
  record({
    type: fc.constant('check-response' as const),
    transaction: fixed(12),
    tag: fixed(8),
    observed: anyEndpoint,
  }),
  record({
    type: fc.constant('data' as const),
    tag: fixed(8),
    sequence: fc.nat(0xffffffff),
    payload: fc.uint8Array({ maxLength: longestPayload }),
  }),
  record({ type: fc.constantFrom('keepalive' as const, 'close' as const), tag: fixed(8) }),
)

t.test('no peer message is text, STUN, DTLS, a channel, a phonebook line or a registration', async () => {
  fc.assert(
    fc.property(anyMessage, message => {
      const bytes = encodePeerMessage(message)
      expectEqual(decodePeerMessage(bytes), message)
      if (!isPeerMessage(bytes)) throw new Error('not known as what it is')
      if (decodeUtf8(bytes) !== undefined) throw new Error('valid UTF-8')
      if ((bytes[0] ?? 0) <= 191) throw new Error('in the range of another protocol: RFC 7983')
      if (decodeLines(bytes).length > 0) throw new Error('a phonebook line')
      const request = decodeRegistration(bytes)
      if (typeof request !== 'string') throw new Error('a registration')
      for (let length = 1; length < bytes.length; length += 7)
        if (typeof decodeRegistration(bytes.subarray(0, length)) !== 'string') throw new Error('cut: a registration')
    }),
    { numRuns: 500 },
  )
})

t.test('text for an older peer is never an order to it', async t => {
  const table: [text: string, sent: string][] = [
    ['hello', 'hello'],
    ['', ''],
    ['CONNECT', ' CONNECT'],
    ['CONNECT 10 192.0.2.66 5000', ' CONNECT 10 192.0.2.66 5000'],
    ['CONNECTED', ' CONNECTED'],
    ['CONNECT_ACK:192.0.2.66:1', ' CONNECT_ACK:192.0.2.66:1'],
    ['LIST_ACK:', ' LIST_ACK:'],
    ['connect', 'connect'],
    ['LIST', 'LIST'],
    [' CONNECT', ' CONNECT'],
    ['a CONNECT', 'a CONNECT'],
    ['\nCONNECT', '\nCONNECT'],
  ]
  for (const [text, sent] of table) t.equal(textOf(encodeText(text)), sent)
  const start = fc.constantFrom('', 'CONNECT', 'LIST_ACK', 'CONNECT_ACK', 'CON')
  fc.assert(
    fc.property(fc.tuple(start, fc.string({ unit: 'binary' })), ([word, rest]) => {
      const bytes = encodeText(word + rest)
      return decodeUtf8(bytes) !== undefined && !/^(CONNECT|LIST_ACK)/.test(textOf(bytes)) && !isPeerMessage(bytes)
    }),
  )
  t.equal(directMessage('alice', 'bob'), 'This is a direct P2P message from alice to bob')
})

t.test('whatever comes, nothing throws: valid messages cut, mutated, or noise', async () => {
  const valid = fc.oneof(
    anyRequest.map(request => encodeRegistration(request)),
    anyMessage.map(encodePeerMessage),
    fc.constantFrom(...lines.map(([wire]) => bytesOf(wire))),
  )
  const mutation = record({ at: fc.nat(600), byte: fc.nat(255) })
  const mutated = fc.tuple(valid, fc.array(mutation, { maxLength: 3 }), fc.nat(600)).map(([bytes, slips, length]) => {
    const copy = bytes.slice(0, Math.max(1, length))
    for (const { at, byte } of slips) copy[at % copy.length] = byte
    return copy
  })
  const { desk } = setUp()
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 80 })), bytes => {
      for (const part of [bytes, ...truncations(bytes)]) {
        decodePeerMessage(part)
        decodeUtf8(part)
        for (const line of decodeLines(part))
          if (nameProblem(line.name)) throw new Error(`a line with the name ${line.name}`)
        const request = decodeRegistration(part)
        if (typeof request === 'string') continue
        if (nameProblem(request.name)) throw new Error(`registered ${request.name}`)
        dialect.answer(request, endpoint('192.0.2.1', 5000), part.length, desk)
      }
    }),
    { numRuns: 500 },
  )
})

// Answers

type Asked = string | RegistrationRequest | Uint8Array

/** A desk that knows cookies by heart, and what a client reads of an answer. */
function setUp({ capacity = 64, splitStages = false, strict = false } = {}) {
  const phonebook = new Phonebook({ capacity })
  let nowMs = 0
  const cookieFor = ({ address, port }: Endpoint) => `c${address}/${port}`
  const desk: Desk = {
    phonebook,
    now: () => nowMs,
    via: 0,
    sockets: [],
    splitStages,
    randomBytes: count => new Uint8Array(count),
    cookieFor,
    isCookieOf: (cookie, from) => cookie === cookieFor(from),
    claimHolds: () => 'no',
    pairToken: (a, b) => [a.name, b.name].sort().join('+'),
    allowance(entry, bytesIn, standing) {
      entry.creditBytes = 0 // of this request alone
      if (standing === 'older' && !strict) return { datagrams: Infinity, bytes: Infinity, headerBytes: 28 }
      return new Admission({ strict: true }, 1).allowance(entry, bytesIn, standing, () => nowMs)
    },
  }
  const bytesFor = (asked: Asked): Uint8Array => {
    if (asked instanceof Uint8Array) return asked
    return typeof asked === 'string' ? bytesOf(asked) : encodeRegistration(asked)
  }
  const register = (asked: Asked, from: Endpoint): Answer & { lines: Line[] } => {
    nowMs++
    const bytes = bytesFor(asked)
    const request = dialect.decode(bytes)
    if (typeof request === 'string') throw new Error(`refused: ${request}`)
    const answer = dialect.answer(request, from, bytes.length, desk)
    if (typeof answer === 'string') throw new Error(`refused: ${answer}`)
    // Its own line first: also when that one is sent last.
    const datagrams = [...(answer.later ?? []), ...answer.datagrams]
    return { ...answer, datagrams, lines: datagrams.flatMap(decodeLines) }
  }
  return { desk, phonebook, register, cookieFor }
}

const noticeOf = ({ desk }: ReturnType<typeof setUp>, { registered }: Answer) =>
  registered && dialect.notice?.(registered.entry, desk)

const home = (n: number): Endpoint => endpoint('198.51.100.1', 1000 + n)
const names = (answer: { lines: Line[] }): string[] => answer.lines.map(({ name }) => name)

/** Registers and echoes the cookie. */
const prove = ({ register, cookieFor }: ReturnType<typeof setUp>, wire: string, from: Endpoint) => {
  register(wire, from)
  return register(`${wire} cookie=${cookieFor(from)}`, from)
}

t.test('an older client reads its own line first, then the most recently refreshed, sixteen in all', async t => {
  const { register } = setUp()
  t.same(register('alice', home(0)).datagrams.map(textOf), ['0,1,alice,198.51.100.1,1000\n'])
  for (let i = 1; i <= 30; i++) register(`n${i}`, home(i))
  register('n3 v=2', home(3))
  const answer = register('alice', home(0))
  const rest = [...Array(30).keys()].map(i => `n${30 - i}`).filter(name => name !== 'n3')
  t.same(names(answer), ['alice', 'n3', ...rest].slice(0, 16))
  t.equal(answer.datagrams.length, 16, 'one line to a datagram')
  for (const bytes of answer.datagrams) t.match(textOf(bytes), /^\d+,31,\w+,198\.51\.100\.1,\d+\n$/)
})

t.test('a plain line is up to date after its owner moved and after the book grew', async t => {
  const { register } = setUp()
  register('alice', home(0))
  register('bob', home(1))
  t.same(register('alice', home(0)).datagrams.map(textOf)[1], '1,2,bob,198.51.100.1,1001\n')
  register('bob', home(7))
  register('carol', home(2))
  t.same(register('alice', home(0)).datagrams.map(textOf).sort(), [
    '0,3,alice,198.51.100.1,1000\n',
    '1,3,bob,198.51.100.1,1007\n',
    '2,3,carol,198.51.100.1,1002\n',
  ])
})

t.test('an older client that registers again in a book of few has its own line a little later', async t => {
  const { register } = setUp()
  const laterOf = (name: string, from: Endpoint) => (register(name, from).later ?? []).map(textOf)
  t.same(laterOf('alice', home(0)), [], 'the first time: at once, for it loses the first line it gets')
  t.same(laterOf('alice', home(0)), [], 'alone: there is nothing else to say')
  for (let i = 1; i <= 3; i++) {
    t.same(laterOf(`n${i}`, home(i)), [], 'a newcomer: at once')
    t.same(laterOf('alice', home(0)), [`0,${i + 1},alice,198.51.100.1,1000\n`])
  }
  t.same(laterOf('alice', home(9)), [], 'from elsewhere: it may have been started anew')
  t.same(laterOf('alice v=2', home(9)), [], 'a newer one never loses it')
  register('n4', home(4))
  t.same(laterOf('alice', home(9)), [], 'among many it makes no difference')
})

t.test('what the server says is no registration, whoever hears it', async t => {
  const desk = setUp()
  const said: Uint8Array[] = []
  for (let i = 0; i < 20; i++) {
    const wire = i % 2 ? `n${i}` : `n${i} v=2 seek=n${(i + 2) % 20} host=10.0.0.${i}:5000`
    said.push(...desk.register(wire, home(i)).datagrams)
    if (i % 4 === 0) said.push(...prove(desk, wire, home(i)).datagrams)
  }
  const moved = desk.register('n0 v=2', home(50))
  said.push(noticeOf(desk, moved) ?? new Uint8Array())
  for (const receiver of desk.phonebook.entries())
    said.push(...dialect.introduce(receiver, [...desk.phonebook.entries()], desk.desk))
  t.ok(said.length > 200)
  for (const bytes of said) {
    if (typeof decodeRegistration(bytes) !== 'string') t.fail(textOf(bytes))
    for (const row of textOf(bytes).split('\n'))
      if (typeof decodeRegistration(bytesOf(row)) !== 'string') t.fail(`row by row: ${row}`)
  }
})

t.test('a newer client gets marks and its cookie, several lines to a datagram', async t => {
  const desk = setUp()
  desk.register('older', home(1))
  desk.register('newer v=2', home(2))
  prove(desk, 'proven v=2 host=10.0.0.3:5000', home(3))
  const first = desk.register(bytesOf('alice v=2'.padEnd(1000)), home(0))
  t.equal(first.datagrams.length, 1)
  t.equal(
    textOf(first.datagrams[0] ?? new Uint8Array()),
    [
      '3,4,alice,198.51.100.1,1000,v=2,cookie=c198.51.100.1/1000',
      '2,4,proven,198.51.100.1,1003,v=2,ok=1',
      '1,4,newer,198.51.100.1,1002,v=2',
      '0,4,older,198.51.100.1,1001',
      '',
    ].join('\n'),
  )
})

t.test('a cookie proves the endpoint that it was made for, as long as that lasts', async t => {
  const desk = setUp()
  const proven = () => desk.phonebook.find('alice')?.proven
  t.same([desk.register('alice v=2', home(0)).lines[0]?.proven, proven()], [false, false])
  desk.register(`alice v=2 cookie=${desk.cookieFor(home(1))}`, home(0))
  t.equal(proven(), false, "somebody else's cookie")
  const echoed = desk.register(`alice v=2 cookie=${desk.cookieFor(home(0))}`, home(0))
  t.same([echoed.lines[0]?.proven, proven()], [true, true])
  desk.register('alice v=2', home(0))
  t.equal(proven(), true)
  desk.register(`alice v=2 cookie=${desk.cookieFor(home(0))}`, home(9))
  t.equal(proven(), false, 'the cookie of its former endpoint')
})

t.test('whoever held a name is told who holds it now, if it can be told', async t => {
  const desk = setUp()
  prove(desk, 'alice v=2', home(0))
  const taken = desk.register('alice v=2', home(6))
  t.same(taken.registered?.formerly, { endpoint: home(0), via: 0, door: 'phonebook' })
  const said = textOf(noticeOf(desk, taken) ?? new Uint8Array())
  t.equal(said, '0,1,alice,198.51.100.1,1006\n', 'without a cookie: that is how it knows')
  t.equal(desk.register('alice v=2', home(7)).registered?.formerly, undefined, 'an unproven one is not')
})

t.test('a seeker on a stage of sixteen sees the stage, the sought one first; on a larger one only that', async t => {
  const desk = setUp()
  desk.register('bob v=2', home(1))
  for (let i = 2; i <= 15; i++) desk.register(`n${i}`, home(i))
  const wire = `alice v=2 seek=bob cookie=${desk.cookieFor(home(0))}`
  const small = desk.register(wire, home(0))
  t.equal(desk.phonebook.stageSize(''), 16)
  t.same(names(small), ['alice', 'bob', ...[...Array(14).keys()].map(i => `n${15 - i}`)])
  desk.register('elsewhere v=2 stage=jam', home(20))
  t.equal(names(desk.register(wire, home(0))).length, 16, 'other stages do not count')
  desk.register('n16', home(16))
  t.same(names(desk.register(wire, home(0))), ['alice', 'bob'])
  t.same(names(desk.register(wire.replace('bob', 'nobody'), home(0))), ['alice'])
  t.same(names(desk.register(wire.replace('bob', 'alice'), home(0))), ['alice'], 'who seeks himself')
  t.same(names(desk.register(wire.replace('bob', 'elsewhere'), home(0))), ['alice'], 'who is on another stage')
  t.equal(names(desk.register(`alice v=2 cookie=${desk.cookieFor(home(0))}`, home(0))).length, 17, 'no seeker')
})

t.test('a padded first registration earns a book of sixteen in one round trip', async t => {
  for (const [family, address, letters] of [
    [4, '198.51.100.255', 64],
    [6, '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', 20],
  ] as const) {
    const { register } = setUp()
    const name = (i: number) => `n${i}`.padEnd(letters, 'x')
    for (let i = 1; i <= 15; i++) register(name(i), endpoint(address, 10_000 + i))
    const request = { name: name(0), newer: true, stage: '', seek: name(1), hosts: [] }
    const answer = register(encodeRegistration(request, true), endpoint(address, 10_000))
    t.equal(answer.lines.length, 16, `IPv${family}`)
  }
})

t.test('candidates and token are for two who seek each other, the token if both are proven', async t => {
  const cases: [alice: string, bob: string, bobProven: boolean, pair: boolean, hosts: boolean][] = [
    ['seek=bob', 'seek=alice', true, true, true],
    ['seek=bob', 'seek=alice', false, false, true],
    ['seek=bob', '', true, false, false],
    ['seek=bob', 'seek=carol', true, false, false],
    ['', 'seek=alice', true, false, false],
    ['seek=bob stage=jam', 'seek=alice', true, false, false],
  ]
  for (const [alice, bob, bobProven, pair, hosts] of cases) {
    const desk = setUp()
    const host = 'host=10.0.0.1:5000'
    const bobs = `bob v=2 ${bob} ${host}`
    if (bobProven) prove(desk, bobs, home(1))
    else desk.register(bobs, home(1))
    const unproven = desk.register(`alice v=2 ${alice} ${host}`, home(0)).lines.find(({ name }) => name === 'bob')
    t.equal(unproven?.pair, undefined, `${alice} / ${bob}: before alice is proven`)
    const line = prove(desk, `alice v=2 ${alice} ${host}`, home(0)).lines.find(({ name }) => name === 'bob')
    t.equal(line?.pair, pair ? 'alice+bob' : undefined, `${alice} / ${bob}: token`)
    t.equal((line?.hosts.length ?? 0) > 0, hosts, `${alice} / ${bob}: candidates`)
    const { phonebook } = desk
    const entry = (name: string) => phonebook.find(name) ?? phonebook.find(name, 'jam')
    const pushed = dialect.introduce(entry('bob') as Entry, [entry('alice') as Entry], desk.desk).flatMap(decodeLines)
    t.equal(pushed[0]?.pair, line?.pair, `${alice} / ${bob}: pushed to bob`)
    t.equal((pushed[0]?.hosts.length ?? 0) > 0, hosts)
  }
})

t.test('an IPv4 registrant hears of no IPv6 endpoint, neither asked nor pushed', async t => {
  const desk = setUp()
  const six = endpoint('2001:db8::1', 5000)
  desk.register('six v=2 seek=four', six)
  desk.register('six-older', endpoint('2001:db8::2', 5000))
  const heard = [
    ...desk.register('four v=2 seek=six', home(0)).lines,
    ...desk.register('four-older', home(1)).lines,
    ...['four', 'four-older'].flatMap(name =>
      dialect
        .introduce(desk.phonebook.find(name) as Entry, [...desk.phonebook.entries()], desk.desk)
        .flatMap(decodeLines),
    ),
  ]
  t.same([...new Set(heard.map(({ name }) => name))].sort(), ['four', 'four-older'])
  t.same(names(desk.register('six-older', six)).sort(), ['four', 'four-older', 'six', 'six-older'])
})

t.test(
  'but who offers an IPv6 candidate of its own has IPv6: it hears of the one that it seeks and that seeks it',
  async t => {
    const six = endpoint('2001:db8:b::2', 5000)
    const rows: [alice: string, bob: string, seesBob: boolean][] = [
      ['v=2 seek=bob host=[2001:db8:a::2]:5000', 'v=2 seek=alice', true],
      ['v=2 seek=bob host=10.0.0.1:5000', 'v=2 seek=alice', false],
      ['v=2 seek=bob', 'v=2 seek=alice', false],
      ['v=2 seek=bob host=[2001:db8:a::2]:5000', 'v=2 seek=carol', false],
      ['v=2 seek=carol host=[2001:db8:a::2]:5000', 'v=2 seek=alice', false],
      ['v=2 seek=bob host=[2001:db8:a::2]:5000', '', false],
      ['', 'v=2 seek=alice', false],
    ]
    for (const [alice, bob, seesBob] of rows) {
      const desk = setUp()
      desk.register(`bob ${bob} host=10.0.0.9:5000 host=[2001:db8:b::3]:5000`, six)
      const answer = desk.register(bytesOf(`alice ${alice}`.padEnd(1000)), home(0))
      const book = desk.phonebook
      const pushed = dialect.introduce(book.find('alice') as Entry, [book.find('bob') as Entry], desk.desk)
      const [told, news] = [answer.lines, pushed.flatMap(decodeLines)].map(lines =>
        lines.find(line => line.name === 'bob'),
      )
      t.equal(told !== undefined, seesBob, `${alice} / ${bob}`)
      t.same(news, told, `${alice} / ${bob}: pushed`)
      if (told) t.same(told.hosts, [endpoint('10.0.0.9', 5000), endpoint('2001:db8:b::3', 5000)])
    }
  },
)

t.test('an IPv4 registrant hears of no IPv6 candidate either', async t => {
  const desk = setUp()
  desk.register('bob v=2 seek=alice host=[fd00::1]:5000 host=10.0.0.1:5000', home(1))
  const { lines } = desk.register(bytesOf('alice v=2 seek=bob'.padEnd(1000)), home(0))
  t.same(lines.find(({ name }) => name === 'bob')?.hosts, [endpoint('10.0.0.1', 5000)])
})

t.test('name@stage of an older client, where the server splits it', async t => {
  const table: [wire: string, name: string, stage: string][] = [
    ['alice@jam', 'alice', 'jam'],
    ['a@b@jam', 'a@b', 'jam'],
    ['alice', 'alice', ''],
    ['@jam', '@jam', ''],
    ['alice@', 'alice@', ''],
    ['alice@é', 'alice@é', ''],
    ['LIST@jam', 'LIST@jam', ''],
    ['alice@jam v=2', 'alice@jam', ''],
    ['alice@jam v=2 stage=tea', 'alice@jam', 'tea'],
  ]
  for (const [wire, name, stage] of table) {
    const desk = setUp({ splitStages: true })
    const answer = desk.register(wire, home(0))
    t.ok(desk.phonebook.find(name, stage), wire)
    t.same(names(answer), [name], wire)
  }
  const desk = setUp({ splitStages: true })
  desk.register('bob@jam', home(1))
  desk.register('carol@tea', home(2))
  desk.register('dave v=2 stage=jam', home(3))
  t.same(names(desk.register('alice@jam', home(0))), ['alice', 'dave', 'bob'])
  t.ok(setUp().register('alice@jam', home(0)).registered?.entry.name === 'alice@jam', 'elsewhere @ is a letter')
})

type Visit = { request: RegistrationRequest; from: number; pad: boolean; echo: boolean }

const letters = ['é', '漢', '🎷']
const visitor = fc.nat(60).map(i => (i < 45 ? `n${i}` : `${i}${(letters[i % 3] ?? '').repeat(15)}`))
const visit: fc.Arbitrary<Visit> = record({
  request: record({
    name: visitor,
    newer: fc.boolean(),
    stage: fc.constantFrom('', '', 'jam'),
    seek: fc.option(visitor, { nil: undefined }),
    hosts: fc.array(anyEndpoint, { maxLength: 4 }),
  }).map(({ seek, ...rest }) => ({ ...rest, ...(seek !== undefined && { seek }) })),
  from: fc.nat(9),
  pad: fc.boolean(),
  echo: fc.boolean(),
})
const sources = [...Array(10).keys()].map(i =>
  i < 7 ? endpoint(`198.51.100.${i}`, 5000) : endpoint(`2001:db8::${i}`, 5000),
)

t.test(
  'in every history: three times the bytes, three datagrams, whole lines, own line first, one cookie',
  async () => {
    let cut = 0
    let large = 0
    fc.assert(
      fc.property(fc.array(visit, { minLength: 1, maxLength: 150, size: 'max' }), fc.boolean(), (visits, strict) => {
        const desk = setUp({ strict, capacity: 40 })
        for (const { request, from, pad, echo } of visits) {
          const source = sources[from] as Endpoint
          const bytes = encodeRegistration({ ...request, ...(echo && { cookie: desk.cookieFor(source) }) }, pad)
          const { datagrams, lines: seen, registered } = desk.register(bytes, source)
          const header = headerBytes(source.address)
          const out = datagrams.reduce((sum, { length }) => sum + length + header, 0)
          if (request.newer ? !registered?.entry.proven : strict) {
            if (out > 3 * (bytes.length + header)) throw new Error(`${bytes.length} bytes in, ${out} out`)
            if (datagrams.length > 3) throw new Error(`${datagrams.length} datagrams`)
            if (seen.length < desk.phonebook.stageSize(request.newer ? request.stage : '')) cut++
          }
          if (request.newer !== true && (datagrams.length > 16 || seen.length !== datagrams.length))
            throw new Error(`${datagrams.length} datagrams, ${seen.length} lines to an older client`)
          if (datagrams.length > 1 && request.newer) large++
          for (const { length } of datagrams) if (length > 1200) throw new Error(`${length} bytes in a datagram`)
          const rows = datagrams.map(textOf).join('')
          if (!rows.endsWith('\n') || datagrams.some(part => !textOf(part).endsWith('\n')))
            throw new Error('half a line')
          if (rows.split('\n').length - 1 !== seen.length) throw new Error('an unreadable line')
          if (seen[0]?.name !== request.name) throw new Error('not its own line first')
          const cookies = seen.filter(({ cookie }) => cookie !== undefined)
          if (cookies.length !== (request.newer ? 1 : 0) || (request.newer && cookies[0] !== seen[0]))
            throw new Error('a cookie elsewhere than on its own line')
          if (new Set(names({ lines: seen })).size !== seen.length) throw new Error('somebody twice')
          const hasSix = request.newer && request.hosts.some(({ address }) => address.includes(':'))
          for (const { name, endpoint } of seen) {
            if (source.address.includes(':') || !endpoint.address.includes(':')) continue
            if (!hasSix || name !== request.seek) throw new Error('IPv6 for an IPv4 client')
          }
        }
      }),
      { numRuns: 150, interruptAfterTimeLimit: 8000 }, // shrinking included
    )
    if (cut < 100 || large < 10) throw new Error(`the bounds were hardly met: ${cut} cut, ${large} large`)
  },
)

t.test('a full book is packed into datagrams of 1200 bytes at most, and nobody is left out', async t => {
  const desk = setUp({ capacity: 4096 })
  for (let i = 1; i < 1000; i++) desk.register(`n${i}${(letters[i % 3] ?? '').repeat(i % 15)}`, home(i))
  const { datagrams, lines: seen } = prove(desk, 'alice v=2', home(0))
  t.equal(seen.length, 1000)
  t.equal(new Set(names({ lines: seen })).size, 1000)
  t.ok(datagrams.every(({ length }) => length <= 1200))
  const packed = datagrams.slice(0, -1).every(({ length }) => length > 1200 - 100)
  t.ok(packed, 'and they are full')
})
