// Identities, private lines and keys that changed, as people meet them: real programs on loopback, with a state directory of their own.
import { createSocket } from 'node:dgram'
import { chmodSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { type Program, start, startServer, stopAll } from './fixtures/program.ts'

t.afterEach(stopAll)

const home = (): string => t.testdir()
const client = (state: string, port: number, name: string, peer: string, ...more: string[]): Program =>
  start('test-client', ['-s', '127.0.0.1', '-p', String(port), '-n', name, '-c', peer, '--no-input', ...more], {
    XDG_STATE_HOME: state,
  })

t.test('two meet in private, know each other from then on, and a new key is refused until it is forgotten', async t => {
  const state = home()
  const { port } = await startServer(['-q', '--expiry', '1'])
  const first = [
    client(state, port, 'alice', 'bob', '--exit-on-connect'),
    client(state, port, 'bob', 'alice', '--exit-on-connect'),
  ]
  for (const program of first) {
    t.equal(await program.ended(), 0)
    t.match(program.stdout, /The name \w+ is ours there, by the key SHA256:[\w-]{43}\./)
    t.match(program.stdout, /The line to \w+ is private, by the key SHA256:[\w-]{43}, seen for the first time\./)
  }
  const again = [
    client(state, port, 'alice', 'bob', '--exit-on-connect'),
    client(state, port, 'bob', 'alice', '--exit-on-connect'),
  ]
  for (const program of again) {
    t.equal(await program.ended(), 0)
    t.match(program.stdout, /is private, by the key SHA256:[\w-]{43}\.\n/, 'known by now')
  }

  // Met in private once, met in private or not at all.
  const anonymous = client(state, port, 'alice', 'bob', '--anonymous', '--timeout', '5')
  t.equal(await anonymous.ended(), 8)
  t.match(anonymous.stderr, /bob was met with the key SHA256:[\w-]{43}, .*: test-client --forget bob\n$/)

  // Bob has lost his key. The server forgets his name in a second, so that he can have it with another one.
  rmSync(join(state, 'stage-manager', 'identities', 'bob.identity'))
  const stranger = client(state, port, 'bob', 'alice')
  await stranger.until(/is ours there/)
  const alice = client(state, port, 'alice', 'bob', '-q', '--timeout', '5')
  t.equal(await alice.ended(), 8)
  t.match(alice.stderr, /The key of bob has changed: it was SHA256:[\w-]{43}, now the phonebook shows SHA256:[\w-]{43}/)
  const forget = start('test-client', ['--forget', 'bob'], { XDG_STATE_HOME: state })
  t.equal(await forget.ended(), 0)
  t.match(forget.stdout, /^Forgot bob at 127\.0\.0\.1:\d+\/: SHA256:[\w-]{43}\n$/)
  const trusting = client(state, port, 'alice', 'bob', '--exit-on-connect')
  t.equal(await trusting.ended(), 0)
  stranger.kill()
})

t.test('each side prints both fingerprints at the first meeting, whether or not the server knows owners', async t => {
  for (const options of [[], ['--classic']]) {
    const { port } = await startServer(['-q', ...options])
    const state = home()
    const meet = ['--exit-on-connect', '--timeout', '10']
    const both = [client(state, port, 'alice', 'bob', ...meet), client(state, port, 'bob', 'alice', ...meet)]
    const prints = []
    for (const program of both) {
      t.equal(await program.ended(), 0)
      const theirs = /The line to \w+ is private, by the key (SHA256:[\w-]{43})/.exec(program.stdout)?.[1]
      prints.push([theirs, / knows us by the key (SHA256:[\w-]{43})\.\n/.exec(program.stdout)?.[1]])
    }
    const [alice = [], bob = []] = prints
    t.ok(alice.every(Boolean))
    t.same(alice, bob.toReversed())
  }
})

t.test('a server that gives a name and takes it, and moves the peer to and fro, is told of in a few lines', async t => {
  const server = createSocket('udp4').bind(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  server.on('message', (bytes, { port }) => {
    const key = /key=([\w-]+)/.exec(bytes.toString())?.[1]
    for (let i = 0; i < 200; i++) {
      const own = `0,2,alice,127.0.0.1,${port},v=2,ok=1${i % 2 ? `,key=${key}` : ''}\n`
      server.send(`${own}1,2,bob,127.0.0.1,${9 + (i % 2)},v=2,ok=1\n`, port, '127.0.0.1')
    }
  })
  const alice = client(home(), server.address().port, 'alice', 'bob', '--explain', '--timeout', '3')
  await alice.ended()
  const count = (pattern: RegExp): number => `${alice.stdout}${alice.stderr}`.match(pattern)?.length ?? 0
  t.ok(count(/is ours there/g) >= 1 && count(/is ours there/g) <= 4, `owned: ${count(/is ours there/g)}`)
  t.ok(count(/^Plan: /gm) >= 1 && count(/^Plan: /gm) <= 16, `plans: ${count(/^Plan: /gm)}`)
})

t.test('what can not be used is one line and exit code 8; what contradicts is 2', async t => {
  const state = home()
  const { port } = await startServer(['-q'])
  const file = join(state, 'mine')
  writeFileSync(file, 'nonsense', { mode: 0o600 })
  const rows: [string[], number, RegExp][] = [
    [['--identity', file], 8, /^test-client: .*mine is no identity: [^\n]*\n$/],
    [['--identity', join(file, 'below')], 8, /no identity can be kept in .*: give another file, or --anonymous\n$/],
    [['--identity', file, '--anonymous'], 2, /exclude each other/],
    [['--anonymous', '--require-encryption'], 2, /needs a key of mine/],
    [['--anonymous', '--stage-secret', 'correct horse battery'], 2, /needs a key of mine/],
  ]
  for (const [options, code, expected] of rows) {
    const program = client(state, port, 'alice', 'bob', ...options)
    t.equal(await program.ended(), code, options.join(' '))
    t.match(program.stderr, expected)
  }
  chmodSync(file, 0o644)
  const open = client(state, port, 'alice', 'bob', '--identity', file)
  t.equal(await open.ended(), 8)
  t.match(open.stderr, `is open to others (mode 0644): chmod 600 ${file}`)
  t.same(readdirSync(state), ['mine'], 'and nothing was made beside it')
})
