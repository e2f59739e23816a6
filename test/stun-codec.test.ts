// The STUN codec: the RFCs' own vectors, every attribute both ways, hostile bytes, and a second opinion.
import { Buffer } from 'node:buffer'
import { createHmac } from 'node:crypto'
import { crc32 } from 'node:zlib'
import t from 'tap'
import fc from 'fast-check'
import { Message as TheirMessage, classes as theirClasses, parseMessage } from 'werift-ice'
import { type Endpoint, addressFromBytes } from '../src/endpoint.ts'
import {
  type Attribute,
  type AttributeName,
  attributes as table,
  isComprehensionRequired,
} from '../src/dialects/stun/attributes.ts'
import { describe } from '../src/dialects/stun/describe.ts'
import { integrityHolds, withFingerprint, withIntegrity } from '../src/dialects/stun/integrity.ts'
import {
  type Class,
  type Decoded,
  type Message,
  binding,
  decode,
  encode,
  every,
  first,
  isRfc3489,
  isStun,
  newTransactionId,
} from '../src/dialects/stun/message.ts'
import { bytesOf, sha256Vector, vectors } from './fixtures/stun-vectors.ts'

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const plain = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes)
const decoded = (bytes: Uint8Array): Decoded => {
  const message = decode(bytes)
  if (typeof message === 'string') throw new Error(`${message}: ${hexOf(bytes)}`)
  return message
}

const transaction = '0102030405060708090a0b0c'
const transactionId = newTransactionId(bytesOf(transaction))
const messageOf = (attributes: Attribute[], kind: Class = 'request', method = binding): Message => ({
  class: kind,
  method,
  transactionId,
  attributes,
})

/** The attributes as they stand on the wire, with a header. */
const wire = (body: string, type = '0001', id = `2112a442${transaction}`): Uint8Array => {
  const attributes = bytesOf(body)
  return Uint8Array.from([
    ...bytesOf(type),
    attributes.length >> 8,
    attributes.length & 255,
    ...bytesOf(id),
    ...attributes,
  ])
}
/** The length in the header made to fit. */
const fitted = (bytes: Uint8Array): Uint8Array => {
  const copy = plain(bytes)
  copy[2] = (bytes.length - 20) >> 8
  copy[3] = (bytes.length - 20) & 255
  return copy
}

// The vectors

/** The padding in an encoded message, replaced by what the vectors have there. */
const padded = (bytes: Uint8Array, padding: string): Uint8Array => {
  const copy = plain(bytes)
  for (let at = 20; at < copy.length;) {
    const end = at + 4 + (((copy[at + 2] ?? 0) << 8) | (copy[at + 3] ?? 0))
    const next = (end + 3) & ~3
    copy.fill(padding.charCodeAt(0), end, next)
    at = next
  }
  return copy
}

t.test('the vectors of RFC 5769, both ways', async t => {
  for (const { name, bytes, key, mac, fingerprint, padding, unknown, message } of vectors) {
    const found = decoded(bytes)
    const seals = ['MESSAGE-INTEGRITY', 'FINGERPRINT']
    const rest = found.attributes.filter(attribute => !seals.includes(attribute.name))
    t.same({ ...found, attributes: rest }, { ...message, unknown }, name)
    t.equal(first(found, 'FINGERPRINT') !== undefined, fingerprint)
    t.ok(integrityHolds(bytes, key, mac), `${name}: its integrity`)
    t.notOk(integrityHolds(bytes, bytesOf('00'), mac), `${name}: with another key`)
    const sealed = withIntegrity(padded(encode(message), padding), key, mac)
    t.equal(hexOf(fingerprint ? withFingerprint(sealed) : sealed), hexOf(bytes), `${name}, encoded`)
  }
  t.equal(vectors.length, 4)
})

t.test('the integrity of RFC 8489: SHA-256, whole and truncated, and USERHASH, which we do not have', async t => {
  const { bytes, key } = sha256Vector
  const found = decoded(bytes)
  t.same(found.unknown, [0x001e])
  t.same([first(found, 'NONCE'), first(found, 'REALM')], ['obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA', 'example.org'])
  t.ok(integrityHolds(bytes, key, 'MESSAGE-INTEGRITY-SHA256'))
  t.notOk(integrityHolds(bytes, key), 'there is no MESSAGE-INTEGRITY')
  t.equal(hexOf(withIntegrity(bytes.subarray(0, -36), key, 'MESSAGE-INTEGRITY-SHA256')), hexOf(bytes))

  const body = encode(messageOf([{ name: 'SOFTWARE', value: 'x' }]))
  for (const length of [16, 20, 28, 32]) {
    // A truncated mac covers a header that knows its length (RFC 8489 s.14.6).
    const covered = plain(body)
    covered[3] = body.length - 20 + 4 + length
    const mac = createHmac('sha256', key).update(covered).digest().subarray(0, length)
    const message = fitted(Uint8Array.from([...body, 0, 0x1c, 0, length, ...mac]))
    t.ok(integrityHolds(message, key, 'MESSAGE-INTEGRITY-SHA256'), `${length} bytes`)
    message[24] = 0x79
    t.notOk(integrityHolds(message, key, 'MESSAGE-INTEGRITY-SHA256'), `${length} bytes of another message`)
  }
})

t.test('a flipped bit breaks every seal over it', async t => {
  for (const { name, bytes, key, mac, fingerprint } of vectors) {
    const end = bytes.length - (fingerprint ? 8 : 0)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const at = bit >> 3
      const copy = plain(bytes)
      copy[at] = (copy[at] ?? 0) ^ (1 << (bit & 7))
      // What follows MESSAGE-INTEGRITY is not covered by it, and the length in the header is computed, not taken.
      const covered = at < end && at !== 2 && at !== 3
      if (covered && integrityHolds(copy, key, mac)) t.fail(`${name}, bit ${bit}: the integrity holds`)
      const found = decode(copy)
      if (fingerprint && typeof found !== 'string' && first(found, 'FINGERPRINT') !== undefined)
        t.fail(`${name}, bit ${bit}: the fingerprint holds`)
    }
  }
})

// The header

const endpoint = (address: string, port: number): Endpoint => ({ address, port })

t.test('types: class and method', async t => {
  const types: [type: string, kind: Class, method: number][] = [
    ['0001', 'request', 0x001],
    ['0011', 'indication', 0x001],
    ['0101', 'success response', 0x001],
    ['0111', 'error response', 0x001],
    ['0003', 'request', 0x003],
    ['0016', 'indication', 0x006],
    ['0113', 'error response', 0x003],
    ['00ef', 'request', 0x07f],
    ['0200', 'request', 0x080],
    ['3eef', 'request', 0xfff],
  ]
  for (const [type, kind, method] of types) {
    t.equal(hexOf(encode(messageOf([], kind, method))), `${type}00002112a442${transaction}`)
    if (parseInt(type, 16) > 0x3ff) t.equal(decode(wire('', type)), 'not-stun', 'a first byte above 3 is not ours')
    else t.match(decode(wire('', type)), { class: kind, method, attributes: [], unknown: [] }, type)
  }
})

t.test('what is STUN, and what is not', async t => {
  const request = wire('')
  const classic = '00112233445566778899aabbccddeeff'
  const datagrams: [what: string, bytes: Uint8Array, is: boolean][] = [
    ['a Binding request', request, true],
    ['the same in a Buffer', Buffer.from(request), true],
    ['an indication with an attribute', wire('8022000161000000', '0011'), true],
    ['a first byte of 3', wire('', '0301'), true],
    ['a first byte of 4', wire('', '0401'), false],
    ['nothing', new Uint8Array(0), false],
    ['a name', new TextEncoder().encode('alice'), false],
    ['20 bytes of text', new TextEncoder().encode('REGISTER 01234567890'), false],
    ['a length that is not the rest', Uint8Array.from([...request, 0, 0, 0, 0]), false],
    ['a length that is no multiple of 4', fitted(Uint8Array.from([...request, 0, 0])), false],
    ["RFC 3489's Binding request", wire('', '0001', classic), true],
    ["RFC 3489's Binding response", wire('', '0101', classic), false],
    ["RFC 3489's Shared Secret request", wire('', '0002', classic), false],
  ]
  for (const [what, bytes, is] of datagrams) {
    t.equal(isStun(bytes), is, what)
    t.equal(decode(bytes) === 'not-stun', !is, what)
  }
})

t.test("a classic tester's question, and its answer with the 128 bits that it chose", async t => {
  const id = '00112233445566778899aabbccddeeff'
  const asked = decoded(wire('00030004 00000006', '0001', id))
  t.ok(isRfc3489(asked.transactionId, 0))
  t.notOk(isRfc3489(decoded(wire('')).transactionId, 0))
  t.same(first(asked, 'CHANGE-REQUEST'), { ip: true, port: true })
  const answer = encode({
    ...asked,
    class: 'success response',
    attributes: [
      { name: 'MAPPED-ADDRESS', value: endpoint('192.0.2.1', 4660) },
      { name: 'SOURCE-ADDRESS', value: endpoint('198.51.100.1', 3478) },
      { name: 'CHANGED-ADDRESS', value: endpoint('198.51.100.2', 3479) },
    ],
  })
  t.equal(
    hexOf(answer),
    `01010024${id}000100080001${'1234c0000201'}000400080001${'0d96c6336401'}000500080001${'0d97c6336402'}`,
  )
})

t.test("a reflector's attribute, RESPONSE-ADDRESS, is unknown to us", async t => {
  t.same(decoded(wire('00020008 0001 1234 c0000201', '0001', '00'.repeat(16))).unknown, [2])
})

// Attributes

/** The value of each, and what follows its type on the wire: length, value, padding. */
const rows: [attribute: Attribute, wire: string][] = [
  [{ name: 'MAPPED-ADDRESS', value: endpoint('192.0.2.1', 32853) }, '00010008 0001 8055 c0000201'],
  [
    { name: 'MAPPED-ADDRESS', value: endpoint('2001:db8::1:0:0:1', 1) },
    '00010014 0002 0001 20010db8000000000001000000000001',
  ],
  [{ name: 'CHANGE-REQUEST', value: { ip: false, port: false } }, '00030004 00000000'],
  [{ name: 'CHANGE-REQUEST', value: { ip: true, port: false } }, '00030004 00000004'],
  [{ name: 'CHANGE-REQUEST', value: { ip: false, port: true } }, '00030004 00000002'],
  [{ name: 'SOURCE-ADDRESS', value: endpoint('255.255.255.255', 65535) }, '00040008 0001 ffff ffffffff'],
  [{ name: 'CHANGED-ADDRESS', value: endpoint('0.0.0.0', 1) }, '00050008 0001 0001 00000000'],
  [{ name: 'USERNAME', value: 'žluť' }, '00060006 c5be6c75c5a5 0000'],
  [
    { name: 'MESSAGE-INTEGRITY', value: bytesOf('00112233445566778899aabbccddeeff01020304') },
    '00080014 00112233445566778899aabbccddeeff01020304',
  ],
  [
    { name: 'ERROR-CODE', value: { code: 420, reason: 'Unknown Attribute' } },
    '00090015 0000 0414 556e6b6e6f776e20417474726962757465 000000',
  ],
  [{ name: 'ERROR-CODE', value: { code: 699, reason: '' } }, '00090004 0000 0663'],
  [{ name: 'UNKNOWN-ATTRIBUTES', value: [0x0003, 0x0027, 0x7fff] }, '000a0006 0003 0027 7fff 0000'],
  [{ name: 'XOR-PEER-ADDRESS', value: endpoint('192.0.2.1', 32853) }, '00120008 0001 a147 e112a643'],
  [{ name: 'REALM', value: 'example.org' }, '0014000b 6578616d706c652e6f7267 00'],
  [{ name: 'NONCE', value: '' }, '00150000'],
  [
    { name: 'MESSAGE-INTEGRITY-SHA256', value: bytesOf('00112233445566778899aabbccddeeff') },
    '001c0010 00112233445566778899aabbccddeeff',
  ],
  [{ name: 'XOR-MAPPED-ADDRESS', value: endpoint('192.0.2.1', 32853) }, '00200008 0001 a147 e112a643'],
  [
    { name: 'XOR-MAPPED-ADDRESS', value: endpoint('::1', 8466) },
    '00200014 0002 0000 2112a442 0102030405060708090a0b0d',
  ],
  [{ name: 'PRIORITY', value: 0xfedcba98 }, '00240004 fedcba98'],
  [{ name: 'USE-CANDIDATE', value: true }, '00250000'],
  [{ name: 'PADDING', value: 6 }, '00260006 000000000000 0000'],
  [{ name: 'RESPONSE-PORT', value: 1024 }, '00270002 0400 0000'],
  [{ name: 'SOFTWARE', value: 'x' }, '80220001 78 000000'],
  [{ name: 'ALTERNATE-SERVER', value: endpoint('192.0.2.1', 3478) }, '80230008 0001 0d96 c0000201'],
  [{ name: 'FINGERPRINT', value: 0x5b20f9cc }, '80280004 5b20f9cc'],
  [{ name: 'ICE-CONTROLLED', value: 0xfedcba9876543210n }, '80290008 fedcba9876543210'],
  [{ name: 'ICE-CONTROLLING', value: 1n }, '802a0008 0000000000000001'],
  [{ name: 'RESPONSE-ORIGIN', value: endpoint('192.0.2.1', 3478) }, '802b0008 0001 0d96 c0000201'],
  [{ name: 'OTHER-ADDRESS', value: endpoint('fe80::1', 3478) }, `802c0014 0002 0d96 fe80${'00'.repeat(13)}01`],
  [{ name: 'CLIENT-ID', value: '10' }, 'c0d10002 3130 0000'],
  [{ name: 'PEER-ID', value: 'Bärbel' }, 'c0d20007 42c3a47262656c 00'],
]

t.test('every attribute, both ways', async t => {
  for (const [attribute, body] of rows) {
    const bytes = wire(body)
    t.equal(hexOf(encode(messageOf([attribute]))), hexOf(bytes), attribute.name)
    t.same(decoded(bytes), { ...messageOf([attribute]), unknown: [] }, attribute.name)
  }
  t.same([...new Set(rows.map(([{ name }]) => name))].sort(), Object.keys(table).sort(), 'none is missing')
})

t.test('what an attribute may also look like', async t => {
  const others: [what: string, body: string, attribute: Attribute][] = [
    ['padding of anything', '80220001 78 ffff20', { name: 'SOFTWARE', value: 'x' }],
    [
      'a reserved byte that is set',
      '00010008 ff01 8055 c0000201',
      { name: 'MAPPED-ADDRESS', value: endpoint('192.0.2.1', 32853) },
    ],
    [
      'bits of CHANGE-REQUEST that mean nothing',
      '00030004 fffffffb',
      { name: 'CHANGE-REQUEST', value: { ip: false, port: true } },
    ],
    ["coturn's RESPONSE-PORT", '00270004 04000000', { name: 'RESPONSE-PORT', value: 1024 }],
    ['reserved bits of ERROR-CODE', '00090004 fffffc14', { name: 'ERROR-CODE', value: { code: 420, reason: '' } }],
    [
      'a mapped IPv4 address',
      `00010014 0002 0001 ${'00'.repeat(10)}ffffc0000201`,
      { name: 'MAPPED-ADDRESS', value: endpoint('192.0.2.1', 1) },
    ],
  ]
  for (const [what, body, attribute] of others) t.same(decoded(wire(body)).attributes, [attribute], what)
})

t.test('a value that can not be read: required, the message is dropped; optional, the attribute is', async t => {
  const broken: [what: string, body: string][] = [
    ['an address of no family', '00010008 0000 8055 c0000201'],
    ['an address of family 3', '00010008 0003 8055 c0000201'],
    ['an address of 4 bytes, called IPv6', '00200008 0002 8055 c0000201'],
    ['an address of 16 bytes, called IPv4', `00200014 0001 8055 ${'00'.repeat(16)}`],
    ['an address without the address', '00200004 0001 8055'],
    ['an empty address', '00200000'],
    ['port 0', '00010008 0001 0000 c0000201'],
    ['port 0 behind the XOR', '00200008 0001 2112 c0000201'],
    ['a name that is not UTF-8', '00060002 c328 0000'],
    ['a name that is too long', `000601fd ${'61'.repeat(509)} 000000`],
    ['a SHA-1 of 16 bytes', `00080010 ${'00'.repeat(16)}`],
    ['a SHA-256 of 12 bytes', `001c000c ${'00'.repeat(12)}`],
    ['a SHA-256 of 18 bytes', `001c0012 ${'00'.repeat(20)}`],
    ['a SHA-256 of 36 bytes', `001c0024 ${'00'.repeat(36)}`],
    ['an error below 300', '00090004 00000263'],
    ['an error of 7 hundreds', '00090004 00000700'],
    ['an error of 100 rest', '00090004 00000464'],
    ['an error of 3 bytes', '00090003 00000400'],
    ['a list of half a type', '000a0003 00030000'],
    ['a PRIORITY of 3 bytes', '00240003 00000000'],
    ['a USE-CANDIDATE that says something', '00250001 00000000'],
    ['a RESPONSE-PORT of 3 bytes', '00270003 04000000'],
    ['a CHANGE-REQUEST of 8 bytes', '00030008 0000000000000000'],
    ['SOFTWARE that is not UTF-8', '80220001 ff 000000'],
    ['SOFTWARE that is too long', `802202fc ${'61'.repeat(764)}`],
    ['an alternate server at port 0', '80230008 0001 0000 c0000201'],
    ['a tie-breaker of 4 bytes', '80290004 00000000'],
    ['a CLIENT-ID that is not UTF-8', 'c0d10001 ff 000000'],
  ]
  for (const [what, body] of broken) {
    const required = isComprehensionRequired(parseInt(body.slice(0, 4), 16))
    const found = decode(wire(`${body} 80220001 78 000000`))
    if (required) t.equal(found, 'bad-attribute', what)
    else t.match(found, { attributes: [{ name: 'SOFTWARE', value: 'x' }], unknown: [] }, what)
  }
})

t.test('an attribute that is longer than the message', async t => {
  for (const body of ['80220001', '80220005 61616161', '8022ffff 61616161', '80220004', '00200008 0001a147'])
    t.equal(decode(wire(body)), 'bad-attribute', body)
})

t.test('unknown attributes: the required ones are listed, once each; the optional ones are not there', async t => {
  t.same(decoded(wire('7fff0000 80000000 ffff0001 00000000 00300000 7fff0000 00000000')).unknown, [0x7fff, 0x0030, 0])
})

t.test('a datagram full of attributes is put aside before it costs anything', async t => {
  for (const attribute of ['80220001ff000000', '00250000', '80000000', `00080014${'00'.repeat(20)}`]) {
    t.not(decode(wire(attribute.repeat(32))), 'too-many-attributes', attribute)
    t.equal(decode(wire(attribute.repeat(33))), 'too-many-attributes', attribute)
  }
  const several = Array.from({ length: 32 }, (_, i) => `${(0x4000 + i).toString(16)}0000`).join('')
  t.equal(decoded(wire(several)).unknown.length, 32)
})

t.test('of duplicates the first counts; all can be had', async t => {
  const found = decoded(wire('c0d10001 61 000000 c0d10001 62 000000'))
  t.equal(first(found, 'CLIENT-ID'), 'a')
  t.same(every(found, 'CLIENT-ID'), ['a', 'b'])
  t.equal(first(found, 'PEER-ID'), undefined)
  t.same(every(found, 'PEER-ID'), [])
})

t.test('behind a seal only the later seals count', async t => {
  const [sha1, sha256] = [`00080014${'11'.repeat(20)}`, `001c0020${'22'.repeat(32)}`]
  const [software, unknown, broken] = ['8022000178000000', '7fff0000', '00010000']
  const orders: [body: string, names: AttributeName[]][] = [
    [software + sha1, ['SOFTWARE', 'MESSAGE-INTEGRITY']],
    [sha1 + software + unknown + broken, ['MESSAGE-INTEGRITY']],
    [sha1 + software + sha256 + unknown, ['MESSAGE-INTEGRITY', 'MESSAGE-INTEGRITY-SHA256']],
    [sha256 + sha1 + unknown, ['MESSAGE-INTEGRITY-SHA256']],
    [sha1 + sha1, ['MESSAGE-INTEGRITY']],
  ]
  for (const [body, names] of orders) {
    for (const bytes of [wire(body), withFingerprint(wire(body))]) {
      const found = decoded(bytes)
      const all = bytes.length === wire(body).length ? names : [...names, 'FINGERPRINT']
      t.same(
        found.attributes.map(({ name }) => name),
        all,
      )
      t.same(found.unknown, [])
    }
  }
})

t.test('a fingerprint is right, and last, or the message is none', async t => {
  const good = withFingerprint(encode(messageOf([{ name: 'SOFTWARE', value: 'x' }])))
  t.ok(first(decoded(good), 'FINGERPRINT'))
  const wrong = plain(good)
  wrong[24] = 0x79
  t.equal(decode(wrong), 'bad-fingerprint')
  t.equal(decode(withFingerprint(good)), 'bad-fingerprint', 'two of them')
  const early = wire('80280004 00000000 80220001 78000000')
  new DataView(early.buffer).setUint32(24, (crc32(early.subarray(0, 20)) ^ 0x5354554e) >>> 0)
  t.equal(decode(early), 'bad-fingerprint', 'one that is right, but in the middle')
  t.equal(decode(wire('80280002 00000000')), 'bad-fingerprint', 'one that is too short')
})

// Any message

const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const address = fc
  .oneof(octets(4), octets(16), fc.constant(new Uint8Array(16)))
  .map(bytes => addressFromBytes(bytes) ?? '')
const anyEndpoint = fc.record({ address, port: fc.integer({ min: 1, max: 65535 }) }, { noNullPrototype: true })
const anyText = fc.string({ unit: 'grapheme', maxLength: 40 })
const anyNumber = fc.nat(0xffffffff)
const tieBreaker = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn })
const port = fc.nat(65535)
const hmac = octets(20)
const anyOf = {
  'MAPPED-ADDRESS': anyEndpoint,
  'CHANGE-REQUEST': fc.record({ ip: fc.boolean(), port: fc.boolean() }, { noNullPrototype: true }),
  'SOURCE-ADDRESS': anyEndpoint,
  'CHANGED-ADDRESS': anyEndpoint,
  USERNAME: anyText,
  'ERROR-CODE': fc.record({ code: fc.integer({ min: 300, max: 699 }), reason: anyText }, { noNullPrototype: true }),
  'UNKNOWN-ATTRIBUTES': fc.array(port, { maxLength: 9 }),
  'XOR-PEER-ADDRESS': anyEndpoint,
  REALM: anyText,
  NONCE: anyText,
  'XOR-MAPPED-ADDRESS': anyEndpoint,
  PRIORITY: anyNumber,
  'USE-CANDIDATE': fc.constant(true),
  PADDING: fc.nat(300),
  'RESPONSE-PORT': port,
  SOFTWARE: anyText,
  'ALTERNATE-SERVER': anyEndpoint,
  'ICE-CONTROLLED': tieBreaker,
  'ICE-CONTROLLING': tieBreaker,
  'RESPONSE-ORIGIN': anyEndpoint,
  'OTHER-ADDRESS': anyEndpoint,
  'CLIENT-ID': anyText,
  'PEER-ID': anyText,
}
const anyAttribute = fc.oneof(
  ...Object.entries(anyOf).map(([name, value]) =>
    (value as fc.Arbitrary<unknown>).map(value => ({ name, value }) as Attribute),
  ),
)
const anyMessage: fc.Arbitrary<Message> = fc.record(
  {
    class: fc.constantFrom<Class>('request', 'indication', 'success response', 'error response'),
    method: fc.nat(0x7f), // above it the first byte is more than 3
    transactionId: octets(12).map(newTransactionId),
    attributes: fc.array(anyAttribute, { maxLength: 8 }),
  },
  { noNullPrototype: true },
)
const anyBytes = fc.tuple(anyMessage, fc.boolean(), fc.option(hmac)).map(([message, fingerprint, key]) => {
  const bytes = encode(message)
  const sealed = key ? withIntegrity(bytes, key) : bytes
  return fingerprint ? withFingerprint(sealed) : sealed
})

t.test('any message, there and back; sealed too', async () => {
  fc.assert(
    fc.property(anyMessage, octets(7), (message, key) => {
      const bytes = encode(message)
      const back = decoded(bytes)
      if (hexOf(encode(back)) !== hexOf(bytes)) return false
      const sealed = withFingerprint(withIntegrity(withIntegrity(bytes, key), key, 'MESSAGE-INTEGRITY-SHA256'))
      const names = decoded(sealed).attributes.map(({ name }) => name)
      return (
        fc.stringify({ ...back, transactionId: hexOf(back.transactionId) }) ===
          fc.stringify({ ...message, transactionId: hexOf(message.transactionId), unknown: [] }) &&
        integrityHolds(sealed, key) &&
        integrityHolds(sealed, key, 'MESSAGE-INTEGRITY-SHA256') &&
        names.slice(-3).join() === 'MESSAGE-INTEGRITY,MESSAGE-INTEGRITY-SHA256,FINGERPRINT'
      )
    }),
    { numRuns: 2000 },
  )
})

t.test(
  'a message cut anywhere is refused; cut with its length made to fit, it is refused or has fewer attributes',
  async t => {
    const cut = (bytes: Uint8Array): void => {
      const whole = decoded(bytes).attributes.length
      for (let length = 0; length < bytes.length; length++) {
        const part = bytes.subarray(0, length)
        if (decode(part) !== 'not-stun') throw new Error(`${length} of ${hexOf(bytes)}`)
        if (length < 20) continue
        const found = decode(fitted(part))
        if (typeof found !== 'string' && found.attributes.length >= whole)
          throw new Error(`${length} of ${hexOf(bytes)}`)
      }
    }
    for (const { bytes } of vectors) cut(bytes)
    for (const [attribute] of rows) if (attribute.name !== 'FINGERPRINT') cut(encode(messageOf([attribute])))
    fc.assert(
      fc.property(anyBytes, bytes => void cut(bytes)),
      { numRuns: 100 },
    )
    t.pass('none was taken')
  },
)

t.test('whatever the bytes, nothing throws, and no byte is changed', async t => {
  const mutation = fc.tuple(fc.nat(400), fc.nat(255), fc.constantFrom('set', 'flip', 'length'))
  const mutated = fc
    .tuple(anyBytes, fc.array(mutation, { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([bytes, mutations, fit]) => {
      const copy = plain(bytes)
      for (const [where, value, how] of mutations) {
        const at = where % copy.length
        if (how === 'length' && at + 1 < copy.length) copy[(at & ~3) | 3] = value
        else copy[at] = how === 'flip' ? (copy[at] ?? 0) ^ (1 << (value & 7)) : value
      }
      return fit ? fitted(copy) : copy
    })
  const random = fc
    .tuple(fc.uint8Array({ maxLength: 40 }), fc.boolean())
    .map(([bytes, headed]) => (headed ? wire(hexOf(bytes)) : bytes))
  const seen: Record<string, number> = {}
  fc.assert(
    fc.property(fc.oneof({ weight: 4, arbitrary: mutated }, random), octets(4), (bytes, key) => {
      const before = hexOf(bytes)
      const found = decode(bytes)
      const kind = typeof found === 'string' ? found : 'decoded'
      seen[kind] = (seen[kind] ?? 0) + 1
      integrityHolds(bytes, key)
      integrityHolds(bytes, key, 'MESSAGE-INTEGRITY-SHA256')
      if (typeof found !== 'string' && /[\p{C}\p{Zl}\p{Zp}]/u.test(describe(found))) return false
      return hexOf(bytes) === before
    }),
    { numRuns: 20_000 },
  )
  for (const kind of ['decoded', 'not-stun', 'bad-attribute', 'bad-fingerprint'])
    t.ok((seen[kind] ?? 0) >= 100, `${kind}: ${seen[kind]} times`)
})

t.test('from the middle of a larger buffer, as sockets hand them out', async t => {
  for (const { bytes, key, mac } of vectors) {
    const slab = Buffer.alloc(200, 0xee)
    slab.set(bytes, 13)
    const part = slab.subarray(13, 13 + bytes.length)
    t.same(decode(part), decode(bytes))
    t.ok(integrityHolds(part, key, mac))
  }
})

t.test('an encoded message stays as it is, whatever is encoded after it', async t => {
  const texts = Array.from({ length: 500 }, (_, i) => `${i}`.repeat(1 + (i % 90)))
  const all = texts.map(value => withFingerprint(encode(messageOf([{ name: 'SOFTWARE', value }]))))
  t.same(
    all.map(bytes => first(decoded(bytes), 'SOFTWARE')),
    texts,
  )
  const large = encode(messageOf([{ name: 'PADDING', value: 65_400 }]))
  t.equal(large.length, 65_424)
  t.same(decoded(large).attributes, [{ name: 'PADDING', value: 65_400 }])
  t.throws(() => encode(messageOf([{ name: 'PADDING', value: 65_500 }])), RangeError, 'what no datagram can hold')
  t.throws(() => encode(messageOf([{ name: 'SOFTWARE', value: 'é'.repeat(40_000) }])), RangeError)
})

// A second opinion

const theirKinds = new Map<Class, theirClasses>([
  ['request', theirClasses.REQUEST],
  ['indication', theirClasses.INDICATION],
  ['success response', theirClasses.RESPONSE],
  ['error response', theirClasses.ERROR],
])
/** What werift has of the attributes, in our values. */
const fromTheirs = (name: string, value: unknown): unknown => {
  if (/ADDRESS|SERVER|ORIGIN/.test(name)) {
    const [address, port] = value as [string, number]
    return { address: addressFromBytes(ipBytes(address)), port }
  }
  if (name === 'ERROR-CODE') {
    const [code, reason] = value as [number, string]
    return { code, reason }
  }
  if (name === 'NONCE') return Buffer.from(value as Uint8Array).toString()
  return value
}
const toTheirs = ({ name, value }: Attribute): unknown => {
  if (name === 'ERROR-CODE') return [value.code, value.reason]
  if (name === 'NONCE') return Buffer.from(value)
  return typeof value === 'object' && 'address' in value ? [value.address, value.port] : value
}
/** By the URL parser, so that their spelling of IPv6 is read by neither codec. */
const ipBytes = (address: string): number[] => {
  if (!address.includes(':')) return address.split('.').map(Number)
  const [head = '', tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::')
  const groups = (text: string | undefined) => (text ? text.split(':') : [])
  const zeros = Array<string>(8 - groups(head).length - groups(tail).length).fill('0')
  return [...groups(head), ...zeros, ...groups(tail)].flatMap(group => [
    parseInt(group, 16) >> 8,
    parseInt(group, 16) & 255,
  ])
}
const theirs = new Set<AttributeName>([
  'MAPPED-ADDRESS',
  'SOURCE-ADDRESS',
  'CHANGED-ADDRESS',
  'USERNAME',
  'ERROR-CODE',
  'UNKNOWN-ATTRIBUTES',
  'XOR-PEER-ADDRESS',
  'REALM',
  'NONCE',
  'XOR-MAPPED-ADDRESS',
  'PRIORITY',
  'SOFTWARE',
  'ALTERNATE-SERVER',
  'ICE-CONTROLLED',
  'ICE-CONTROLLING',
  'RESPONSE-ORIGIN',
  'OTHER-ADDRESS',
])
/** werift keeps one attribute of a name. */
const common = anyMessage.map(message => ({
  ...message,
  method: binding,
  attributes: message.attributes.filter(
    ({ name }, i, all) => theirs.has(name) && all.findIndex(other => other.name === name) === i,
  ),
}))

t.test('werift reads what we write, and we read what werift writes', async () => {
  fc.assert(
    fc.property(common, octets(16), (message, keyBytes) => {
      const key = Buffer.from(keyBytes)
      const ours = withFingerprint(withIntegrity(encode(message), key))
      const read = parseMessage(Buffer.from(ours), key)
      const kind = theirKinds.get(message.class) ?? theirClasses.REQUEST
      if (!read || read.messageClass !== kind || hexOf(read.transactionId) !== hexOf(message.transactionId.subarray(4)))
        return false
      for (const { name, value } of message.attributes) {
        const found = fromTheirs(name, read.getAttributeValue(name as 'SOFTWARE'))
        if (fc.stringify(found) !== fc.stringify(value)) throw new Error(`${name}: ${fc.stringify(found)}`)
      }
      const written = new TheirMessage(1, kind, Buffer.from(message.transactionId.subarray(4)))
      for (const attribute of message.attributes)
        written.setAttribute(attribute.name as 'SOFTWARE', toTheirs(attribute))
      return hexOf(written.addMessageIntegrity(key).addFingerprint().bytes) === hexOf(ours)
    }),
    { numRuns: 1000 },
  )
})

// For people

t.test('one line a message', async t => {
  const lines: [bytes: Uint8Array, line: string][] = [
    [wire(''), `Binding request ${transaction}`],
    [wire('', '0113'), `method 0x0003 error response ${transaction}`],
    [
      wire('00030004 00000006', '0001', '00'.repeat(16)),
      `Binding request ${'00'.repeat(16)} (RFC 3489) CHANGE-REQUEST ip+port`,
    ],
    [wire('00300000 001e0000'), `Binding request ${transaction} unknown 0x0030 unknown 0x001e`],
    [
      wire('c0d10003 1b5b41 00 c0d20003 e280ae 00', '0011'),
      `Binding indication ${transaction} CLIENT-ID "\\u001b[A" PEER-ID "\\u{202e}"`,
    ],
    [
      encode(
        messageOf(
          [
            { name: 'XOR-MAPPED-ADDRESS', value: endpoint('2001:db8::1', 5000) },
            { name: 'ERROR-CODE', value: { code: 420, reason: 'Unknown' } },
            { name: 'UNKNOWN-ATTRIBUTES', value: [3, 0x1e] },
            { name: 'USE-CANDIDATE', value: true },
            { name: 'PADDING', value: 8 },
            { name: 'CHANGE-REQUEST', value: { ip: false, port: false } },
            { name: 'ICE-CONTROLLED', value: 7n },
          ],
          'success response',
        ),
      ),
      `Binding success response ${transaction} XOR-MAPPED-ADDRESS [2001:db8::1]:5000 ERROR-CODE 420 "Unknown" ` +
        'UNKNOWN-ATTRIBUTES 0x0003 0x001e USE-CANDIDATE yes PADDING 8 bytes CHANGE-REQUEST nothing ICE-CONTROLLED 7',
    ],
  ]
  for (const [bytes, line] of lines) t.equal(describe(decoded(bytes)), line)
})
