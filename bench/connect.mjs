// From the start of the second client until it is connected; the first one has been there for a second and more.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect } from '../dist/client/client.js'
import { createNodeHost } from '../dist/host/node.js'
import { startServer } from './children.mjs'
import { figure, median, quantile } from './stats.mjs'

const batches = 4
const perBatch = 10
const mostMs = 20
const thereForMs = 1100
const program = fileURLToPath(new URL('../bin/test-client', import.meta.url))

/** @typedef {(server: { address: string, port: number }, name: string, peer: string) => { connected: Promise<number>, end(): void }} StartClient */

/** @param {readonly string[]} more @returns {StartClient} */
const startProgram =
  (...more) =>
  ({ address, port }, name, peer) => {
    const options = ['-s', address, '-p', `${port}`, '-n', name, '-c', peer, '--timeout', '30', ...more]
    const child = spawn(process.execPath, [program, ...options, '--json', '--exit-on-connect', '--no-input'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    /** @type {Promise<number>} */
    const connected = new Promise((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', line => {
        const event = JSON.parse(line)
        if (event.event === 'connected') resolve(event.elapsedMs)
      })
      child.once('exit', code => reject(new Error(`test-client -n ${name} ended with ${code}, not connected`)))
    })
    return { connected, end: () => void child.kill() }
  }

/** @type {StartClient} */
const startInProcess = ({ address, port }, name, peer) => {
  /** @type {(ms: number) => void} */
  let resolve = () => {}
  /** @type {Promise<number>} */
  const connected = new Promise(done => (resolve = done))
  const client = connect(createNodeHost(), {
    server: address,
    port,
    name,
    peer,
    onEvent: event => event.event === 'connected' && resolve(event.elapsedMs),
  })
  return { connected, end: () => client.close() }
}

/** @param {(text: string) => void} progress */
export const run = async progress => {
  const figures = []
  for (const [what, start, address] of /** @type {const} */ ([
    ['test-client', startProgram(), '127.0.0.1'],
    ['test-client, without keys', startProgram('--anonymous'), '127.0.0.1'],
    ['in one process', startInProcess, '127.0.0.1'],
    ['test-client, IPv6', startProgram(), '::1'],
    ['in one process, IPv6', startInProcess, '::1'],
  ])) {
    const server = await startServer({ address })
    const at = { address, port: server.ready.port }
    const times = []
    for (let batch = 0; batch < batches; batch++) {
      progress(`connect: ${what}, batch ${batch + 1} of ${batches}`)
      const names = Array.from({ length: perBatch }, (_, i) => `${batch}-${i}`)
      const firsts = names.map(name => start(at, `a${name}`, `b${name}`))
      await untilThere(
        server,
        names.map(name => `a${name}`),
      )
      for (const name of names) {
        const second = start(at, `b${name}`, `a${name}`)
        times.push(await second.connected)
        second.end()
      }
      for (const first of firsts) first.end()
    }
    const [p50, p95, most] = [median(times), quantile(times, 0.95), Math.max(...times)]
    figures.push(
      figure(`connect: ${what}, median`, p50, 'ms', {
        atMost: mostMs,
        note: `${times.length} runs on ${address}; p95 ${p95.toFixed(1)}, most ${most.toFixed(1)}`,
      }),
    )
    server.stop()
  }
  return figures
}

/**
 * Every first client registered, and a good second ago.
 * @param {import('./children.mjs').Child} server @param {readonly string[]} names
 */
const untilThere = async (server, names) => {
  while (!(await server.ask('has', names))) await sleep(20)
  await sleep(thereForMs)
}
