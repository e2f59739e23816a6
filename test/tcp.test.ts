// One story of streams, told on both hosts: the simulated and the real one behave the same. Then what only a world can show.
import { connect as connectRaw, createServer as createRawServer } from 'node:net'
import { once } from 'node:events'
import fc from 'fast-check'
import t from 'tap'
import type { Host, TcpConnection, TcpListener } from '../src/host.ts'
import { createNodeHost } from '../src/host/node.ts'
import { type World, createWorld } from '../src/sim/world.ts'

const text = (words: string): Uint8Array => new TextEncoder().encode(words)

type Ground = {
  readonly server: Host
  readonly client: Host
  readonly address: string
  /** Lets time pass until it is so; false where it does not come to that. */
  until(predicate: () => boolean): Promise<boolean>
  pause(): Promise<unknown>
}

const grounds: Record<string, () => Ground> = {
  world() {
    const world = createWorld({ seed: 1, link: { latencyMs: 5 } })
    const server = world.host({ address: '192.0.2.1' })
    const until = (predicate: () => boolean) => Promise.resolve(world.runUntil(predicate, world.now() + 5000))
    const client = world.host({ address: '192.0.2.2' })
    return { server, client, address: '192.0.2.1', until, pause: () => until(() => false) }
  },
  node() {
    const host = createNodeHost()
    const until = async (predicate: () => boolean) => {
      for (let i = 0; i < 1000 && !predicate(); i++) await new Promise(resolve => setTimeout(resolve, 5))
      return predicate()
    }
    const pause = () => new Promise(resolve => setTimeout(resolve, 100))
    return { server: host, client: host, address: '127.0.0.1', until, pause }
  },
}

/** What became of a connection, as its handlers tell it. */
const watched = (connection: TcpConnection) => {
  const seen = { connection, opened: 0, text: '', closed: 0, code: '' }
  connection.onOpen(() => void seen.opened++)
  connection.onData(bytes => void (seen.text += new TextDecoder().decode(bytes)))
  connection.onClose(error => {
    seen.closed++
    seen.code = (error as NodeJS.ErrnoException | undefined)?.code ?? ''
  })
  return seen
}

const listening = async ({ server, address, until }: Ground) => {
  const accepted: ReturnType<typeof watched>[] = []
  const listener = server.tcpListen({ address })
  let ready = false
  listener.onReady(() => void (ready = true))
  listener.onConnection(connection => void accepted.push(watched(connection)))
  await until(() => ready)
  return { listener, accepted }
}

const connected = async (ground: Ground, to: TcpListener, accepted: ReturnType<typeof watched>[]) => {
  const before = accepted.length
  const mine = watched(ground.client.tcpConnect(to.local))
  await ground.until(() => mine.opened > 0 && accepted.length > before)
  const theirs = accepted[before]
  if (!theirs) throw new Error('not accepted')
  return { mine, theirs }
}

for (const [name, create] of Object.entries(grounds)) {
  t.test(`${name}: two talk, in order and whole, and the one who ends is heard to end`, async t => {
    const ground = create()
    const { listener, accepted } = await listening(ground)
    t.ok(listener.local.port > 0)
    const mine = watched(ground.client.tcpConnect(listener.local))
    mine.connection.send(text('before it is open;'))
    t.ok(mine.connection.unsentBytes > 0, 'waits')
    await ground.until(() => (accepted[0]?.text ?? '') !== '')
    const [theirs] = accepted
    t.ok(theirs && mine.opened === 1)
    if (!theirs) return
    t.equal(theirs.connection.remote.address, name === 'node' ? '127.0.0.1' : '192.0.2.2')
    t.ok(theirs.connection.remote.port > 0)
    for (let i = 0; i < 200; i++) mine.connection.send(text(`${i};`))
    theirs.connection.send(text('and back'))
    const all = `before it is open;${Array.from({ length: 200 }, (_, i) => `${i};`).join('')}`
    t.ok(await ground.until(() => theirs.text === all && mine.text === 'and back'))
    t.ok(await ground.until(() => mine.connection.unsentBytes === 0), 'nothing is left here')
    theirs.connection.send(text(', and goodbye'))
    theirs.connection.close()
    t.ok(await ground.until(() => mine.closed === 1 && theirs.closed === 1), 'both are told, once')
    t.equal(mine.text, 'and back, and goodbye')
    t.same([mine.code, theirs.code], ['', ''], 'no error')
    mine.connection.send(text('too late'))
    mine.connection.close()
    theirs.connection.abort()
    listener.close()
    await ground.pause()
    t.same([mine.closed, theirs.closed], [1, 1])
  })

  t.test(`${name}: nobody listens`, async t => {
    const ground = create()
    const { listener } = await listening(ground)
    listener.close()
    await ground.pause()
    const mine = watched(ground.client.tcpConnect(listener.local))
    t.ok(await ground.until(() => mine.closed === 1))
    t.equal(mine.code, 'ECONNREFUSED')
    t.equal(mine.opened, 0)
  })

  t.test(`${name}: one place, one listener`, async t => {
    const ground = create()
    const { listener } = await listening(ground)
    const second = ground.server.tcpListen(listener.local)
    const errors: string[] = []
    second.onError((error, fatal) => fatal && errors.push(String((error as NodeJS.ErrnoException).code)))
    t.ok(await ground.until(() => errors.length > 0))
    t.same(errors, ['EADDRINUSE'])
    listener.close()
  })

  t.test(`${name}: who aborts is gone at once, and its other end is told`, async t => {
    const ground = create()
    const { listener, accepted } = await listening(ground)
    const { mine, theirs } = await connected(ground, listener, accepted)
    theirs.connection.abort()
    t.equal(theirs.closed, 0, 'never inside the call')
    mine.connection.send(text('anybody there?'))
    t.ok(await ground.until(() => mine.closed === 1 && theirs.closed === 1))
    t.equal(theirs.code, '')
    t.equal(theirs.text, '', 'and hears nothing more')
    listener.close()
  })

  t.test(`${name}: a listener that closes lets its connections live`, async t => {
    const ground = create()
    const { listener, accepted } = await listening(ground)
    const { mine, theirs } = await connected(ground, listener, accepted)
    listener.close()
    mine.connection.send(text('still here'))
    t.ok(await ground.until(() => theirs.text === 'still here'))
    mine.connection.close()
    theirs.connection.send(text('unheard'))
    t.ok(await ground.until(() => theirs.closed === 1 && mine.closed === 1))
    t.equal(mine.text, '', 'who has closed hears nothing')
  })

  t.test(`${name}: nobody waits for ever for one who does not read`, async t => {
    const ground = create()
    const { listener, accepted } = await listening(ground)
    const { mine, theirs } = await connected(ground, listener, accepted)
    // A world's hosts always read: there it is the network that fails.
    if ('online' in ground.client) ground.client.online = false
    theirs.connection.send(new Uint8Array(1000))
    theirs.connection.close()
    t.ok(await ground.until(() => theirs.closed === 1), 'its end is told within a few seconds')
    listener.close()
    mine.connection.abort()
    await ground.until(() => mine.closed === 1)
  })
}

t.test('node: a reader who does not read costs a known number of bytes, and is cut by close', async t => {
  const host = createNodeHost()
  const ground = grounds['node']?.()
  if (!ground) return
  const listener = host.tcpListen({ address: '127.0.0.1' })
  const accepted: ReturnType<typeof watched>[] = []
  listener.onConnection(connection => void accepted.push(watched(connection)))
  await new Promise<void>(resolve => listener.onReady(resolve))
  const deaf = connectRaw(listener.local.port, '127.0.0.1').pause()
  await ground.until(() => accepted.length > 0)
  const [theirs] = accepted
  const chunk = new Uint8Array(1 << 20)
  for (let i = 0; i < 16; i++) theirs?.connection.send(chunk)
  t.ok((theirs?.connection.unsentBytes ?? 0) > 1 << 20, `${theirs?.connection.unsentBytes} bytes wait`)
  theirs?.connection.close()
  t.ok(await ground.until(() => theirs?.closed === 1))
  deaf.on('error', () => {}).destroy()
  listener.close()
})

t.test('node: who half closes gets what was answered before that, and no more', async t => {
  const host = createNodeHost()
  const server = createRawServer({ allowHalfOpen: true }, socket => {
    socket.on('data', () => socket.end('the answer'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const mine = watched(host.tcpConnect({ address: '127.0.0.1', port }))
  mine.connection.send(text('the question'))
  await grounds['node']?.().until(() => mine.closed === 1)
  t.equal(mine.text, 'the answer')
  t.equal(mine.code, '')
  server.close()
})

/** A server that sends back what it hears, and a client that has said all this. */
const echo = (world: World, said: string) => {
  const server = world.host({ address: '192.0.2.1' })
  const client = world.host({ address: '192.0.2.2' })
  server.tcpListen({ port: 8080 }).onConnection(connection => connection.onData(bytes => connection.send(bytes)))
  const mine = watched(client.tcpConnect({ address: '192.0.2.1', port: 8080 }))
  for (const word of said) mine.connection.send(text(word))
  return { server, client, mine }
}

t.test('whatever the link loses, doubles or overtakes becomes delay', async () => {
  const link = fc.record({
    latencyMs: fc.integer({ min: 0, max: 200 }),
    jitterMs: fc.integer({ min: 0, max: 50 }),
    loss: fc.double({ min: 0, max: 0.1, noNaN: true }),
    duplicate: fc.double({ min: 0, max: 0.5, noNaN: true }),
    reorder: fc.double({ min: 0, max: 0.5, noNaN: true }),
  })
  const said = 'the quick brown fox jumps over the lazy dog'
  fc.assert(
    fc.property(fc.integer(), link, (seed, flaws) => {
      const once = () => {
        const world = createWorld({ seed, link: flaws })
        const { mine } = echo(world, said)
        world.runUntil(() => mine.text.length >= said.length, 120_000)
        return { text: mine.text, atMs: world.now(), hash: world.trace.hash() }
      }
      const first = once()
      const second = once()
      return first.text === said && first.hash === second.hash && first.atMs === second.atMs
    }),
    { numRuns: 100 },
  )
})

t.test('a host that goes offline for a while is waited for, one that stays away is given up', async t => {
  for (const [awayMs, closed] of [
    [5000, 0],
    [60_000, 1],
  ] as const) {
    const world = createWorld({ seed: 1 })
    const { server, mine } = echo(world, 'hello')
    world.run(1000)
    server.online = false
    mine.connection.send(text(', are you there?'))
    world.run(1000 + awayMs)
    server.online = true
    world.run(1000 + awayMs + 5000)
    t.equal(mine.closed, closed, `${awayMs} ms`)
    t.equal(mine.text, closed ? 'hello' : 'hello, are you there?')
    t.equal(mine.code, closed ? 'ETIMEDOUT' : '')
  }
})

t.test('a silent connection notices within 40 s that the other end is gone', async t => {
  const world = createWorld({ seed: 1 })
  const { server, mine } = echo(world, 'hello')
  world.run(1000)
  server.online = false
  world.run(39_000)
  t.equal(mine.closed, 0)
  world.run(43_000)
  t.equal(mine.closed, 1)
})

t.test('a host that crashes ends its connections: the other end is told, its own program is not', async t => {
  const world = createWorld({ seed: 1 })
  const { server, client, mine } = echo(world, 'hello')
  world.run(1000)
  server.stop()
  world.run(1100)
  t.same([mine.closed, mine.code], [1, 'ECONNRESET'])
  const again = watched(client.tcpConnect({ address: '192.0.2.1', port: 8080 }))
  world.run(1200)
  t.equal(again.code, 'ECONNREFUSED', 'nobody listens any more')
  const { mine: last } = echo(createWorld({ seed: 2 }), 'x')
  t.equal(last.closed, 0)
  client.stop()
  server.stop()
  world.run(100_000)
  t.equal(world.pending, 0, 'no timer lives on')
})

t.test('to an address that is not there: given up; of no family of ours: at once', async t => {
  const world = createWorld({ seed: 1 })
  const client = world.host({ address: '192.0.2.2' })
  const nowhere = watched(client.tcpConnect({ address: '192.0.2.99', port: 1 }))
  const other = watched(client.tcpConnect({ address: '2001:db8::1', port: 1 }))
  world.run(20_000)
  t.same([nowhere.code, other.code], ['ETIMEDOUT', 'ENETUNREACH'])
})
