// How long `nat-lab check` takes until its verdict, with a server of two addresses, on loopback.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { freePort } from '../dist/cli/free-port.js'
import { figure, median } from './stats.mjs'

const runs = 7
const mostSeconds = 3

/** @param {string} name */
const bin = name => fileURLToPath(new URL(`../bin/${name}`, import.meta.url))

/** @param {(text: string) => void} progress */
export const run = async progress => {
  const [port, otherPort] = [await freePort(), await freePort()].map(String)
  const at = ['-p', port, '--host', '127.0.0.1', '--alt-address', '127.0.0.2', '--alt-port', otherPort]
  const server = spawn(process.execPath, [bin('test-server'), ...at], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(server.stdout, 'data')
  const seconds = Array.from({ length: runs }, (_, i) => {
    progress(`check: ${i + 1} of ${runs}`)
    const before = performance.now()
    const check = ['check', '-s', '127.0.0.1', '-p', port]
    const { status } = spawnSync(process.execPath, [bin('nat-lab'), ...check], { stdio: 'ignore' })
    if (status !== 0) throw new Error(`nat-lab check ended with ${status}`)
    return (performance.now() - before) / 1000
  })
  server.kill()
  return [
    figure('check: nat-lab check until its verdict', median(seconds), 's', {
      atMost: mostSeconds,
      note: `${Math.min(...seconds).toFixed(2)} to ${Math.max(...seconds).toFixed(2)} s`,
    }),
  ]
}
