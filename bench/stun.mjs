// What a STUN Binding answer costs the server's processor, against a loop that sends the same bytes without any thought,
// and, where it is installed, beside coturn.
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { freePort } from '../dist/cli/free-port.js'
import { startChild, startServer } from './children.mjs'
import { openLoad } from './load.mjs'
import { measure } from './registrations.mjs'
import { figure, median, quantile } from './stats.mjs'

/** Many short slices of both in turn: what else the machine does hits both. */
const pairs = 45
const requests = 2000
const warmUp = 10_000
const target = 0.9
const tickUs = 10_000

const bindingRequest = () => Buffer.concat([Buffer.from('000100002112a442', 'hex'), randomBytes(12)])

/** User and system time of a process, from /proc; in steps of 10 ms. @param {number} pid */
const cpuOf = pid => {
  const [, ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
  const [user, system] = fields.join('').split(' ').slice(11, 13).map(Number)
  return ((user ?? 0) + (system ?? 0)) * tickUs
}

/** coturn as a STUN server with one thread, as a child like ours. @returns {Promise<import('./children.mjs').Child | undefined>} */
const startCoturn = async () => {
  if (spawnSync('turnserver', ['--version']).error) return undefined
  const port = await freePort()
  const options = ['-n', '-L', '127.0.0.1', '-p', String(port), '-S', '-m', '0', '--no-tls', '--no-dtls', '--no-tcp']
  const child = spawn('turnserver', [...options, '--no-cli', '--pidfile', '/dev/null', '-l', 'stdout'], {
    stdio: 'ignore',
  })
  await new Promise(resolve => setTimeout(resolve, 1000))
  const pid = child.pid ?? 0
  process.once('exit', () => child.kill('SIGKILL'))
  return { pid, ready: { port }, ask: async () => cpuOf(pid), stop: () => void child.kill('SIGKILL') }
}

/** @param {(text: string) => void} progress */
export const run = async progress => {
  const load = await openLoad()
  const ours = await startServer()
  const bare = await startChild('bare-child.mjs')
  const messages = Array.from({ length: 200 }, bindingRequest)
  const book = { messages, datagrams: 1, perAnswer: 1, counts: () => true }
  await bare.ask('answer', await load.collect(ours, /** @type {Buffer} */ (messages[0])))
  for (const child of [ours, bare]) await measure(load, child, book, warmUp)
  const costs = []
  for (let pair = 0; pair < pairs; pair++) {
    progress(`stun: pair ${pair + 1} of ${pairs}`)
    const first = await measure(load, pair % 2 === 0 ? ours : bare, book, requests)
    const second = await measure(load, pair % 2 === 0 ? bare : ours, book, requests)
    const [a, b] = pair % 2 === 0 ? [first, second] : [second, first]
    costs.push({ ours: a.us, bare: b.us, ratio: b.us / a.us, lost: a.lost + b.lost })
  }
  const lost = costs.reduce((sum, cost) => sum + cost.lost, 0)
  const [us, bareUs] = [median(costs.map(cost => cost.ours)), median(costs.map(cost => cost.bare))]
  const ratios = costs.map(({ ratio }) => ratio)
  const [low, high] = [quantile(ratios, 0.25).toFixed(2), quantile(ratios, 0.75).toFixed(2)]
  const figures = [
    figure('stun: bare loop / server', median(ratios), 'x', {
      atLeast: target,
      note: `${us.toFixed(1)} us against ${bareUs.toFixed(1)} us CPU a Binding answer; half of ${pairs} pairs ${low} to ${high}${lost > 0 ? `; ${lost} LOST` : ''}`,
    }),
  ]
  const coturn = await startCoturn()
  if (coturn) {
    progress('stun: coturn')
    await measure(load, coturn, book, warmUp)
    const { us } = await measure(load, coturn, book, warmUp * 4)
    figures.push(figure('stun: coturn', us, 'us', { note: 'CPU a Binding answer, in C' }))
    coturn.stop()
  }
  for (const child of [ours, bare]) child.stop()
  load.close()
  return figures
}
