// Identities and known peers as files: made once, never lost, never believed when somebody else could have written them.
import { chmodSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { type Loaded, identityPath, loadIdentity } from '../src/cli/identity.ts'
import { type PeerPlace, openKnownPeers } from '../src/cli/known-peers.ts'
import { stateDirectory, writeOwn } from '../src/cli/state-files.ts'
import { fingerprintOf, identityOf, is64Bytes, publicKeysOf } from '../src/identity.ts'
import { isSignedBy } from '../src/keys.ts'
import { toBase64url } from '../src/rfc4648.ts'

const words = (text: string): Uint8Array => new TextEncoder().encode(text)
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)
const load = (path: string, name: string): Loaded => {
  const loaded = loadIdentity(path, name)
  if (typeof loaded === 'string') throw new Error(loaded)
  return loaded
}
const key = (n: number): string => identityOf(new Uint8Array(64).fill(n)).key

t.test('where state is kept', async t => {
  const [home, given] = [join(t.testdirName, 'home'), join(t.testdirName, 'given')]
  const usual = join(home, '.local', 'state', 'stage-manager')
  const rows: [Record<string, string>, string][] = [
    [{ HOME: home }, usual],
    [{ HOME: home, XDG_STATE_HOME: given }, join(given, 'stage-manager')],
    [{ HOME: home, XDG_STATE_HOME: '' }, usual],
    [{ HOME: home, XDG_STATE_HOME: 'relative' }, usual],
  ]
  for (const [env, expected] of rows) t.equal(stateDirectory(env), expected)
})

t.test('an identity signs, has one line key, and a fingerprint that fits into a line', async t => {
  const identity = identityOf(Uint8Array.from({ length: 64 }, (_, i) => i))
  const keys = publicKeysOf(identity.key)
  if (!keys) throw new Error('no keys')
  t.ok(is64Bytes(identity.key))
  t.same(keys.line, identity.line.publicKey)
  const signature = identity.sign(words('hello'))
  t.ok(is64Bytes(toBase64url(signature)))
  t.ok(isSignedBy(keys.claim, words('hello'), signature))
  t.match(fingerprintOf(identity.key), /^SHA256:[\w-]{43}$/)
  const wrong = ['', 'a', identity.key.slice(1), `${identity.key.slice(0, -1)}B`, `${identity.key.slice(0, -2)}=A`]
  for (const text of wrong) {
    t.notOk(is64Bytes(text), text)
    t.equal(publicKeysOf(text), undefined, text)
  }
})

t.test('an identity is made on first use, for its owner alone, and is the same from then on', async t => {
  const state = join(t.testdir(), 'state', 'stage-manager')
  const path = identityPath('alice', state)
  const first = load(path, 'alice')
  t.ok(first.made)
  t.equal(modeOf(path), '600')
  t.equal(modeOf(join(state, 'identities')), '700')
  const again = load(path, 'alice')
  t.notOk(again.made)
  t.equal(again.identity.key, first.identity.key)
  t.not(load(identityPath('bob', state), 'bob').identity.key, first.identity.key, 'per name')
  t.equal(readdirSync(join(state, 'identities')).length, 2, 'nothing else is left there')
})

t.test('no two names share a file, whatever the disk makes of letters', async t => {
  const names = [
    'alice',
    'Alice',
    'ALICE',
    '..',
    '.',
    'a/b',
    'a%2fb',
    '../../etc/passwd',
    'ä',
    'Ä',
    'a\u0308',
    '😀',
    'a b',
  ]
  const files = names.map(name => identityPath(name, '/state'))
  t.equal(new Set(files.map(file => file.toLowerCase())).size, names.length)
  for (const file of files) t.match(file, /^\/state\/identities\/[a-z0-9_%-]+\.identity$/)
  t.ok((identityPath('😀'.repeat(16), '').split('/').at(-1) ?? '').length < 255, 'the longest name fits')
})

t.test('what can not be used is refused in one line with its remedy, and stays as it is', async t => {
  const state = t.testdir()
  const path = identityPath('alice', state)
  const { identity } = load(path, 'alice')
  const good = readFileSync(path, 'utf8')
  const rows: [string, () => void, RegExp][] = [
    ['open to the group', () => chmodSync(path, 0o640), /is open to others \(mode 0640\): chmod 600 /],
    ['open to all', () => chmodSync(path, 0o644), /mode 0644/],
    ['cut off', () => writeFileSync(path, good.slice(0, -20)), /is no identity: .* move it away/],
    ['empty', () => writeFileSync(path, ''), /is no identity/],
    ['another file', () => writeFileSync(path, 'ssh-ed25519 AAAA'), /is no identity/],
    ['the wrong order', () => writeFileSync(path, good.split('\n').reverse().join('\n')), /is no identity/],
    ['too long', () => writeFileSync(path, `${good}${'#'.repeat(2 ** 21)}`), /too long/],
  ]
  for (const [story, hurt, expected] of rows) {
    hurt()
    const before = readFileSync(path, 'utf8')
    t.throws(() => loadIdentity(path, 'alice'), { code: 'identity-refused', message: expected }, story)
    t.equal(readFileSync(path, 'utf8'), before, 'it is left alone')
    writeFileSync(path, good)
    chmodSync(path, 0o600)
  }
  t.equal(load(path, 'alice').identity.key, identity.key)
  t.throws(() => loadIdentity(state, 'alice'), { code: 'identity-refused' }, 'a directory')
  writeFileSync(join(state, 'file'), '')
  t.match(loadIdentity(join(state, 'file', 'alice'), 'alice'), /no identity can be kept in .* \((ENOTDIR|EEXIST)\)/)
})

t.test('of two programs that make one at once, the quicker one has made it', async t => {
  const path = join(t.testdir(), 'state', 'alice')
  t.ok(writeOwn(path, 'first', 'new'))
  t.notOk(writeOwn(path, 'second', 'new'))
  t.equal(readFileSync(path, 'utf8'), 'first')
  t.ok(writeOwn(path, 'third', 'replace'))
  t.equal(readFileSync(path, 'utf8'), 'third')
  t.same(readdirSync(join(path, '..')), ['alice'])
})

t.test('whoever may put files beside a new identity does not get its keys', async t => {
  const directory = t.testdir()
  const path = join(directory, 'mine')
  const trap = `${path}.${process.pid}.tmp`
  writeFileSync(trap, '', { mode: 0o666 })
  load(path, 'alice')
  t.equal(readFileSync(trap, 'utf8'), '')
  t.equal(modeOf(path), '600')
  t.same(readdirSync(directory).sort(), ['mine', basename(trap)])
})

t.test('what can not be written leaves nothing behind', async t => {
  const directory = t.testdir({ taken: { by: 'a directory' } })
  t.throws(() => writeOwn(join(directory, 'taken'), 'text', 'replace'))
  t.same(readdirSync(directory), ['taken'])
})

t.test('known peers: a line each, remembered once, forgotten on request', async t => {
  const path = join(t.testdir(), 'state', 'known-peers')
  const known = openKnownPeers(path)
  const bob = { server: 'stage.example.org:8080', stage: '', peer: 'bob' }
  const rows = [
    bob,
    { ...bob, stage: 'jam' },
    { ...bob, stage: 'a/b' },
    { ...bob, server: '[::1]:8080' },
    { ...bob, peer: 'carol' },
    { ...bob, peer: '__proto__' },
  ]
  for (const place of rows) t.equal(known.keyOf(place), undefined)
  for (const [i, place] of rows.entries()) known.remember(place, key(i))
  for (const [i, place] of rows.entries()) t.equal(openKnownPeers(path).keyOf(place), key(i))
  t.equal(known.keyOf({ ...bob, server: 'STAGE.example.org:8080' }), key(0), 'host names have no capitals')
  known.remember(bob, key(9))
  t.equal(known.keyOf(bob), key(0), 'the first one stays')
  t.equal(modeOf(path), '600')
  writeFileSync(path, `# by hand\n${readFileSync(path, 'utf8')}`)
  t.equal(known.forget('bob').length, 4)
  t.equal(known.keyOf(bob), undefined)
  t.equal(known.keyOf({ ...bob, peer: 'carol' }), key(4))
  t.match(readFileSync(path, 'utf8'), /^# by hand\n/)
  t.same(known.forget('bob'), [])
})

t.test('a last line that was left open by hand is not run into', async t => {
  const path = join(t.testdir(), 'known-peers')
  const known = openKnownPeers(path)
  const [bob, carol] = ['bob', 'carol'].map(peer => ({ server: 's:1', stage: '', peer })) as [PeerPlace, PeerPlace]
  known.remember(bob, key(1))
  writeFileSync(path, readFileSync(path, 'utf8').trimEnd())
  known.remember(carol, key(2))
  t.same([known.keyOf(bob), known.keyOf(carol)], [key(1), key(2)])
  t.equal(readFileSync(path, 'utf8').split('\n').length, 3)
})

t.test('known peers that others could have changed, or that are broken, are not believed', async t => {
  const path = join(t.testdir(), 'known-peers')
  const known = openKnownPeers(path)
  const bob = { server: 's:1', stage: '', peer: 'bob' }
  known.remember(bob, key(1))
  chmodSync(path, 0o622)
  t.throws(() => known.keyOf(bob), { code: 'identity-refused', message: /can be changed by others \(mode 0622\)/ })
  chmodSync(path, 0o644)
  t.equal(known.keyOf(bob), key(1), 'reading is no harm')
  writeFileSync(path, `${readFileSync(path, 'utf8')}s:1/ carol ${key(2).slice(1)}\n`)
  for (const touch of [() => known.keyOf(bob), () => known.remember(bob, key(1)), () => known.forget('bob')]) {
    t.throws(touch, { message: /line 2 cannot be read: correct or remove it/ })
  }
})
