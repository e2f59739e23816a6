// nat-lab check: what kind of NAT this machine is behind, found out with one server.
import colors from 'picocolors'
import { drive } from '../behavior/drive.ts'
import type { Core } from '../behavior/drive.ts'
import type { Outside } from '../behavior/exchanges.ts'
import { carrierGradeOf, layersOf } from '../behavior/layers.ts'
import { createLifetimeProbe } from '../behavior/lifetime-probe.ts'
import { type Evidence, createProbe } from '../behavior/probe.ts'
import { createReach } from '../behavior/reach.ts'
import { type Finding, type Sample, isTranslated, mappedOf, unknown } from '../behavior/samples.ts'
import { verdictOf } from '../behavior/verdict.ts'
import { type Endpoint, type Family, classifyAddress, familyOf, formatEndpoint, isLoopback } from '../endpoint.ts'
import { StageError } from '../errors.ts'
import type { Host } from '../host.ts'
import { createNodeHost } from '../host/node.ts'
import { type Check, checkJson, checkText, exitCodeOf, checkTable } from '../report/check.ts'
import { tableHtml } from '../report/heatmap.ts'
import { askGateway } from './gateway.ts'
import { labCommand } from './lab-command.ts'
import { readFamily } from './lab-options.ts'
import { makePage, outputs, writeOutputs } from './lab-outputs.ts'
import { type Options, readServer } from './options.ts'

const defaultPorts = [8080, 3478]

const help = `Usage: nat-lab check -s HOST [-p PORT] [options]

Says what kind of NAT this machine is behind, with the help of a STUN server: the first line is the
verdict, the table says what it rests on. What can't be found out is unknown; for most of it the
server needs two addresses (RFC 5780).

Options:
  -s, --server HOST   test-server, or anybody's STUN server
  -p, --port PORT     its UDP port (${defaultPorts.join(', then ')})
      --ip VERSION    ask over 4 or 6 only (4 where the server has both)
      --lifetime      how long mappings live, too: takes as long as they do
      --longest S     seconds after which --lifetime gives up (300)
      --no-gateway    do not ask the gateway for its port-mapping protocols and its address
      --html FILE     one page with all of it, for any browser
      --json          print one JSON object, and nothing else (docs/nat-check.md)
  -h, --help          print this help

Exit codes: 0 hole punching works, 1 hard or unknown, 2 usage, 3 no answer
`

const table = {
  server: { kind: 'text', short: 's' },
  port: { kind: 'port', short: 'p' },
  ip: { kind: 'text' },
  lifetime: { kind: 'switch' },
  longest: { kind: 'seconds' },
  gateway: { kind: 'switch-off' },
  html: outputs.html,
} as const

const run = async (options: Options): Promise<number> => {
  const given = options['server'] as string | undefined
  if (given === undefined) throw new StageError('usage', 'which server? Give one with -s, like -s 203.0.113.10')
  const name = readServer(given)
  if (options['longest'] !== undefined && !options['lifetime'])
    throw new StageError('usage', '--longest is of --lifetime: give that too')
  const port = options['port'] as number | undefined
  const check = await examine(createNodeHost(), {
    name,
    ports: port === undefined ? defaultPorts : [port],
    family: readFamily(options),
    longestMs: options['lifetime'] ? 1000 * ((options['longest'] as number | undefined) ?? 300) : undefined,
    asksGateway: options['gateway'] as boolean,
  })
  writeOutputs(options, {
    html() {
      const { said, table } = checkTable(check)
      return makePage({ title: 'What kind of NAT is this?', about: said, sections: [tableHtml(table)] })
    },
  })
  process.stdout.write(`${options['json'] ? checkJson(check) : checkText(check, colors)}\n`)
  return exitCodeOf(check)
}

export const command = labCommand({ name: 'check', help, table, run })

type Wanted = {
  readonly name: string
  readonly ports: readonly number[]
  readonly family: Family | undefined
  readonly longestMs: number | undefined
  readonly asksGateway: boolean
}

const examine = async (host: Host, { name, ports, family: wanted, longestMs, asksGateway }: Wanted): Promise<Check> => {
  const addresses = await resolve(host, name)
  const address = addresses.find(found => familyOf(found) === (wanted ?? 4)) ?? (wanted ? undefined : addresses[0])
  if (address === undefined) {
    const what = wanted === undefined ? 'unknown host' : `no IPv${wanted} address of`
    throw new StageError('unknown-host', `${what} ${JSON.stringify(name)}`)
  }
  const family = familyOf(address)
  const tried = ports.map(port => ({ address, port }))
  const own = host.addresses()
  const [evidence, ipv6, gateway] = await Promise.all([
    ask<Evidence>(host, family, (outside, done) => createProbe(outside, tried, done)),
    checkIPv6(host, own, addresses, ports),
    // On the way to a server on this very host there is none.
    asksGateway && !isLoopback(address) ? askGateway() : undefined,
  ])
  const verdict = verdictOf(evidence, own)
  const lifetime =
    verdict && longestMs !== undefined
      ? await ask<NonNullable<Check['lifetime']>>(host, family, (outside, done) =>
          createLifetimeProbe(outside, verdict.server, longestMs, done),
        )
      : undefined
  const layersInput = {
    translated: verdict?.translated ?? false,
    mapped: verdict?.mapped.address ?? '',
    own,
    gatewayWan: gateway?.upnp.wan ?? gateway?.natPmp.wan,
  }
  const [layers, carrierGrade] = verdict
    ? [layersOf(layersInput), carrierGradeOf(layersInput)]
    : [unknown('no answer'), unknown('no answer')]
  return { tried, evidence, verdict, layers, carrierGrade, ipv6, gateway, lifetime }
}

/** Runs a core until it has said what it found. */
const ask = <T>(host: Host, family: Family, make: (outside: Outside, done: (found: T) => void) => Core): Promise<T> =>
  new Promise(resolve => {
    const running = drive(host, family, outside =>
      make(outside, found => {
        // It may be said while the core is still being started.
        queueMicrotask(() => running.stop())
        resolve(found)
      }),
    )
  })

const resolve = (host: Host, name: string): Promise<string[]> =>
  new Promise((done, reject) =>
    host.resolve(name, (addresses, error) =>
      error
        ? reject(
            new StageError('unknown-host', `no such host: ${name}: check the spelling of -s, or give an IP address`),
          )
        : done(addresses),
    ),
  )

/** The first port that answers over IPv6, if there are addresses on both ends. */
const checkIPv6 = async (
  host: Host,
  own: readonly string[],
  addresses: readonly string[],
  ports: readonly number[],
): Promise<Finding<'works' | 'translated' | 'no address' | 'no answer'>> => {
  const mine = own.filter(address => familyOf(address) === 6 && classifyAddress(address) === 'global')
  if (mine.length === 0) return { is: 'no address', because: 'this host has no global IPv6 address' }
  const there = addresses.find(address => familyOf(address) === 6)
  if (there === undefined) return unknown('the server has no IPv6 address')
  const asked = ports.map((port): Endpoint => ({ address: there, port }))
  const samples = await Promise.all(
    asked.map(to => ask<Sample | undefined>(host, 6, (outside, done) => createReach(outside, to, done))),
  )
  const sample = samples.find(mappedOf)
  const mapped = mappedOf(sample)
  if (!sample || !mapped) return { is: 'no answer', because: `${asked.map(formatEndpoint).join(', ')} did not answer` }
  return {
    is: isTranslated(sample, own) ? 'translated' : 'works',
    because: `${formatEndpoint(sample.to)} sees ${formatEndpoint(mapped)}`,
  }
}
