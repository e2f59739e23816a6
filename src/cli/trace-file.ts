// A run of test-client as a file of JSON lines: who it was, every event, every datagram. `nat-lab ladder` draws it.
import { openSync, writeSync } from 'node:fs'
import type { ClientEvent } from '../client/events.ts'
import { formatEndpoint } from '../endpoint.ts'
import { StageError, codeOf } from '../errors.ts'
import { createTracingHost } from '../host/tracing.ts'
import type { Host } from '../host.ts'
import { eventToJson } from './json.ts'

export type TraceFile = { readonly host: Host; event(event: ClientEvent): void }

/** `host` is the same one, watched. Times are milliseconds since `startedAt`. */
export const openTrace = (path: string, host: Host, about: { name: string; peer: string }): TraceFile => {
  const file = openOrThrow(path)
  const startedMs = host.now()
  const line = (text: string): void => void writeSync(file, `${text}\n`)
  line(JSON.stringify({ trace: 1, ...about, startedAt: new Date().toISOString() }))
  return {
    host: createTracingHost(host, ({ direction, timeMs, local, remote, bytes }) => {
      const datagram = { local: formatEndpoint(local), remote: formatEndpoint(remote), length: bytes.length }
      const content = Buffer.from(bytes).toString('base64')
      line(JSON.stringify({ timeMs: rounded(timeMs - startedMs), datagram: direction, ...datagram, bytes: content }))
    }),
    event: event => line(eventToJson(event, host.now() - startedMs)),
  }
}

const openOrThrow = (path: string): number => {
  try {
    // Messages are in it, and what peers and server know each other by.
    return openSync(path, 'w', 0o600)
  } catch (error) {
    throw new StageError('usage', `--trace ${path} cannot be written (${codeOf(error)}): choose another file`)
  }
}

const rounded = (ms: number): number => Math.round(ms * 1000) / 1000
