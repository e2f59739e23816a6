// The library, on real sockets of 127.0.0.1: promises, signals, messages, and what it says to nonsense.
import t from 'tap'
import { type Session, StageError, connect, createServer } from '../src/index.ts'

const code = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise
    return 'resolved'
  } catch (error) {
    return error instanceof StageError ? error.code : String(error)
  }
}

const start = async () => {
  const server = await createServer({ port: 0, hosts: ['127.0.0.1'] })
  const port = server.endpoints[0]?.port ?? 0
  const meet = (name: string, peer: string, more: object = {}): Promise<Session> =>
    connect({ server: '127.0.0.1', port, name, peer, timeoutMs: 10_000, ...more })
  return { server, port, meet }
}

t.test('two meet, talk, and the goodbye of one ends the messages of the other', async t => {
  const { server, meet } = await start()
  const [alice, bob] = await Promise.all([meet('alice', 'bob'), meet('bob', 'alice')])
  t.equal(alice.peer, 'bob')
  t.equal(alice.endpoint.address, '127.0.0.1')
  alice.send('one')
  alice.send(Uint8Array.of(0xff, 0xfe))
  const heard: (string | Uint8Array)[] = []
  for await (const { text, bytes } of bob.messages) {
    heard.push(heard.length === 0 ? text : bytes)
    if (heard.length === 2) alice.close()
  }
  t.same(heard, ['one', Uint8Array.of(0xff, 0xfe)])
  t.throws(() => bob.send('into the void'), { code: 'peer-unreached' })
  server.close()
})

t.test('a message that is too long, or none, is refused and the session lives on', async t => {
  const { server, meet } = await start()
  const [alice, bob] = await Promise.all([meet('alice', 'bob'), meet('bob', 'alice')])
  t.throws(() => alice.send('x'.repeat(1201)), { code: 'usage', message: /1200 bytes/ })
  t.throws(() => alice.send(5 as never), { code: 'usage' })
  alice.send('x'.repeat(1200))
  const { value } = (await bob.messages.next()) as { value: { text: string } }
  t.equal(value.text.length, 1200)
  for (const side of [alice, bob, server]) side.close()
})

t.test('a signal ends the attempt, and later the session', async t => {
  const { server, meet } = await start()
  t.equal(await code(meet('early', 'x', { signal: AbortSignal.abort() })), 'interrupted')
  const looking = new AbortController()
  const attempt = code(meet('looking', 'x', { signal: looking.signal }))
  setTimeout(() => looking.abort(), 50)
  t.equal(await attempt, 'interrupted')
  const talking = new AbortController()
  const [alice, bob] = await Promise.all([meet('alice', 'bob', { signal: talking.signal }), meet('bob', 'alice')])
  talking.abort()
  t.same(await alice.messages.next(), { done: true, value: undefined })
  t.same(await bob.messages.next(), { done: true, value: undefined }, 'and the peer is told')
  bob.close()
  server.close()
})

t.test('failures and nonsense reject with a StageError', async t => {
  const { server, port, meet } = await start()
  const to = { server: '127.0.0.1', port, name: 'a', peer: 'b' }
  const rows: [string, () => Promise<unknown>, string][] = [
    ['nobody comes', () => meet('a', 'b', { timeoutMs: 300 }), 'peer-absent'],
    ['no server', () => connect({ ...to, port: 9, timeoutMs: 300 }), 'server-unreachable'],
    ['no such host', () => connect({ ...to, server: 'no-such-host.invalid' }), 'unknown-host'],
    ['a name with a comma', () => connect({ ...to, name: 'a,b' }), 'name-refused'],
    ['both the same', () => connect({ ...to, name: 'b' }), 'usage'],
    ['a port that is none', () => connect({ ...to, port: 'abc' as never }), 'usage'],
    ['no time at all', () => connect({ ...to, timeoutMs: Number.NaN }), 'usage'],
    ['no name', () => connect({ server: 'x', peer: 'b' } as never), 'usage'],
    ['a port in use', () => createServer({ port, hosts: ['127.0.0.1'] }), 'cannot-bind'],
    ['port -1', () => createServer({ port: -1 }), 'usage'],
    ['port 70000', () => createServer({ port: 70_000 }), 'usage'],
    ['no slots', () => createServer({ port: 0, capacity: 0 }), 'usage'],
    ['a host that is no address', () => createServer({ port: 0, hosts: ['foo'] }), 'usage'],
  ]
  for (const [story, attempt, wanted] of rows) t.equal(await code(attempt()), wanted, story)
  server.close()
})
