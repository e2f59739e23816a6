// `npm run demo`: a Stage Manager and two clients, each a process of its own on 127.0.0.1, and what each of them prints:
// side by side where the terminal is wide enough, line by line with a name in front where it is not or where it is a pipe.
// `npm run demo -- --nat portrest symrand`: the same programs behind simulated NATs, in behind-nat.mjs.
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../dist/cli/free-port.js'
import { names, rowMs, show, showEnd, showHead } from './columns.mjs'

if (process.argv.length > 2) {
  const { demonstrate } = await import('./behind-nat.mjs')
  process.exit(await demonstrate(process.argv.slice(2)))
}

const bobLaterMs = 1000
const limitMs = 15_000
const killAfterMs = 2000
/** The last lines of all three are still in their pipes. */
const settleMs = 100

// Who runs

const children = new Map()
let stopping = false

const start = (name, program, ...args) => {
  const file = fileURLToPath(new URL(`../bin/${program}`, import.meta.url))
  const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined }
  const child = spawn(process.execPath, [file, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  children.set(name, child)
  child.ended = new Promise(resolve => child.once('close', resolve).once('error', resolve))
  child.once('error', error => fail(`${name} cannot be started: ${error.message}`))
  child.once('close', code => {
    children.delete(name)
    if (!stopping) fail(`${name} has ended too early, with exit code ${code}: see its last line above.`)
  })
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ''
    stream.setEncoding('utf8').on('data', text => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        show(name, line)
        note(name, line)
      }
    })
  }
}

/** Says goodbye in order, the clients first, so that everybody's last lines are seen; nobody survives. */
const stop = async () => {
  stopping = true
  for (const name of [...names].reverse()) {
    const child = children.get(name)
    if (!child) continue
    const timer = setTimeout(() => child.kill('SIGKILL'), killAfterMs)
    child.kill('SIGTERM')
    await child.ended
    clearTimeout(timer)
  }
  await sleep(2 * rowMs)
}

const end = async (code, text) => {
  if (stopping) return
  await stop()
  if (text) showEnd(text())
  process.exit(code)
}
const fail = text => void end(1, () => text)

for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }))
  process.on(signal, () => void end(code))
process.stdout.on('error', () => void end(0)) // whoever read the pipe has gone
process.on('exit', () => children.forEach(child => child.kill('SIGKILL')))
process.on('uncaughtException', error => fail(`The demo itself failed: ${error.stack}`))

// What happens

const heard = new Set()
let bobBeganMs = 0
let onlyNames = true
let counted = ''

/** Reads along. A message that came to the server would be a name to it, or dropped: its last line tells. */
const note = (name, line) => {
  if (name === 'server') {
    if (line.startsWith('Make sure')) startClients().catch(error => fail(error.message))
    if (line.startsWith('Client from') && !/ sent: (alice|bob)$/.test(line)) onlyNames = false
    if (line.startsWith('Stopped after')) counted = line
    return
  }
  if (name === 'bob' && bobBeganMs === 0) bobBeganMs = performance.now()
  if (line !== `This is a direct P2P message from ${name === 'bob' ? 'alice to bob' : 'bob to alice'}`) return
  if (heard.add(name).size === 2 && !connected) succeed().catch(error => fail(error.message))
}

let connected = false
const succeed = async () => {
  connected = true
  const tookMs = (performance.now() - bobBeganMs).toFixed(0)
  await sleep(settleMs)
  await end(0, () => {
    const [, answered, dropped] = /: (\d+) answered, (\d+) dropped/.exec(counted) ?? []
    const none = onlyNames && dropped === '0'
    return (
      `alice and bob talk directly, ${tookMs} ms after bob's first word to the server. The server was asked ${answered} ` +
      `times and has seen ${none ? 'none' : 'perhaps some'} of their messages.`
    )
  })
}

const port = await freePort()
const startClient = (me, peer) =>
  start(me, 'test-client', '-s', '127.0.0.1', '-p', String(port), '-n', me, '-c', peer, '--no-input')

const startClients = async () => {
  startClient('alice', 'bob')
  await sleep(bobLaterMs)
  if (!stopping) startClient('bob', 'alice')
}

setTimeout(() => {
  const missing = ['alice', 'bob'].filter(name => !heard.has(name)).join(' and ')
  fail(`Not connected after ${limitMs / 1000} s: ${missing} heard nothing from the other. Is UDP blocked on 127.0.0.1?`)
}, limitMs)

showHead()
start('server', 'test-server', '-p', String(port), '--host', '127.0.0.1')
