// test-client at a terminal, as people see it, and the dialects connect and numbered through pipes: real processes, real sockets.
import t from 'tap'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { freePort } from '../src/cli/free-port.ts'
import { start, startServer, stopAll } from './fixtures/program.ts'
import { closeScreens, hasTmux, startOnScreen } from './fixtures/screen.ts'

t.afterEach(async () => {
  closeScreens()
  await stopAll()
})

const onScreen = { skip: hasTmux ? false : 'tmux is not installed' }
const dial = (port: number, ...more: string[]): string[] => ['-s', '127.0.0.1', '-p', String(port), ...more]

t.test('an incoming line never runs into a half-typed one', onScreen, async t => {
  const server = await startServer()
  const alice = startOnScreen('test-client', dial(server.port, '-n', 'alice', '-c', 'bob'))
  const bob = start('test-client', dial(server.port, '-n', 'bob', '-c', 'alice', '-q'))
  await alice.until(/direct P2P message from bob/)
  alice.type('half a lime')
  alice.press('BSpace', 'BSpace')
  await alice.until(/half a li$/)
  bob.child.stdin.write('hello from bob\n')
  const rows = await alice.until(/hello from bob/)
  t.equal(rows.at(-1), 'half a li', 'what was typed stands below it, whole')
  t.ok(rows.includes('hello from bob'), 'the message has a line of its own')
  t.equal(rows.filter(row => row.includes('half a li')).length, 1)
  alice.type('ne')
  alice.press('Enter')
  await bob.until(/^half a line$/m)
  alice.press('C-c')
  t.match((await alice.until(/exit code/)).at(-1), 'exit code 130')
})

t.test('a line that is longer than the screen is wide stays whole, too', onScreen, async t => {
  const server = await startServer()
  const alice = startOnScreen('test-client', dial(server.port, '-n', 'alice', '-c', 'bob', '-q'), 40)
  const bob = start('test-client', dial(server.port, '-n', 'bob', '-c', 'alice', '-q'))
  await bob.until(/direct P2P message from alice/)
  const long = 'abcdefghij'.repeat(10)
  alice.type(long)
  await alice.until(/abcdefghij$/)
  for (const word of ['one', 'two', 'three']) bob.child.stdin.write(`${word}\n`)
  const rows = await alice.until(/three/)
  const shown = rows.slice(rows.indexOf('three') + 1)
  t.equal(shown.join(''), long)
  t.same(
    rows.filter(row => /^(one|two|three)$/.test(row)),
    ['one', 'two', 'three'],
  )
  alice.press('Enter')
  await bob.until(new RegExp(long))
})

t.test('numbered: menu, questions, and a message in the middle of an answer', onScreen, async t => {
  const server = await startServer()
  const one = startOnScreen('test-client', ['--dialect', 'numbered', ...dial(server.port)])
  await one.until(/Your Id is: 1\nChoose:\n1\.MY ID\n2\.LIST\n3\.CONNECT\n4\.EXIT$/)
  const two = start('test-client', ['--dialect', 'numbered', ...dial(server.port)])
  await two.until(/Your Id is: 2/)
  one.press('1', 'Enter')
  await one.until(/^Your ID is: 1$/m)
  one.type('LIST')
  one.press('Enter')
  await one.until(/^2,\('127\.0\.0\.1', \d+\)$/m)
  one.press('3', 'Enter')
  await one.until(/Enter the id of client you want to connect:$/)
  one.press('2', 'Enter')
  await one.until(/Enter the message you want to send:$/)
  one.type('how are')
  await one.until(/how are$/)
  two.child.stdin.write('3\n1\nI am two\n')
  const rows = await one.until(/I am two/)
  t.match(rows.at(-1), /^Enter the message you want to send: how are$/)
  t.match(rows.at(-2), /^Received Incoming Message From \('127\.0\.0\.1', \d+\): I am two$/)
  one.type(' you?')
  one.press('Enter')
  await two.until(/^Received Incoming Message From \('127\.0\.0\.1', \d+\): how are you\?$/m)
  one.press('4', 'Enter')
  await one.until(/exit code 0/)
  await server.until(/Received EXIT Request From Client: \('127\.0\.0\.1', \d+\)/)
  t.match(
    server.stdout,
    /Received CONNECT Request From Client: \('127\.0\.0\.1', \d+\) To Client: \('127\.0\.0\.1', \d+\)/,
  )
})

t.test('connect through pipes: the older words, the lines in order, end leaves', async t => {
  const server = await startServer()
  const first = start('test-client', ['--dialect', 'connect', ...dial(server.port, '-n', '12345')])
  await first.until(/^REGISTERED 127\.0\.0\.1$/m)
  first.child.stdin.write('too early\n')
  await first.until(/^Please connect first: CONNECT \[your_id\] \[dest_id\]$/m)
  const second = start('test-client', ['--dialect', 'connect', ...dial(server.port, '-n', '56789')])
  second.child.stdin.end('CONNECT 56789 nobody\nCONNECT 56789 12345\nhello\nCONNECT as text is no order\nbye\n')
  await first.until(/^bye$/m)
  await second.until(/^CONNECTED to /m)
  t.match(second.stdout, /^REGISTERED 127\.0\.0\.1\nERROR unknown id nobody\nCONNECTED to 127\.0\.0\.1:\d+\n/)
  t.match(first.stdout, /\nCONNECTED to 127\.0\.0\.1:\d+\n[^]*hello\n CONNECT as text is no order\nbye\n$/)
  t.equal(second.child.exitCode, null, 'the end of stdin ends nothing')
  first.child.stdin.write('end\n')
  t.equal(await first.ended(), 0)
  t.match(
    server.stdout,
    /\n\+ REGISTERED 127\.0\.0\.1: 12345\n\+ REGISTERED 127\.0\.0\.1: 56789\n\+ CONNECTED 56789 12345\n/,
  )
})

t.test('connect with -c: --exit-on-connect, --json, -q', async t => {
  const server = await startServer()
  const common = dial(server.port, '--exit-on-connect', '--timeout', '20')
  const json = start('test-client', ['--dialect', 'connect', '-n', 'a', '-c', 'b', '--json', ...common])
  const quiet = start('test-client', ['--dialect', 'connect', '-n', 'b', '-c', 'a', '-q', ...common])
  t.same(await Promise.all([json.ended(25_000), quiet.ended(25_000)]), [0, 0])
  const events = json.stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>)
  const kinds = events.map(({ event }) => event)
  for (const kind of ['registering', 'registered', 'introduced', 'connected', 'message', 'closed']) {
    t.ok(kinds.includes(kind), kind)
  }
  t.match(
    events.find(({ event }) => event === 'connected'),
    { peer: 'b', endpoint: /^127\.0\.0\.1:\d+$/ },
  )
  t.equal(quiet.stdout, 'This is a direct P2P message from a to b\n')
})

t.test('exit codes: nobody answers 3, the peer never came 4, a bad id 7, what has no meaning 2', async t => {
  const server = await startServer()
  await start('test-client', ['--dialect', 'numbered', ...dial(server.port)]).until(/Your Id is: 1/)
  const rows: [args: string[], code: number, says: RegExp][] = [
    [
      ['--dialect', 'connect', '-n', '1', ...dial(1), '--timeout', '0.5'],
      3,
      /No answer from 127\.0\.0\.1, port 1, in 0\.5 s/,
    ],
    [['--dialect', 'numbered', ...dial(1), '--timeout', '0.5'], 3, /No answer/],
    [['--dialect', 'connect', '-n', 'me', '-c', '2', ...dial(server.port), '--timeout', '1'], 4, /2 did not appear/],
    [['--dialect', 'connect', '-n', '1', ...dial(server.port)], 7, /The server refuses the id: id 1 in use/],
    [['--dialect', 'connect', '-n', 'LIST', ...dial(1)], 7, /-n "LIST" can be no id/],
    [['--dialect', 'connect', '-n', 'a', '-c', 'b=c', ...dial(1)], 7, /-c "b=c" can be no id/],
    [['--dialect', 'connect', ...dial(1)], 2, /-n is missing: test-client --dialect connect -s HOST -n MY_ID/],
    [['--dialect', 'stun', '-n', '10', ...dial(1)], 2, /-c is missing/],
    [['--dialect', 'numbered', '-n', '10', ...dial(1)], 2, /-n means nothing to the dialect numbered/],
    [['--dialect', 'conect', '-n', '10', ...dial(1)], 2, /no dialect "conect": did you mean connect\?/],
    [['--dialect', 'connect', '-n', 'a', '-c', 'a', ...dial(1)], 2, /-n and -c are both "a"/],
  ]
  for (const [args, code, says] of rows) {
    const program = start('test-client', [...args, '--no-input'])
    t.equal(await program.ended(), code, args.join(' '))
    t.match(program.stderr, says)
  }
  const wrong = start('test-server', ['--dialects', 'phonebok'])
  t.equal(await wrong.ended(), 2)
  t.match(wrong.stderr, /no dialect "phonebok": did you mean phonebook\?/)
})

t.test('no answer in 3 s: one line says what the server seems to speak', async t => {
  const seems = (dialect: string): RegExp =>
    new RegExp(`^No answer in 3 s: the server seems to speak ${dialect}: try --dialect ${dialect}$`, 'm')
  const phonebook = await startServer(['--dialects', 'phonebook'])
  const numbered = createSocket('udp4').bind(0, '127.0.0.1')
  await once(numbered, 'listening')
  numbered.on('message', (_bytes, { port, address }) => numbered.send('REGISTER_ACK:1', port, address))
  const directory = createServer(socket => socket.end('NICKNAME?\n')).listen(0, '127.0.0.1')
  await once(directory, 'listening')
  const tcp = directory.address()
  const rows: [string, string[], number][] = [
    ['numbered', ['-n', 'a', '-c', 'b'], numbered.address().port],
    ['numbered', ['--dialect', 'connect', '-n', 'a'], numbered.address().port],
    ['directory', ['--dialect', 'numbered'], typeof tcp === 'object' ? (tcp?.port ?? 0) : 0],
    ['connect', ['-n', 'a', '-c', 'b'], 9999],
    // It does not answer, and from its silence nothing follows.
    ['nothing', ['--dialect', 'connect', '-n', 'a'], phonebook.port],
  ]
  const programs = rows.map(([, args, port]) =>
    start('test-client', [...args, ...dial(port), '--timeout', '5', '--no-input']),
  )
  await Promise.all(programs.map(program => program.ended()))
  for (const [i, [dialect]] of rows.entries()) {
    const said = programs[i]?.stderr ?? ''
    if (dialect === 'nothing') t.notMatch(said, /seems to speak/)
    else t.match(said, seems(dialect), rows[i]?.[1].join(' ') ?? '')
    t.equal(said.match(/seems to speak/g)?.length ?? 0, dialect === 'nothing' ? 0 : 1)
  }
  numbered.close()
  directory.close()
})

t.test(
  '--dialects narrows, --older-ports adds 8000, 9090 and 9999, and does without what another program has',
  async t => {
    const taken = createSocket('udp4').bind(9090, '127.0.0.1')
    await once(taken, 'listening')
    const port = await freePort()
    const server = start('test-server', [
      '-p',
      String(port),
      '--host',
      '127.0.0.1',
      '--older-ports',
      '--dialects',
      'connect',
    ])
    await server.until(/reachable/)
    t.match(server.stdout, `port ${port}.\n`)
    t.match(server.stdout, /port 9999\./)
    t.notMatch(server.stdout, /port 9090\./)
    const client = start('test-client', ['--dialect', 'connect', '-n', '1', ...dial(9999), '--no-input'])
    await client.until(/^REGISTERED 127\.0\.0\.1$/m)
    const other = start('test-client', ['--dialect', 'numbered', ...dial(9999), '--no-input', '--timeout', '1'])
    t.equal(await other.ended(), 3)
    taken.close()
  },
)
