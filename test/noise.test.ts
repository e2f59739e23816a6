// The private line's handshake and what follows it: the public vectors, another implementation's opinion, and what a network
// or an enemy makes of the datagrams.
import t from 'tap'
import fc from 'fast-check'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { decrypt, encrypt, rekey } from '../src/noise/chacha-poly.ts'
import { keyPairOf } from '../src/keys.ts'
import { type HandshakeOptions, type Keys, createHandshake } from '../src/noise/handshake-state.ts'
import { ReplayWindow } from '../src/noise/replay-window.ts'
import { type Transport, createTransport, sealLength } from '../src/noise/transport.ts'
import { fromBase64url, toBase32, toBase64url } from '../src/rfc4648.ts'
import { hex } from '../src/hex.ts'
import { seededRandom } from '../src/sim/random.ts'
import { bytesOf } from './fixtures/stun-vectors.ts'
import { keys as vectorKeys, vectors } from './fixtures/noise-vectors.ts'

const none = new Uint8Array()
const words = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Two that know each other. */
const pairOf = (other: Partial<HandshakeOptions> = {}) => {
  const [a, b, e, f] = [1, 2, 3, 4].map(n => keyPairOf(new Uint8Array(32).fill(n)))
  if (!a || !b || !e || !f) throw new Error('four keys')
  const common = { prologue: words('stage') }
  return {
    initiator: { ...common, initiator: true, s: a, e, rs: b.publicKey },
    responder: { ...common, initiator: false, s: b, e: f, rs: a.publicKey, ...other },
  }
}

/** Undefined where it fails. */
const shaken = (initiator: HandshakeOptions, responder: HandshakeOptions): [Keys, Keys] | undefined => {
  const [a, b] = [createHandshake(initiator), createHandshake(responder)]
  const first = a.writeMessage(words('hello'))
  const second = first && b.readMessage(first) && b.writeMessage(none)
  const [mine, theirs] = [second && a.readMessage(second) && a.keys(), b.keys()]
  return mine && theirs ? [mine, theirs] : undefined
}

const line = (): [Transport, Transport] => {
  const { initiator, responder } = pairOf()
  const both = shaken(initiator, responder)
  if (!both) throw new Error('no handshake')
  return [createTransport(both[0]), createTransport(both[1])]
}

t.test('the vectors of cacophony, message by message', async t => {
  for (const { name, psk, messages } of vectors) {
    const common = { prologue: bytesOf(vectorKeys.prologue), psk: psk === undefined ? undefined : bytesOf(psk) }
    const sides = [
      createHandshake({
        ...common,
        initiator: true,
        s: keyPairOf(bytesOf(vectorKeys.initStatic)),
        e: keyPairOf(bytesOf(vectorKeys.initEphemeral)),
        rs: bytesOf(vectorKeys.initRemoteStatic),
      }),
      createHandshake({
        ...common,
        initiator: false,
        s: keyPairOf(bytesOf(vectorKeys.respStatic)),
        e: keyPairOf(bytesOf(vectorKeys.respEphemeral)),
        rs: bytesOf(vectorKeys.respRemoteStatic),
      }),
    ]
    for (const [i, { payload, ciphertext }] of messages.slice(0, 2).entries()) {
      const written = sides[i % 2]?.writeMessage(bytesOf(payload))
      t.equal(hex(written ?? none), ciphertext, `${name}, handshake message ${i}`)
      t.equal(hex(sides[(i + 1) % 2]?.readMessage(bytesOf(ciphertext)) ?? none), payload)
    }
    const [initiator, responder] = sides.map(side => side.keys())
    t.same(initiator?.handshakeHash, responder?.handshakeHash)
    for (const [i, { payload, ciphertext }] of messages.slice(2).entries()) {
      const [from, to] = i % 2 === 0 ? [initiator, responder] : [responder, initiator]
      const n = Math.floor(i / 2)
      t.equal(hex(encrypt(from?.sending ?? none, n, none, bytesOf(payload))), ciphertext, `${name}, message ${i}`)
      t.equal(hex(decrypt(to?.receiving ?? none, n, none, bytesOf(ciphertext)) ?? none), payload)
    }
  }
})

t.test('RFC 7748 s.6.1: the vector, and public keys of small order are refused', async t => {
  const alice = bytesOf('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
  const bob = keyPairOf(bytesOf('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'))
  t.equal(hex(bob.publicKey), 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
  const secret = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742'
  t.equal(hex(bob.dh(alice) ?? none), secret)
  const smallOrder = [
    '00'.repeat(32),
    `01${'00'.repeat(31)}`,
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    `ec${'ff'.repeat(30)}7f`,
    `ed${'ff'.repeat(30)}7f`,
    `ee${'ff'.repeat(30)}7f`,
  ]
  for (const text of smallOrder) t.equal(bob.dh(bytesOf(text)), undefined, text)
  const { initiator, responder } = pairOf()
  const a = createHandshake(initiator)
  const first = a.writeMessage(none)
  const weak = Uint8Array.from([...new Uint8Array(32), ...(first?.slice(32) ?? none)])
  t.equal(createHandshake(responder).readMessage(weak), undefined, 'nor is it taken from the wire')
  t.equal(createHandshake({ ...initiator, rs: new Uint8Array(32) }).writeMessage(none), undefined, 'or as a static one')
})

t.test('RFC 8439 s.2.8.2, and what @noble/ciphers makes of the same', async t => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i)
  const nonce = (n: bigint): Uint8Array => {
    const bytes = new Uint8Array(12)
    new DataView(bytes.buffer).setBigUint64(4, n, true)
    return bytes
  }
  const bytes = (max: number) => fc.uint8Array({ maxLength: max })
  fc.assert(
    fc.property(fc.maxSafeNat(), bytes(40), bytes(300), (n, ad, plaintext) => {
      const theirs = chacha20poly1305(key, nonce(BigInt(n)), ad).encrypt(plaintext)
      return (
        hex(encrypt(key, n, ad, plaintext)) === hex(theirs) &&
        hex(decrypt(key, n, ad, theirs) ?? none) === hex(plaintext)
      )
    }),
  )
  const theirRekey = chacha20poly1305(key, nonce(2n ** 64n - 1n)).encrypt(new Uint8Array(32))
  t.equal(hex(rekey(key)), hex(theirRekey.slice(0, 32)), 'REKEY (Noise s.4.2)')
  for (const length of [0, 1, 15]) t.equal(decrypt(key, 0, none, new Uint8Array(length)), undefined, `${length} bytes`)
})

t.test('a handshake fails where the two do not agree', async t => {
  const psk = new Uint8Array(32).fill(9)
  const stranger = keyPairOf(new Uint8Array(32).fill(77))
  const rows: [string, Partial<HandshakeOptions>, Partial<HandshakeOptions>, boolean][] = [
    ['both agree', {}, {}, true],
    ['both know the secret', { psk }, { psk }, true],
    ['one knows no secret', { psk }, {}, false],
    ['the other knows none', {}, { psk }, false],
    ['another secret', { psk }, { psk: new Uint8Array(32).fill(8) }, false],
    ['another prologue', {}, { prologue: words('opera') }, false],
    ['somebody else answers', {}, { s: stranger }, false],
    ['somebody else asks', { s: stranger }, {}, false],
    ['the responder expects somebody else', {}, { rs: stranger.publicKey }, false],
    ['both begin', {}, { initiator: true }, false],
  ]
  for (const [story, mine, theirs, expected] of rows) {
    const { initiator, responder } = pairOf()
    t.equal(shaken({ ...initiator, ...mine }, { ...responder, ...theirs }) !== undefined, expected, story)
  }
})

t.test('each bit of both messages counts, and each message once', async t => {
  const { initiator, responder } = pairOf()
  const first = createHandshake(initiator).writeMessage(words('hello')) ?? none
  for (let bit = 0; bit < 8 * first.length; bit++) {
    // The last bit of a public key means nothing to X25519 (RFC 7748 s.5); the hash has it all the same.
    const hurt = first.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
    if (createHandshake(responder).readMessage(hurt)) t.fail(`bit ${bit}`)
  }
  const b = createHandshake(responder)
  t.equal(b.writeMessage(none), undefined, 'not its turn')
  t.equal(b.keys(), undefined)
  t.same(b.readMessage(first), words('hello'))
  t.equal(b.readMessage(first), undefined, 'not twice')
  t.ok(b.writeMessage(none))
  t.equal(b.writeMessage(none), undefined, 'it is over')
})

t.test('the window says what a set of all numbers would say', async () => {
  const size = 64
  const moves = fc.array(fc.oneof(fc.integer({ min: -100, max: 40 }), fc.constantFrom(1, 31, 32, 33, 63, 64, 65, 1000)))
  fc.assert(
    fc.property(fc.nat(1e9), moves, (start, steps) => {
      const window = new ReplayWindow(size)
      const seen = new Set<number>()
      let highest = -1
      let at = start
      for (const step of steps) {
        at = Math.max(0, at + step)
        const expected = !seen.has(at) && at > highest - size
        if (window.isNew(at) !== expected) return false
        if (!expected) continue
        window.accept(at)
        seen.add(at)
        highest = Math.max(highest, at)
      }
      return true
    }),
    { numRuns: 2000 },
  )
})

t.test('datagrams may be lost, doubled and overtaken; each is taken once', async t => {
  const [a, b] = line()
  const random = seededRandom(1, 'line')
  const sealed = Array.from({ length: 3000 }, (_, i) => a.seal(words('head'), 7, words(`message ${i}`)) ?? none)
  t.equal(sealed[0]?.length, 4 + 'message 0'.length + sealLength)
  const arriving = sealed
    .flatMap(message => (random.next() < 0.2 ? [] : random.next() < 0.2 ? [message, message] : [message]))
    .map((message, i) => ({ message, at: i + random.next() * 200 }))
    .sort((x, y) => x.at - y.at)
  const taken = arriving.flatMap(({ message }) => {
    const payload = b.open(message, 4)
    if (payload) t.equal(payload[0], 7)
    return payload ? [new TextDecoder().decode(payload.subarray(1))] : []
  })
  t.equal(taken.length, new Set(arriving.map(({ message }) => message)).size)
  t.equal(new Set(taken).size, taken.length)
  for (const { message } of arriving) if (b.open(message, 4)) t.fail('a replay was taken')
})

t.test('a new key after 2^16 messages, on both sides, through loss and over the border', async t => {
  const [a, b] = line()
  const send = (): Uint8Array => a.seal(none, 7, words('x')) ?? none
  const skip = (count: number): void => {
    for (let i = 0; i < count; i++) send()
  }
  skip(2 ** 16 - 2)
  const [old, last, first] = [send(), send(), send()]
  t.ok(b.open(last, 0))
  t.ok(b.open(first, 0), 'the first one of the new key')
  t.ok(b.open(old, 0), 'one of the old key came late')
  skip(3 * 2 ** 16 - 4)
  const late = send()
  skip(3)
  t.ok(b.open(send(), 0), 'two keys were never heard of')
  t.ok(b.open(late, 0), 'the last one of those was late')
  const far = send().slice()
  new DataView(far.buffer).setUint32(0, 1)
  t.equal(b.open(far, 0), undefined, 'a number of the far future costs nothing and moves nothing')
  t.ok(b.open(send(), 0))
})

t.test('nothing forged is taken: the head, the number, the text and the tag all count', async t => {
  const [a, b] = line()
  const genuine = a.seal(words('head'), 7, words('the quick brown fox')) ?? none
  for (let bit = 0; bit < 8 * genuine.length; bit++) {
    const hurt = genuine.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
    if (b.open(hurt, 4)) t.fail(`bit ${bit}`)
  }
  for (let length = 0; length < genuine.length; length++) t.notOk(b.open(genuine.subarray(0, length), 4))
  t.notOk(a.open(genuine, 4), 'nor what one said oneself')
  t.ok(b.open(genuine, 4), 'and the genuine one after all that')
})

t.test('bytes as text', async t => {
  t.equal(toBase64url(words('fooba')), 'Zm9vYmE')
  t.equal(toBase32(words('fooba')), 'mzxw6ytb')
  t.equal(toBase32(words('foo')), 'mzxw6')
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), bytes => {
      const text = Buffer.from(bytes).toString('base64url')
      return toBase64url(bytes) === text && hex(fromBase64url(text, bytes.length) ?? none) === hex(bytes)
    }),
  )
  for (const text of ['Zm9vYmF', 'Zm9vYm=', 'Zm9vYm', 'Zm9vYmE=', 'Zm9 YmE', '']) {
    t.equal(fromBase64url(text, 5), undefined, text)
  }
})
