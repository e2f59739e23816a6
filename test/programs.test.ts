// test-server and test-client as people run them: real processes, real sockets on loopback, pipes and signals.
import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { freePort } from '../src/cli/free-port.ts'
import { listenOf } from '../src/cli/serve.ts'
import { bin, start, startServer, stopAll } from './fixtures/program.ts'

t.afterEach(stopAll)

const client = (port: number, name: string, peer: string, ...more: string[]) =>
  start('test-client', ['-s', '127.0.0.1', '-p', String(port), '-n', name, '-c', peer, ...more])

t.test('the transcript that scripts look for', async t => {
  const server = await startServer()
  const alice = client(server.port, 'alice', 'bob')
  await alice.until(/0,1,alice/)
  const bob = client(server.port, 'bob', 'alice')
  await Promise.all([alice.until(/direct P2P message from bob/), bob.until(/direct P2P message from alice/)])
  await alice.until(/(We received a peer message[\s\S]*){2}/)
  const where = /127\.0\.0\.1:(\d+)/.exec(alice.stdout)?.[1] ?? ''
  const lines = alice.stdout.split('\n')
  t.same(lines.slice(0, 4), [
    'Stage Manager Server address: 127.0.0.1',
    'My Name: alice',
    'Registering with Stage Manager.',
    'Retrieving incoming messages.',
  ])
  t.match(
    alice.stdout,
    `\nStage Manager sent us a Phonebook entry: 0,1,alice,127.0.0.1,${where}\nPeer: 0/1 alice@127.0.0.1:${where}\n`,
  )
  t.match(alice.stdout, /\nLocated bob!\n/)
  t.match(
    alice.stdout,
    /\nWe received a peer message of len 46 from 127\.0\.0\.1:\d+ ->>\nThis is a direct P2P message from bob to alice\n/,
  )
  t.equal(alice.stdout.match(/Located bob!/g)?.length, 1, 'once per endpoint')
  const transcript = server.stdout.split('\n')
  t.same(transcript.filter(line => !/STUN alone/.test(line)).slice(0, 5), [
    `Connection Server ready to receive on port ${server.port}.`,
    'Make sure this is reachable from the internet.',
    `Client from 127.0.0.1 : ${where} sent: alice`,
    'Adding client #0 to table of clients.',
    `0,1,alice,127.0.0.1,${where}`,
  ])
  t.match(server.stdout, 'Updating client #0 in table of clients.')
  t.notMatch(server.stdout + alice.stdout, /cookie|pair=/, 'no secrets')
})

t.test('what is typed or piped goes to the peer, line by line, whole', async t => {
  const server = await startServer()
  const alice = client(server.port, 'alice', 'bob', '-q')
  const bob = client(server.port, 'bob', 'alice', '--no-input', '--json')
  const long = 'ä'.repeat(1500)
  alice.child.stdin.write('typed before there was a peer\n')
  alice.child.stdin.end(`hello\n\n${long}\nlast line without its end`)
  await bob.until(/last line/)
  const texts = bob.stdout
    .split('\n')
    .filter(line => line.includes('"message"'))
    .map(line => (JSON.parse(line) as { text: string }).text)
    .filter(text => !text.startsWith('This is a direct'))
  t.same(texts.slice(0, 3), ['typed before there was a peer', 'hello', ''])
  t.equal(texts.slice(3, -1).join(''), long, 'in pieces, no character cut')
  t.equal(texts.at(-1), 'last line without its end')
  t.equal(alice.child.exitCode, null, 'the end of stdin ends nothing')
})

t.test('JSON: one object a line, nothing else, on both sides', async t => {
  const server = await startServer(['--json'])
  const alice = client(server.port, 'alice', 'bob', '--json', '--exit-on-connect')
  const bob = client(server.port, 'bob', 'alice', '--json', '--exit-on-connect')
  t.same(await Promise.all([alice.ended(), bob.ended()]), [0, 0])
  server.kill()
  t.equal(await server.ended(), 0)
  const events = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>)
  const kinds = (text: string) => new Set(events(text).map(({ event }) => event))
  for (const side of [alice, bob]) {
    for (const kind of ['registered', 'entry', 'located', 'check-sent', 'heard', 'connected', 'closed']) {
      t.ok(kinds(side.stdout).has(kind), kind)
    }
    const connected = events(side.stdout).find(({ event }) => event === 'connected')
    t.match(connected, { peer: /alice|bob/, endpoint: /^127\.0\.0\.1:\d+$/, elapsedMs: Number })
    t.equal(side.stderr, '')
  }
  for (const kind of ['listening', 'ready', 'registered', 'pushed', 'closed'])
    t.ok(kinds(server.stdout).has(kind), kind)
  t.notMatch(server.stdout + alice.stdout, /cookie=|pair=/)
  const messages = events(bob.stdout).filter(({ event }) => event === 'message')
  t.match(messages[0], { text: 'This is a direct P2P message from alice to bob' })
  t.notMatch(server.stdout + alice.stdout + bob.stdout, '"data":[', 'no bytes number by number')
})

t.test('IPv6 on loopback, and a host name', async t => {
  const port = await freePort()
  const server = start('test-server', ['-p', String(port)])
  await server.until(/ready/)
  const six = ['-s', '::1', '-p', String(port), '--exit-on-connect', '--timeout', '15']
  const pair = [
    start('test-client', [...six, '-n', 'a', '-c', 'b']),
    start('test-client', [...six, '-n', 'b', '-c', 'a']),
  ]
  t.same(await Promise.all(pair.map(program => program.ended(20_000))), [0, 0])
  t.match(pair[0]?.stdout, /Connected to b at \[::1\]:\d+/)
  const named = ['-p', String(port), '--exit-on-connect', '--timeout', '15']
  const other = [
    start('test-client', ['-s', 'localhost', ...named, '-n', 'c', '-c', 'd']),
    start('test-client', ['-s', '127.0.0.1', ...named, '-n', 'd', '-c', 'c']),
  ]
  t.same(
    await Promise.all(other.map(program => program.ended(20_000))),
    [0, 0],
    'localhost and 127.0.0.1 are the same stage',
  )
})

t.test('several ports are one stage', async t => {
  const [first, second] = [await freePort(), await freePort()]
  const server = start('test-server', [
    '-p',
    String(first),
    '-p',
    String(second),
    '--host',
    '127.0.0.1',
    '--host',
    '::1',
  ])
  await server.until(/ready to receive on port \d+\.\n.*ready to receive on port \d+\./)
  const alice = client(first, 'alice', 'bob', '--exit-on-connect', '--timeout', '15')
  const bob = client(second, 'bob', 'alice', '--exit-on-connect', '--timeout', '15')
  t.same(await Promise.all([alice.ended(20_000), bob.ended(20_000)]), [0, 0])
})

t.test('a wrong argument: one line that says what and how, exit code 2', async t => {
  const rows: [string, string[], RegExp][] = [
    ['test-server', ['--prot', '1'], /unknown option --prot: did you mean --port\?/],
    ['test-server', ['-p'], /-p needs a value/],
    ['test-server', ['--__proto__', 'x'], /unknown option --__proto__/],
    ['test-server', ['--json=maybe'], /--json takes no value/],
    ['test-server', ['--no-json'], /unknown option --no-json/],
    ['test-server', ['-v'], /unknown option -v: try test-server --help/],
    ['test-server', ['--', 'x'], /unexpected argument/],
    ['test-client', ['--input'], /unknown option --input: did you mean --no-input\?|unknown option --input/],
    ['test-client', ['-s', 'http://host/', '-n', 'a', '-c', 'b'], /-s takes a name or an address: give -s host/],
    ['test-client', ['-s', '[::1]', '-n', 'a', '-c', 'b'], /-s takes a name or an address: give -s ::1/],
    ['test-server', ['-p', '0'], /-p "0" is not a port/],
    ['test-server', ['-p', '65536'], /not a port/],
    ['test-server', ['-p', '80a'], /not a port/],
    ['test-server', ['-n', 'alice'], /-n is not an option here: that is test-client's option/],
    ['test-server', ['--host', 'example'], /not an IP address/],
    ['test-server', ['--host', '127.1'], /not an IP address/],
    ['test-server', ['8080'], /unexpected argument "8080"/],
    ['test-server', ['--capacity', '0'], /--capacity "0" is not a number of slots/],
    ['test-server', ['--expiry', '-5'], /--expiry "-5" is not a number of seconds/],
    ['test-client', ['-s', 'x', '-n', '-c', 'b'], /-n needs a value/],
    ['test-server', ['--json', '-q'], /exclude each other/],
    ['test-server', ['--alt-port', '8080'], /--alt-port 8080 is the first port too: give another/],
    ['test-server', ['-p', '9000', '--alt-port', '9000'], /--alt-port 9000 is the first port too: give another/],
    ['test-server', ['--alt-address', '127.0.0.2'], /needs the first IPv4 address too: give it with --host/],
    ['test-server', ['--host', '127.0.0.1', '--alt-address', '::1'], /needs the first IPv6 address too/],
    ['test-server', ['--host', '0.0.0.0', '--alt-address', '127.0.0.2'], /needs the first IPv4 address too/],
    ['test-server', ['--host', '127.0.0.1', '--alt-address', '127.0.0.1'], /is the --host too: give another address/],
    [
      'test-server',
      ['--dialects', 'phonebook', '--alt-port', '9001'],
      /--alt-port is for STUN: add stun to --dialects/,
    ],
    ['test-client', [], /-s, -n and -c are missing/],
    ['test-client', ['-s', 'x', '-n', 'a'], /-c is missing/],
    ['test-client', ['-s', 'host:9000', '-n', 'a', '-c', 'b'], /-s takes no port: give -s host -p 9000/],
    ['test-client', ['-s', 'x', '-n', '', '-c', 'b'], /-n needs a value/],
    ['test-client', ['-s', 'x', '-n', 'a', '-n', 'b', '-c', 'c'], /-n was given 2 times/],
    ['test-client', ['--capacity', '5'], /that is test-server's option/],
    ['test-client', ['-s', '127.0.0.1', '-n', 'alice', '-c', 'alice'], /both "alice"/],
    ['test-client', ['-s', '127.0.0.1', '-n', 'a', '-c', 'b', '--timeout', 'soon'], /not a number of seconds/],
    ['test-client', ['-s', '127.0.0.1', '-n', 'a', '-c', 'b', '--stage', 'a b'], /--stage/],
  ]
  const ended = rows.map(async ([name, args, message]) => {
    const program = start(name, args)
    t.equal(await program.ended(), 2, `${name} ${args.join(' ')}`)
    t.match(program.stderr, message)
    t.equal(program.stderr.split('\n').length, 2, 'one line')
    t.equal(program.stdout, '')
  })
  await Promise.all(ended)
})

t.test('where a server listens: each place once, and for STUN where nothing else is', async t => {
  const none = { hosts: ['::1'], altAddress: undefined, altPort: undefined, dialects: undefined, olderPorts: false }
  const rows: [string, Partial<Parameters<typeof listenOf>[0]>, string][] = [
    ['no port', {}, '8080 8081*'],
    ['two', { ports: [7000, 9000] }, '7000 9000 7001*'],
    ['the same place twice', { ports: [7000, 7000], hosts: ['::1', '::1'] }, '7000 7001*'],
    ['the next one is ours already', { ports: [7000, 7001] }, '7000 7001'],
    ['or an older program looks there', { ports: [9998], olderPorts: true }, '9998 8000 9090 9999'],
    ['an older port', { ports: [9090], olderPorts: true }, '9090 8000 9999 9091*'],
    ['the last one', { ports: [65_535] }, '65535'],
    ['another one', { altPort: 3479 }, '8080 3479*'],
    ['no STUN', { dialects: ['phonebook'] }, '8080'],
    ['as the older server', { classic: true }, '8080'],
  ]
  for (const [story, options, places] of rows) {
    const listen = listenOf({ ports: [], classic: false, ...none, ...options })
    t.equal(listen.map(({ port, stunOnly }) => `${port}${stunOnly ? '*' : ''}`).join(' '), places, story)
  }
})

t.test('each failure has a line and an exit code of its own', async t => {
  const silent = createSocket('udp4').bind(0, '127.0.0.1')
  await once(silent, 'listening')
  const server = await startServer()
  const mute = createSocket('udp4')
  mute.send('mute v=2 seek=h', server.port, '127.0.0.1')
  const taken = String(server.port)
  const free = String(await freePort())
  const nobody = ['-s', '127.0.0.1', '-p', String(silent.address().port), '-n', 'a', '-c', 'b', '--timeout', '1']
  const rows: [string, string[], number, RegExp][] = [
    [
      'test-client',
      ['-s', 'no-such-host.invalid', '-n', 'a', '-c', 'b'],
      3,
      /No such host: no-such-host\.invalid: .*spelling/,
    ],
    ['test-client', nobody, 3, /No answer from 127\.0\.0\.1, port \d+, in 1 s: is test-server running/],
    ['test-client', ['-s', '127.0.0.1', '-p', taken, '-n', 'e', '-c', 'f', '--timeout', '1'], 4, /f did not appear/],
    [
      'test-client',
      ['-s', '127.0.0.1', '-p', taken, '-n', 'h', '-c', 'mute', '--timeout', '1'],
      5,
      /mute is in the phonebook, but/,
    ],
    ['test-server', ['-p', taken, '--host', '127.0.0.1'], 6, /UDP port \d+ of 127\.0\.0\.1 is already in use: .*-p/],
    ['test-server', ['-p', taken], 6, /UDP port \d+ is already in use/],
    [
      'test-server',
      ['-p', free, '--host', '127.0.0.1', '--alt-address', '192.0.2.77'],
      6,
      /give one that is \(--host, --alt-address\)/,
    ],
    ['test-server', ['-p', taken, '--host', '192.0.2.77'], 6, /192\.0\.2\.77 is not an address of this machine/],
    ['test-client', ['-s', '127.0.0.1', '-n', 'a,b', '-c', 'c'], 7, /"a,b" has a blank, a comma/],
    ['test-client', ['-s', '127.0.0.1', '-n', 'REGISTER', '-c', 'c'], 7, /word of the protocol/],
    ['test-client', ['-s', '127.0.0.1', '-n', 'x'.repeat(65), '-c', 'c'], 7, /longer than 64 bytes/],
  ]
  await Promise.all(
    rows.map(async ([name, args, code, message]) => {
      const program = start(name, args)
      t.equal(await program.ended(), code, `${name} ${args.join(' ')}`)
      t.match(program.stderr, message)
      t.notMatch(program.stderr, /\n\s+at /, 'no stack trace')
    }),
  )
  silent.close()
  mute.close()
})

t.test('a network without a route: one line, exit code 3', async t => {
  const program = start('test-client', ['-s', '2001:db8::1', '-n', 'a', '-c', 'b', '--timeout', '5'])
  t.equal(await program.ended(), 3)
  t.match(program.stderr, /No route to|No answer from/)
})

t.test('the demo ends by itself, and the server was only asked', async t => {
  const demo = fileURLToPath(new URL('../demo/demo.mjs', import.meta.url))
  const { status, stdout } = spawnSync('env', ['-u', 'NODE_OPTIONS', process.execPath, demo], { encoding: 'utf8' })
  t.equal(status, 0)
  t.match(stdout, /\nalice and bob talk directly, .* was asked \d+ times and has seen none of their messages\.\n$/)
})

t.test('help and version', async t => {
  for (const name of ['test-server', 'test-client']) {
    const help = start(name, ['--help'])
    t.equal(await help.ended(), 0)
    for (const word of ['Usage:', 'Examples:', 'Exit codes:', '130', '--json', '--version']) t.match(help.stdout, word)
    for (const line of help.stdout.split('\n')) t.ok(line.length <= 100, line)
    const version = start(name, ['--version'])
    t.equal(await version.ended(), 0)
    t.match(version.stdout, /^\d+\.\d+\.\d+\n$/)
  }
})

t.test('signals: Ctrl-C is 130, SIGTERM a clean end, and the peer hears a goodbye', async t => {
  const server = await startServer()
  const alice = client(server.port, 'alice', 'bob')
  const bob = client(server.port, 'bob', 'alice')
  await Promise.all([alice.until(/Connected/), bob.until(/Connected/)])
  bob.kill('SIGINT')
  t.equal(await bob.ended(), 130)
  await alice.until(/bob has left\. Looking for bob again\./)
  const startedMs = performance.now()
  server.kill('SIGTERM')
  t.equal(await server.ended(), 0)
  t.ok(performance.now() - startedMs < 3000, 'within a second, three times slack')
  t.match(server.stdout, /Stopped after \d+ datagrams: \d+ answered/)
  alice.kill('SIGTERM')
  t.equal(await alice.ended(), 0)
})

t.test('a pipe that is closed, and one that nobody reads', async t => {
  const server = await startServer(['--json'])
  server.child.stdout.destroy()
  const alice = client(server.port, 'alice', 'bob', '--exit-on-connect', '--timeout', '15')
  const bob = client(server.port, 'bob', 'alice', '--exit-on-connect', '--timeout', '15')
  t.same(await Promise.all([alice.ended(20_000), bob.ended(20_000)]), [0, 0], 'the server lives on')

  const unheard = await startServer()
  unheard.child.stderr.destroy()
  for (let i = 1; i <= 2; i++) {
    unheard.kill('SIGUSR1')
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  unheard.kill('SIGTERM')
  t.equal(await unheard.ended(), 0, 'a warning that nobody reads ends nothing')

  const port = await freePort()
  const stuck = spawn(
    'sh',
    [
      '-c',
      `env -u NODE_OPTIONS ${process.execPath} ${bin('test-server')} -p ${port} --host 127.0.0.1 --json | sleep 60`,
    ],
    {
      stdio: 'ignore',
      detached: true,
    },
  )
  const flood = createSocket('udp4')
  let answers = 0
  flood.on('message', () => answers++)
  const wanted = 5000
  for (let i = 0; i < 200 && answers < wanted; i++) {
    for (let j = 0; j < 100; j++) flood.send(`name${j}`.padEnd(60, '.'), port, '127.0.0.1')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  t.ok(answers >= wanted, `answered ${answers} although nobody reads 64 KiB of its output`)
  flood.close()
  if (stuck.pid) process.kill(-stuck.pid, 'SIGKILL')
})

t.test('in a flood the transcript becomes one line a second', async t => {
  const server = await startServer()
  const flood = createSocket('udp4')
  for (let i = 0; i < 300; i++) flood.send(`name${i}`, server.port, '127.0.0.1')
  await server.until(/\d+ more registrations in this second: \d+ added/)
  t.ok((server.stdout.match(/Client from/g) ?? []).length <= 60)
  flood.close()
})

t.test('what a stranger says never acts on the terminal', async t => {
  const server = await startServer()
  const alice = client(server.port, 'alice', 'bob', '--json')
  const registered = await alice.until(/"event":"registered".*\n/)
  const endpoint = Number(/"endpoint":"127\.0\.0\.1:(\d+)"/.exec(registered)?.[1])
  const plain = client(server.port, 'carol', 'dave')
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(await plain.until(/sees us at/))?.[1])
  const stranger = createSocket('udp4')
  for (const target of [endpoint, port]) stranger.send('\u001b]0;owned\u0007 \u202e red', target, '127.0.0.1')
  await alice.until(/"stranger"/)
  for (let i = 0; i < 100 && plain.stderr === ''; i++) await new Promise(resolve => setTimeout(resolve, 50))
  t.match(plain.stderr, /from a stranger at 127\.0\.0\.1:\d+: \\u\{1b\}\]0;owned\\u\{7\} \\u\{202e\} red/)
  t.notMatch(alice.stdout + plain.stderr, '\u001b]')
  t.notMatch(alice.stdout + plain.stderr, '\u202e', 'also not in JSON')
  stranger.close()
})
