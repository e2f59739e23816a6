// R7 on loopback: a crowd of connections that do nothing, or hardly anything, and a new client among them; then four that
// want one nickname at the same moment.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { quantile } from '../../lab/statistics.ts'
import { freePort } from '../free-port.ts'
import { startChild } from './child.ts'
import type { ProcessFigure } from './figure.ts'

const idle = 1000
const slow = 200
/** No address may have more than 16 connections. */
const sources = 75
const dripMs = 100
const betweenMs = 100
const servedMs = 100
const givenUpMs = 5000
/** Who has no nickname is sent away after five seconds, 200 of them a second. */
const goneMs = 10_000
const racers = ['127.0.1.1', '127.0.1.2', '127.0.1.3', '127.0.1.4']
/** Newcomers come for longer than those five seconds, while the others are sent away. */
const sizes = { short: { newcomers: 60, races: 200 }, whole: { newcomers: 70, races: 1000 } }

/** Resolves when the server has greeted. */
const greeted = async (port: number, localAddress: string): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true }).setEncoding('utf8')
  socket.on('error', () => {}) // then it is closed, which is what counts
  await once(socket, 'data', { signal: AbortSignal.timeout(givenUpMs) })
  return socket
}

/** What is heard, up to the words that are waited for. */
const heard = async (socket: Socket, words: RegExp): Promise<string> => {
  const signal = AbortSignal.timeout(givenUpMs)
  let text = ''
  while (!words.test(text)) text += String(await once(socket, 'data', { signal }))
  return text
}

const named = async (socket: Socket, nick: string): Promise<string> => {
  socket.write(`${nick}\n`)
  return heard(socket, /WELCOME|TAKEN|ERROR/)
}

/** Milliseconds from the connection to the answer that its datagram was seen. */
const newcomer = async (port: number, nick: string): Promise<number> => {
  const startedMs = performance.now()
  const socket = await greeted(port, '127.0.2.1')
  const [token = ''] = /[0-9a-f]{32}/.exec(await named(socket, nick)) ?? []
  const udp = createSocket('udp4').bind(0, '127.0.2.1')
  await once(udp, 'listening')
  udp.send(`BIND ${token}`, port, '127.0.0.1')
  await heard(socket, /BOUND/)
  const tookMs = performance.now() - startedMs
  socket.destroy()
  udp.close()
  return tookMs
}

/** How many of four have the nickname in the end. */
const winners = async (port: number, nick: string): Promise<number> => {
  const sockets = await Promise.all(racers.map(from => greeted(port, from)))
  const answers = await Promise.all(sockets.map(socket => named(socket, nick)))
  for (const socket of sockets) socket.destroy()
  return answers.filter(answer => answer.includes('WELCOME')).length
}

const isOpen = ({ destroyed, readableEnded }: Socket): boolean => !destroyed && !readableEnded

export const crowd: ProcessFigure = {
  id: 'R7',
  promised: `${idle} idle and ${slow} slow connections: a new client is served <= ${servedMs} ms; a race of four for a nickname has one winner`,
  async measure(size, slack = 1) {
    const { newcomers, races } = sizes[size]
    const port = await freePort()
    const server = await startChild('server-child.js', { port })
    const open = (count: number): Promise<Socket[]> =>
      Promise.all(Array.from({ length: count }, (_, i) => greeted(port, `127.0.3.${1 + (i % sources)}`)))
    const sockets: Socket[] = []
    let drip: NodeJS.Timeout | undefined
    try {
      const startedMs = performance.now()
      sockets.push(...(await open(idle + slow)))
      for (const socket of sockets) socket.resume()
      // Half of the idle ones have a nickname; they alone may stay.
      for (let i = 0; i < idle; i += 2) sockets[i]?.write(`idle${i}\n`)
      const slowOnes = sockets.slice(idle)
      drip = setInterval(() => slowOnes.forEach(socket => socket.writable && socket.write('x')), dripMs)
      const times: number[] = []
      for (let i = 0; i < newcomers; i++) {
        times.push(await newcomer(port, `new${i}`))
        await sleep(betweenMs)
      }
      const [medianMs, worstMs] = [quantile(times, 0.5) ?? Infinity, Math.max(...times)]
      const left = (): number => sockets.filter(isOpen).length
      while (left() > idle / 2 && performance.now() - startedMs < goneMs * slack) await sleep(betweenMs)
      let won = 0
      for (let i = 0; i < races; i++) won += (await winners(port, `nick${i}`)) === 1 ? 1 : 0
      return {
        measured: `${medianMs.toFixed(0)} ms in the median, ${worstMs.toFixed(0)} ms at worst (of ${newcomers}); ${left()} stay, who have a nickname; ${won} of ${races} races with one winner`,
        // On a machine that does other things beside, the worst of sixty tells of these.
        pass: (slack > 1 ? medianMs : worstMs) <= servedMs && left() === idle / 2 && won === races,
      }
    } finally {
      clearInterval(drip)
      for (const socket of sockets) socket.destroy()
      await server.kill()
    }
  },
}
