// The UDP socket of a real machine when a lot arrives at once: read together, answered together, sent together.
import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { promisify } from 'node:util'
import t from 'tap'
import type { Endpoint } from '../src/endpoint.ts'
import type { UdpSocket } from '../src/host.ts'
import { createNodeHost } from '../src/host/node.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const number = (datagram: Uint8Array): number => ((datagram[0] ?? 0) << 8) | (datagram[1] ?? 0)
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

const open = async (): Promise<UdpSocket> => {
  const socket = createNodeHost().udp({ address: '127.0.0.1' })
  await new Promise<void>(resolve => socket.onReady(resolve))
  return socket
}

/** Somebody who sends without giving the event loop a turn, so that all of it waits in the receiver's buffer. */
const openSender = async () => {
  const socket = createSocket({ type: 'udp4', lookup: (name, _options, done) => done(null, name, 4) })
  const heard: number[] = []
  socket.on('message', message => heard.push(number(message)))
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  return {
    heard,
    send(to: Endpoint, count: number) {
      for (const i of numbers(count)) socket.send(bytes(i >> 8, i), to.port, to.address)
    },
    async hears(count: number) {
      while (heard.length < count) await once(socket, 'message')
    },
    close: () => socket.close(),
  }
}

t.test('a burst is answered in its order and once each, many in one turn of the event loop', async t => {
  const [socket, sender] = [await open(), await openSender()]
  let turn = 0
  let most = 0
  socket.onDatagram((datagram, from) => {
    t.notOk(Buffer.isBuffer(datagram))
    most = Math.max(most, ++turn)
    queueMicrotask(() => (turn = 0))
    socket.send(datagram, from)
  })
  for (let round = 1; round <= 3; round++) {
    sender.send(socket.local, 500)
    await sender.hears(500 * round)
  }
  t.same(sender.heard, [...numbers(500), ...numbers(500), ...numbers(500)])
  t.ok(most > 8 && most <= 32, `${most} together`)
  socket.close()
  sender.close()
})

t.test('one at a time is answered at once, whatever came before', async t => {
  const [socket, sender] = [await open(), await openSender()]
  socket.onDatagram((datagram, from) => socket.send(datagram, from))
  sender.send(socket.local, 500)
  await sender.hears(500)
  for (let i = 1; i <= 200; i++) {
    sender.send(socket.local, 1)
    await sender.hears(500 + i)
  }
  t.equal(sender.heard.length, 700)
  socket.close()
  sender.close()
})

t.test('who closes in the middle of a burst has sent what he said before, and hears no more', async t => {
  const [socket, sender] = [await open(), await openSender()]
  let taken = 0
  socket.onDatagram((datagram, from) => {
    socket.send(datagram, from)
    if (++taken === 100) socket.close()
    socket.send(datagram, from)
  })
  sender.send(socket.local, 500)
  await sender.hears(199)
  await new Promise(resolve => setTimeout(resolve, 50))
  t.equal(taken, 100)
  t.equal(sender.heard.length, 199)
  sender.close()
})

const thrower = `
import { createSocket } from 'node:dgram'
import { createNodeHost } from '${new URL('../dist/host/node.js', import.meta.url).href}'
let thrown = 0, taken = 0
process.on('uncaughtException', () => thrown++)
const socket = createNodeHost().udp({ address: '127.0.0.1' })
socket.onDatagram((datagram, from) => {
  if (++taken % 50 === 0) throw new Error('a mistake')
  socket.send(datagram, from)
})
socket.onReady(() => {
  const sender = createSocket({ type: 'udp4', lookup: (name, _options, done) => done(null, name, 4) })
  let heard = 0
  sender.on('message', () => heard++)
  sender.bind(0, '127.0.0.1', () => {
    for (let i = 0; i < 500; i++) sender.send('x', socket.local.port, '127.0.0.1')
    setTimeout(() => {
      console.log(JSON.stringify({ thrown, taken, heard }))
      process.exit()
    }, 500)
  })
})
`

t.test('a handler that throws costs the datagram that it threw at, and no other', async t => {
  const { NODE_OPTIONS: _loaders, ...env } = process.env
  const program = ['--input-type=module', '-e', thrower]
  const { stdout } = await promisify(execFile)(process.execPath, program, { env })
  t.same(JSON.parse(stdout), { thrown: 10, taken: 500, heard: 490 })
})
