// Child processes that answer questions: `await child.ask('cpu')`. None outlives the bench.
import { fork } from 'node:child_process'

/** @typedef {{ pid: number, ready: any, ask(what: string, value?: unknown): Promise<any>, stop(): void }} Child */

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))

/** Arguments for node in every child that runs a server; `--profile` sets them. @type {string[]} */
export const serverNodeArguments = []

/**
 * Forks a file of this folder and waits for what it calls ready.
 * @param {string} file @param {object} [options] @param {string[]} [nodeArguments]
 * @returns {Promise<Child>}
 */
export const startChild = async (file, options = {}, nodeArguments = []) => {
  const child = fork(new URL(file, import.meta.url), [JSON.stringify(options)], {
    execArgv: nodeArguments,
    serialization: 'advanced',
  })
  running.add(child)
  /** @type {Map<number, { resolve(value: any): void, reject(error: Error): void }>} */
  const asked = new Map()
  let last = 0
  const next = () => new Promise((resolve, reject) => asked.set(last++, { resolve, reject }))
  child.on('message', (/** @type {{ id: number, value: unknown }} */ { id, value }) => {
    asked.get(id)?.resolve(value)
    asked.delete(id)
  })
  child.once('exit', (code, signal) => {
    running.delete(child)
    for (const { reject } of asked.values()) reject(new Error(`${file} ended: ${signal ?? code}`))
  })
  const ready = await next()
  return {
    pid: child.pid ?? 0,
    ready,
    ask(what, value) {
      child.send({ id: last, what, value })
      return next()
    },
    stop: () => child.disconnect(),
  }
}

/** The production server. @param {object} [options] of createServer, and its address @param {string[]} [nodeArguments] */
export const startServer = (options, nodeArguments = []) =>
  startChild('server-child.mjs', options, [...serverNodeArguments, ...nodeArguments])

/**
 * The other half: says ready, answers, and ends with its parent.
 * @param {unknown} ready @param {Record<string, (value: any) => unknown>} answers
 */
export const answerParent = (ready, answers) => {
  process.on('message', (/** @type {{ id: number, what: string, value: unknown }} */ { id, what, value }) => {
    process.send?.({ id, value: answers[what]?.(value) })
  })
  process.on('disconnect', () => process.exit(0))
  process.send?.({ id: 0, value: ready })
}

/** CPU time of this process so far, of all its threads. */
export const cpuUs = () => {
  const { user, system } = process.cpuUsage()
  return user + system
}
