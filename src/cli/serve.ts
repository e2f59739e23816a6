// Runs a Stage Manager on real sockets until it is told to stop.
import debug from 'debug'
import colors from 'picocolors'
import { type Endpoint, formatEndpoint } from '../endpoint.ts'
import { StageError } from '../errors.ts'
import { createNodeHost } from '../host/node.ts'
import type { Network } from '../networks.ts'
import type { Door } from '../entry.ts'
import type { ServerEvent } from '../server/events.ts'
import { type Listen, everywhere } from '../server/listeners.ts'
import { type ServerOptions, createServer } from '../server/server.ts'
import { eventToJson, lostToJson } from './json.ts'
import { createOutput } from './output.ts'
import { countersText, createServerTranscript } from './server-transcript.ts'
import { defaultPort } from './tables.ts'

export type ServeOptions = {
  ports: readonly number[]
  hosts: readonly string[]
  altAddress: string | undefined
  altPort: number | undefined
  capacity: number | undefined
  expirySeconds: number | undefined
  broadcastSeconds: number | undefined
  dialects: readonly Door[] | undefined
  olderPorts: boolean
  splitStages: boolean
  strict: boolean
  classic: boolean
  publicEndpoints: readonly Endpoint[]
  allow: readonly Network[]
  deny: readonly Network[]
  output: 'transcript' | 'json' | 'quiet'
}

const flushMs = 500
/** Where the older programs of the other dialects look. */
const olderPorts = [8000, 9090, 9999]
const log = debug('stage:server')

/** Resolves with the exit code. */
export const serve = (options: ServeOptions): Promise<number> =>
  new Promise((resolve, reject) => {
    const host = createNodeHost()
    const output = createOutput(() => {}, options.output === 'json' ? lostToJson : undefined)
    const warn = (text: string): void => void process.stderr.write(`test-server: ${text}\n`)
    const transcript = createServerTranscript(options.output === 'quiet' ? () => {} : output.line, warn, colors)
    const everySecond = setInterval(() => transcript.second(), 1000)

    const onEvent = (event: ServerEvent): void => {
      if (log.enabled) log(describe(event))
      if (event.event === 'error') {
        if (options.output === 'json') output.line(eventToJson(event, performance.now()))
        return finish(event.error)
      }
      if (options.output === 'json') output.line(eventToJson(event, performance.now()))
      else transcript.show(event)
    }

    const finish = (result: number | StageError): void => {
      clearInterval(everySecond)
      void output.flush(flushMs).then(() => (typeof result === 'number' ? resolve(result) : reject(result)))
    }

    const server = createServer(host, { ...serverOptions(options), onEvent })
    const stop = (code: number): void => {
      server.close()
      finish(code)
    }
    process.on('SIGUSR1', () => {
      const counters = server.counters()
      if (options.output === 'json') output.line(eventToJson({ event: 'counters', counters }, performance.now()))
      else warn(countersText(counters))
    })
    process.once('SIGINT', () => stop(new StageError('interrupted', 'interrupted').exitCode))
    process.once('SIGTERM', () => stop(0))
  })

const serverOptions = (options: ServeOptions): ServerOptions => ({
  listen: listenOf(options),
  ...(options.dialects && { dialects: options.dialects }),
  splitStages: options.splitStages,
  strict: options.strict,
  classic: options.classic,
  publicEndpoints: options.publicEndpoints,
  allow: options.allow,
  deny: options.deny,
  ...(options.capacity !== undefined && { capacity: options.capacity }),
  ...(options.expirySeconds !== undefined && { expiryMs: options.expirySeconds * 1000 }),
  ...(options.broadcastSeconds !== undefined && { broadcastMs: options.broadcastSeconds * 1000 }),
})

type Places = Pick<ServeOptions, 'hosts' | 'altAddress' | 'altPort' | 'dialects' | 'olderPorts' | 'classic'>

/** Each place once, however often it was given. */
export const listenOf = ({
  ports: given,
  hosts: givenHosts,
  ...options
}: Places & { ports: readonly number[] }): Listen[] => {
  const ports = given.length > 0 ? [...new Set(given)] : [defaultPort]
  const hosts = [...new Set(givenHosts)]
  const at = hosts.length > 0 ? hosts.map(address => ({ address })) : everywhere
  const listen = (wanted: readonly number[]): Listen[] => wanted.flatMap(port => at.map(host => ({ ...host, port })))
  const more = olderPorts.filter(port => options.olderPorts && !ports.includes(port))
  const spare = listen(more).map(place => ({ ...place, spare: true }))
  return [...listen(ports), ...spare, ...forStun({ hosts, ...options }, ports, [...ports, ...more])]
}

/** The sockets that make of each of ours four, two addresses by two ports, as far as there are that many. */
const forStun = (
  { hosts, altAddress, ...options }: Places,
  ports: readonly number[],
  all: readonly number[],
): Listen[] => {
  const altPort = options.altPort ?? nextPort(options, all)
  const first = hosts.length > 0 ? hosts : everywhere.map(({ address }) => address)
  const otherPort = altPort === undefined ? [] : first.map(address => ({ address, port: altPort }))
  const otherAddress = altAddress === undefined ? [] : [...ports, ...(altPort === undefined ? [] : [altPort])]
  return [...otherPort, ...otherAddress.map(port => ({ address: altAddress ?? '', port }))].map(at => ({
    ...at,
    stunOnly: true,
    optional: hosts.length === 0,
    // Nobody asked for it by its number.
    spare: options.altPort === undefined && at.port === altPort,
  }))
}

/** Clients find out how their NATs map from two ports. */
const nextPort = ({ classic, dialects }: Partial<Places>, ports: readonly number[]): number | undefined => {
  const next = (ports[0] ?? 0) + 1
  const isWanted = !classic && (dialects?.includes('stun') ?? true)
  return isWanted && next < 65_536 && !ports.includes(next) ? next : undefined
}

/** For DEBUG: one line that is safe for a terminal. */
const describe = (event: ServerEvent): string => {
  const where = (endpoint: Endpoint): string => formatEndpoint(endpoint)
  if (event.event === 'dropped') return `dropped ${event.length} bytes from ${where(event.from)}: ${event.disposition}`
  if (event.event === 'listening') return `listening on ${where(event.endpoint)}, buffer ${event.receiveBufferBytes}`
  return eventToJson(event, performance.now())
}
