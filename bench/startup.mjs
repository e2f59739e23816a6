// How long the programs take to say how they are used, against node doing nothing.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { figure, median } from './stats.mjs'

const pairs = 21
const mostTimes = 1.5
const programs = ['test-server', 'test-client']

/** @param {string[]} nodeArguments */
const wallMs = nodeArguments => {
  const before = performance.now()
  const { status } = spawnSync(process.execPath, nodeArguments, { stdio: 'ignore' })
  if (status !== 0) throw new Error(`node ${nodeArguments.join(' ')} ended with ${status}`)
  return performance.now() - before
}

/** @param {(text: string) => void} progress */
export const run = async progress =>
  programs.map(program => {
    progress(`startup: ${program} --help`)
    const help = [fileURLToPath(new URL(`../bin/${program}`, import.meta.url)), '--help']
    const nothing = ['-e', '0']
    for (let i = 0; i < 3; i++) [nothing, help].forEach(wallMs)
    const times = Array.from({ length: pairs }, () => ({ bare: wallMs(nothing), ours: wallMs(help) }))
    const ours = median(times.map(time => time.ours)).toFixed(1)
    const bare = median(times.map(time => time.bare)).toFixed(1)
    return figure(`startup: ${program} --help / node -e 0`, median(times.map(time => time.ours / time.bare)), 'x', {
      atMost: mostTimes,
      note: `${ours} ms against ${bare} ms`,
    })
  })
