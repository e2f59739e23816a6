// Addresses from the wire reach `send`, which resolves whatever it is given: only canonical ones may pass.
import { isIP, isIPv4 } from 'node:net'
import t from 'tap'
import fc from 'fast-check'
import {
  type AddressClass,
  addressFromBytes,
  addressToBytes,
  classifyAddress,
  endpointKey,
  familyOf,
  formatEndpoint,
  isCanonical,
  isWildcard,
  parseAddress,
  parseEndpoint,
  parsePort,
  sameEndpoint,
} from '../src/endpoint.ts'

const octet = fc.integer({ min: 0, max: 255 })
const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }))
const ipv4Bytes = fc.array(octet, { minLength: 4, maxLength: 4 })
const ipv6Groups = fc.array(group, { minLength: 8, maxLength: 8 })
const port = fc.integer({ min: 1, max: 65535 })

/** Text made of what addresses are made of: mostly wrong, and wrong in interesting ways. */
const addressLike = fc.oneof(
  fc.ipV4(),
  fc.ipV4Extended(),
  fc.ipV6(),
  ipv6Groups.map(groups => groups.map(part => part.toString(16)).join(':')),
  fc.string({ unit: fc.constantFrom(...'0123456789abcdefABCDEF:.::%xg \n'), maxLength: 45 }),
  fc
    .array(fc.constantFrom('', '0', '1', 'ffff', 'FFFF', '00001', '1.2.3.4', '256.0.0.1', '::', '01.2.3.4'), {
      maxLength: 9,
    })
    .map(parts => parts.join(':')),
  fc.tuple(fc.ipV6(), fc.nat(50), fc.constantFrom(':', '0', '.', '%', '::')).map(([text, at, slip]) => {
    return text.slice(0, at) + slip + text.slice(at)
  }),
)

/** What the URL standard makes of an IPv6 address: the same spelling rules, by other people. */
const spelledByUrl = (text: string): string => new URL(`http://[${text}]/`).hostname.slice(1, -1)

t.test('what node takes for an address is an address here, but for zones', async () => {
  fc.assert(
    fc.property(addressLike, text => (parseAddress(text) !== undefined) === (isIP(text) > 0 && !text.includes('%'))),
    { numRuns: 20_000 },
  )
})

t.test('spellings that a resolver would take somewhere else are refused', async t => {
  const refused = [
    '2130706498',
    '0x7f.0.0.66',
    '0177.0.0.66',
    '127.66',
    '127.0.66',
    '',
    ' ',
    'localhost',
    'fe80::1%eth0',
    'fe80::1%1',
    '::1%0',
    '127.0.0.1 ',
    ' 127.0.0.1',
    '127.0.0.1\n',
    '127.0.0.1\0',
    '127.0.0.01',
    '127.0.0.256',
    '127.0.0.-1',
    '+127.0.0.1',
    '１２７.0.0.1',
    '127。0。0。1',
    '[::1]',
    '::1\n',
    '1::2::3',
    ':::',
    ':1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '::ffff:0x7f.0.0.1',
    '::ffff:127.1',
    '1.2.3.4::',
    '__proto__',
  ]
  for (const text of refused) t.equal(parseAddress(text), undefined, JSON.stringify(text))
})

t.test('one client, one spelling', async t => {
  const table: [text: string, canonical: string][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::FFFF:1.2.3.4', '1.2.3.4'],
    ['0:0:0:0:0:ffff:0102:0304', '1.2.3.4'],
    ['::ffff:0:0', '0.0.0.0'],
    ['::1.2.3.4', '::102:304'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['2001:0DB8::0001', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'], // of two equal runs the first: RFC 5952 s.4.2.3
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'], // one group is not shortened: s.4.2.2
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
  ]
  for (const [text, canonical] of table) {
    t.equal(parseAddress(text), canonical, text)
    t.equal(isCanonical(text), text === canonical, `${text} as it stands`)
    t.equal(familyOf(canonical), canonical.includes(':') ? 6 : 4)
  }
})

t.test('the canonical spelling is the one of the URL standard, and its own', async () => {
  fc.assert(
    fc.property(addressLike, text => {
      const canonical = parseAddress(text)
      if (canonical === undefined) return true
      if (parseAddress(canonical) !== canonical || !isCanonical(canonical)) return false
      return isIPv4(canonical) || canonical === spelledByUrl(text)
    }),
    { numRuns: 10_000 },
  )
})

t.test('bytes both ways', async t => {
  t.same(addressToBytes('192.0.2.1'), [192, 0, 2, 1])
  t.same(addressToBytes('2001:db8::ff00:1'), [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 1])
  t.equal(addressFromBytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4]), '1.2.3.4')
  t.equal(addressFromBytes(Uint8Array.of(10, 0, 0, 1)), '10.0.0.1')
  for (const length of [0, 1, 3, 5, 8, 15, 17, 64])
    t.equal(addressFromBytes(new Uint8Array(length)), undefined, `${length} bytes`)
  const isMapped = (bytes: number[]) => bytes.slice(0, 12).join() === '0,0,0,0,0,0,0,0,0,0,255,255'
  fc.assert(
    fc.property(
      fc.oneof(
        ipv4Bytes,
        ipv6Groups.map(groups => groups.flatMap(g => [g >> 8, g & 255])),
      ),
      bytes => {
        const address = addressFromBytes(bytes) ?? ''
        const back = isMapped(bytes) ? bytes.slice(12) : bytes
        return isCanonical(address) && addressToBytes(address).join() === back.join()
      },
    ),
    { numRuns: 5000 },
  )
})

t.test('a port that nothing can be sent to is no port', async t => {
  const table: [text: string, port: number | undefined][] = [
    ['1', 1],
    ['80', 80],
    ['65535', 65535],
    ['0', undefined],
    ['-1', undefined],
    ['65536', undefined],
    ['99999', undefined],
    ['100000', undefined],
    ['080', undefined],
    ['+80', undefined],
    ['8e3', undefined],
    ['0x50', undefined],
    ['80.0', undefined],
    ['80 ', undefined],
    ['80\n', undefined],
    ['', undefined],
    ['NaN', undefined],
    ['Infinity', undefined],
  ]
  for (const [text, expected] of table) t.equal(parsePort(text), expected, JSON.stringify(text))
})

t.test('endpoints read and written', async t => {
  const table: [text: string, address: string, port: number][] = [
    ['192.0.2.1:5000', '192.0.2.1', 5000],
    ['[2001:db8::1]:1', '2001:db8::1', 1],
    ['[::]:65535', '::', 65535],
  ]
  for (const [text, address, number] of table) {
    t.same(parseEndpoint(text), { address, port: number }, text)
    t.equal(formatEndpoint({ address, port: number }), text)
  }
  const refused = [
    '',
    ':',
    ':80',
    '192.0.2.1',
    '192.0.2.1:',
    '192.0.2.1:0',
    '192.0.2.1:65536',
    '192.0.2.1:080',
    '192.0.2.1:80 ',
    '192.0.2.1:80:80',
    '127.66:80',
    'localhost:80',
    '2001:db8::1:80',
    '[2001:DB8::1]:80',
    '[::ffff:192.0.2.1]:80',
    '[fe80::1%eth0]:80',
    '[::1]',
    '[::1]80',
    '[::1:80',
    '::1]:80',
    '[]:80',
  ]
  for (const text of refused) t.equal(parseEndpoint(text), undefined, JSON.stringify(text))
})

t.test('an endpoint has one spelling: what is read is written back the same', async t => {
  t.equal(parseEndpoint('[192.0.2.1]:80'), undefined, 'brackets are for IPv6')
  const address = fc.oneof(fc.ipV4(), fc.ipV6(), addressLike)
  const text = fc
    .tuple(address, fc.oneof(port.map(String), fc.string({ maxLength: 6 })), fc.boolean())
    .map(([host, number, bracketed]) => (bracketed ? `[${host}]:${number}` : `${host}:${number}`))
  fc.assert(
    fc.property(text, spelled => {
      const endpoint = parseEndpoint(spelled)
      return endpoint === undefined || formatEndpoint(endpoint) === spelled
    }),
    { numRuns: 10_000 },
  )
})

t.test('equal endpoints have equal keys, others not', async t => {
  const some = fc.record({
    address: fc.constantFrom('192.0.2.1', '192.0.2.11', '::', '::1'),
    port: fc.nat(12),
  })
  fc.assert(fc.property(some, some, (a, b) => sameEndpoint(a, b) === (endpointKey(a) === endpointKey(b))))
  t.ok(sameEndpoint({ address: '::1', port: 1 }, { address: '::1', port: 1 }))
})

t.test('where an address may be used', async t => {
  const table: Record<AddressClass, string[]> = {
    unspecified: ['0.0.0.0', '0.1.2.3', '0.255.255.255', '::'],
    loopback: ['127.0.0.1', '127.255.255.255', '::1'],
    private: [
      '10.0.0.0',
      '10.255.255.255',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.0.1',
      'fc00::1',
      'fd12:3456::1',
      'fdff:ffff::1',
    ],
    'link-local': ['169.254.0.1', '169.254.255.255', 'fe80::1', 'febf::1'],
    multicast: ['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.254', 'ff00::1', 'ff02::1', 'ffff::1'],
    broadcast: ['255.255.255.255'],
    global: [
      '1.1.1.1',
      '9.255.255.255',
      '11.0.0.0',
      '100.64.0.1',
      '126.255.255.255',
      '128.0.0.1',
      '169.253.0.1',
      '169.255.0.1',
      '172.15.255.255',
      '172.32.0.1',
      '192.0.2.1',
      '192.167.1.1',
      '192.169.0.1',
      '198.51.100.1',
      '203.0.113.1',
      '223.255.255.255',
      '::2',
      '2001:db8::1',
      'fbff::1',
      'fe00::1',
      'fe7f::1',
      'fec0::1',
      'feff::1',
    ],
  }
  for (const [expected, addresses] of Object.entries(table)) {
    for (const address of addresses) {
      t.ok(isCanonical(address), address)
      t.equal(classifyAddress(address), expected, address)
    }
  }
  t.same(['0.0.0.0', '::', '0.0.0.1', '::1'].map(isWildcard), [true, true, false, false])
})
