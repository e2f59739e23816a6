// The host that is a real machine: the monotonic clock, the system's randomness and resolver; sockets are in `node-udp.ts` and `node-tcp.ts`.
import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { hrtime } from 'node:process'
import pRetry from 'p-retry'
import { parseAddress } from '../endpoint.ts'
import { codeOf } from '../errors.ts'
import type { Host } from '../host.ts'
import { connectTcp, listenTcp } from './node-tcp.ts'
import { createUdpSocket } from './node-udp.ts'
import { keepPortMapped } from './port-mapping.ts'

const lookupRetries = 2

export const createNodeHost = (): Host => ({
  now,
  after(ms, run) {
    if (ms === Infinity) return () => {}
    // Longer ones would overflow and run at once.
    const timer = setTimeout(run, Math.min(ms, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
  random: Math.random,
  randomBytes: count => new Uint8Array(randomBytes(count)),
  udp: at => createUdpSocket({ address: at?.address ?? '0.0.0.0', port: at?.port ?? 0 }),
  tcpListen: at => listenTcp({ address: at?.address ?? '0.0.0.0', port: at?.port ?? 0 }),
  tcpConnect: connectTcp,
  descriptorLimit,
  resolve(name, done) {
    const once = (): Promise<{ address: string }[]> => lookup(name, { all: true, verbatim: true })
    pRetry(once, {
      retries: lookupRetries,
      minTimeout: 300,
      shouldRetry: ({ error }) => codeOf(error) === 'EAI_AGAIN',
    }).then(
      found =>
        done([...new Set(found.map(({ address }) => parseAddress(address)).filter(address => address !== undefined))]),
      (error: Error) => done([], error),
    )
  },
  addresses: () =>
    Object.values(networkInterfaces())
      .flatMap(infos => infos ?? [])
      .filter(({ internal, scopeid }) => !internal && !scopeid)
      .map(({ address }) => parseAddress(address))
      .filter(address => address !== undefined),
  mapPort: (port, onNews) => keepPortMapped(port, onNews),
})

/** `performance.now()` checks and calls a good deal more on its way to the same clock. */
const now = (): number => {
  const [seconds, nanoseconds] = hrtime()
  return seconds * 1000 + nanoseconds / 1_000_000
}

/** What other systems usually give. Node itself raises the soft limit to the hard one when it starts. */
const usualDescriptors = 1024

const descriptorLimit = (): number => {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return Number(soft ?? usualDescriptors)
  } catch {
    return usualDescriptors
  }
}
