// R6: how test-server ends, as people run it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { freePort } from '../free-port.ts'
import type { ProcessFigure } from './figure.ts'

const withinMs = 1000
const portTaken = 6
const program = fileURLToPath(new URL('../../../bin/test-server', import.meta.url))

const start = (port: number) => {
  // A test runner may have put loaders of its own into the environment.
  const args = ['-u', 'NODE_OPTIONS', process.execPath, program, '-p', String(port), '--host', '127.0.0.1']
  const child = spawn('env', args)
  const said = { out: '', error: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.error += text))
  const ready = new Promise<void>(resolve => {
    child.stdout.on('data', () => said.out.includes('ready') && resolve())
  })
  return { child, said, ready, ended: once(child, 'close') as Promise<[number | null]> }
}

export const ending: ProcessFigure = {
  id: 'R6',
  promised: 'SIGTERM: exit 0 in 1 s with final counters; port in use: one clear line, exit code 6',
  async measure(_size, slack = 1) {
    const port = await freePort()
    const first = start(port)
    try {
      await Promise.race([first.ready, first.ended])
      const second = start(port)
      const [codeOfSecond] = await second.ended
      const lines = second.said.error.trimEnd().split('\n')
      const startedMs = performance.now()
      first.child.kill('SIGTERM')
      const [code] = await first.ended
      const tookMs = performance.now() - startedMs
      const counted = /Stopped after \d+ datagrams/.test(first.said.out)
      return {
        measured: `exit ${code} after ${tookMs.toFixed(0)} ms, counters ${counted ? '' : 'not '}printed; port in use: exit ${codeOfSecond}, ${lines.length} line`,
        pass:
          code === 0 &&
          tookMs <= withinMs * slack &&
          counted &&
          codeOfSecond === portTaken &&
          lines.length === 1 &&
          /already in use/.test(lines[0] ?? ''),
      }
    } finally {
      first.child.kill('SIGKILL')
    }
  },
}
