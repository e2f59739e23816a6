// What the private line costs: messages of 1000 bytes between two clients on loopback, for each second of processor time, sealed
// and in plain. Both ends are in this process, so a message is paid for from the one's send to the other's event.
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, createServer, identityOf } from '../dist/index.js'
import { figure, median } from './stats.mjs'

const messageBytes = 1000
const messages = 20_000
const rounds = 5
/** More on their way at once than this would be lost, which costs less. */
const inFlight = 32
const target = 0.5

/** @param {boolean} isPrivate */
const openTalk = async isPrivate => {
  const server = await createServer({ port: 0, hosts: ['127.0.0.1'] })
  const { port } = server.endpoints[0]
  /** @param {string} name @param {string} peer @param {number} seed */
  const side = (name, peer, seed) => {
    const identity = isPrivate ? identityOf(new Uint8Array(64).fill(seed)) : undefined
    let heard = 0
    const onEvent = event => (heard += event.event === 'message' ? 1 : 0)
    const session = connect({ server: '127.0.0.1', port, name, peer, identity, onEvent, timeoutMs: 10_000 })
    return { session, heard: () => heard }
  }
  const [alice, bob] = [side('alice', 'bob', 1), side('bob', 'alice', 2)]
  const [from, to] = await Promise.all([alice.session, bob.session])
  if (from.private !== isPrivate) throw new Error('not the line that was asked for')
  const bytes = new Uint8Array(messageBytes).fill(120)
  /** Messages for a second of processor time. */
  const measure = async () => {
    const before = process.cpuUsage()
    const first = bob.heard()
    let sent = 0
    for (let idle = 0; bob.heard() - first < messages && idle < 50;) {
      const heard = bob.heard() - first
      while (sent < messages && sent - heard < inFlight) {
        from.send(bytes)
        sent++
      }
      await new Promise(setImmediate)
      idle = bob.heard() - first === heard ? idle + 1 : 0
      if (idle > 10) await sleep(2)
    }
    const { user, system } = process.cpuUsage(before)
    return ((bob.heard() - first) * 1e6) / (user + system)
  }
  const close = () => {
    for (const end of [from, to]) end.close()
    server.close()
  }
  return { measure, close }
}

/** @param {(text: string) => void} progress */
export const run = async progress => {
  const [sealed, plain] = [await openTalk(true), await openTalk(false)]
  await Promise.all([sealed.measure(), plain.measure()])
  /** @type {{ sealed: number, plain: number }[]} */
  const rates = []
  for (let round = 0; round < rounds; round++) {
    progress(`line: round ${round + 1} of ${rounds}`)
    rates.push({ sealed: await sealed.measure(), plain: await plain.measure() })
  }
  sealed.close()
  plain.close()
  const [ours, bare] = [median(rates.map(rate => rate.sealed)), median(rates.map(rate => rate.plain))]
  return [
    figure('private line: sealed / plain', median(rates.map(rate => rate.sealed / rate.plain)), 'x', {
      atLeast: target,
      note: `${Math.round(ours)} against ${Math.round(bare)} messages of ${messageBytes} bytes per CPU second, both ends`,
    }),
  ]
}
