// Law: pure. What `nat-lab check` found: for people, one sentence and a table; for programs, the JSON of docs/nat-check.md.
import type { Colors } from 'picocolors/types.js'
import { type Endpoint, familyOf, formatEndpoint } from '../endpoint.ts'
import type { LifetimeEvidence } from '../behavior/lifetime-probe.ts'
import { type Habit, type Lifetime, lifetimeOf } from '../behavior/lifetime.ts'
import type { Evidence } from '../behavior/probe.ts'
import type { Finding } from '../behavior/samples.ts'
import { type Verdict, isPunchable, noAnswerOf, sentenceOf } from '../behavior/verdict.ts'
import { jsonText } from './json.ts'
import { tableText } from './table.ts'

export type GatewayProtocol = { readonly found: boolean; readonly wan: string | undefined; readonly because: string }

export type Check = {
  /** In the order in which they were asked. */
  readonly tried: readonly Endpoint[]
  readonly evidence: Evidence
  /** Undefined where nobody answered. */
  readonly verdict: Verdict | undefined
  readonly layers: Finding<string>
  readonly carrierGrade: Finding<string>
  readonly ipv6: Finding<string>
  /** Undefined where the gateway was not to be asked. */
  readonly gateway: { readonly upnp: GatewayProtocol; readonly natPmp: GatewayProtocol } | undefined
  readonly lifetime: LifetimeEvidence | undefined
}

export const jsonVersion = 1

/** 0 punchable, 1 hard or not known, 3 no answer. */
export const exitCodeOf = ({ verdict }: Check): 0 | 1 | 3 => (!verdict ? 3 : isPunchable(verdict) ? 0 : 1)

const sentence = ({ verdict, tried, ipv6 }: Check): string => {
  if (!verdict) return noAnswerOf(tried)
  const isHelped = ipv6.is === 'works' && !isPunchable(verdict) && familyOf(verdict.mapped.address) === 4
  return `${sentenceOf(verdict)}${isHelped ? ' Over IPv6 nothing is translated: there it works with every peer that has IPv6 too.' : ''}`
}

export const checkText = (check: Check, colors: Colors): string => {
  const { verdict } = check
  const paint = [colors.green, colors.yellow, colors.red, colors.red][exitCodeOf(check)] ?? String
  const said = paint(sentence(check))
  if (!verdict) return said
  const rows = rowsOf(check, verdict).map(([name, is, because]) => [
    name,
    is === 'unknown' ? colors.yellow(is) : is,
    colors.dim(because),
  ])
  return [said, '', tableText(rows), ...verdict.warnings.map(text => colors.yellow(`Warning: ${text}.`))].join('\n')
}

/** The same for a page: a sentence, and a table with a head. */
export const checkTable = (check: Check): { readonly said: string; readonly table: readonly string[][] } => ({
  said: [sentence(check), ...(check.verdict?.warnings ?? []).map(text => `Warning: ${text}.`)].join(' '),
  table: [['', 'it is', 'because'], ...(check.verdict ? rowsOf(check, check.verdict) : [])],
})

type Row = [name: string, is: string, because: string]

const rowsOf = (check: Check, verdict: Verdict): Row[] => {
  const { mapped, server, mapping, filtering, ports, hairpinning, early } = verdict
  const { lifetime, gateway } = check
  const silent = check.tried.slice(
    0,
    check.tried.findIndex(({ port }) => port === server.port),
  )
  const before = silent.map(endpoint => `, ${formatEndpoint(endpoint)} did not`).join('')
  return [
    ['seen as', formatEndpoint(mapped), `${formatEndpoint(server)} answered${before}`],
    row('mapping', mapping),
    row('filtering', filtering),
    ['ports', portsText(verdict), ports.because],
    row('hairpinning', hairpinning),
    row('early packets', early),
    ...(lifetime ? lifetimeRows(lifetime) : []),
    row('layers of NAT', check.layers),
    row('carrier-grade NAT', check.carrierGrade),
    ...(gateway ? [gatewayRow('UPnP-IGD', gateway.upnp), gatewayRow('NAT-PMP', gateway.natPmp)] : []),
    row('IPv6', check.ipv6),
  ]
}

const row = (name: string, { is, because }: Finding<string>): Row => [name, is, because]

const portsText = ({ ports: { is, delta, range } }: Verdict): string => {
  const step = delta === undefined ? '' : `, delta ${delta}`
  return `${is}${step}${range && is !== 'preserving' ? `, ${range[0]}-${range[1]}` : ''}`
}

const gatewayRow = (name: string, { found, because }: GatewayProtocol): Row => [name, found ? 'yes' : 'no', because]

const ofHabit = ({ rungs }: LifetimeEvidence, habit: Habit): Lifetime =>
  lifetimeOf(rungs.filter(rung => rung.habit === habit))

const lifetimeRows = (evidence: LifetimeEvidence): Row[] => {
  if (evidence.problem !== undefined) return [['lifetime', 'unknown', evidence.problem]]
  const text = ({ ms, aliveAtMs }: Lifetime): string =>
    ms === undefined ? `more than ${aliveAtMs / 1000} s` : `${ms / 1000} s`
  const [exchange, stream] = [ofHabit(evidence, 'exchange'), ofHabit(evidence, 'stream')]
  return [
    ['lifetime after one exchange', text(exchange), exchange.because],
    ['lifetime of a stream', text(stream), stream.because],
  ]
}

/** One object on one line; docs/nat-check.md says what each field means. Endpoints are text. */
export const checkJson = (check: Check): string => {
  const { verdict, lifetime, gateway, evidence } = check
  const seconds = ({ ms, aliveAtMs, deadAtMs, because }: Lifetime) => ({
    seconds: ms === undefined ? null : ms / 1000,
    aliveSeconds: aliveAtMs / 1000,
    deadSeconds: deadAtMs === undefined ? null : deadAtMs / 1000,
    because,
  })
  return jsonText(
    withTextEndpoints({
      version: jsonVersion,
      verdict: sentence(check),
      exitCode: exitCodeOf(check),
      tried: check.tried,
      server: verdict?.server ?? null,
      mapped: verdict?.mapped ?? null,
      nat: verdict?.translated ?? null,
      ...(verdict && {
        mapping: verdict.mapping,
        filtering: verdict.filtering,
        ports: verdict.ports,
        hairpinning: verdict.hairpinning,
        early: verdict.early,
        layers: check.layers,
        carrierGrade: check.carrierGrade,
      }),
      ipv6: check.ipv6,
      gateway: gateway ?? null,
      lifetime: lifetime
        ? {
            problem: lifetime.problem ?? null,
            exchange: seconds(ofHabit(lifetime, 'exchange')),
            stream: seconds(ofHabit(lifetime, 'stream')),
          }
        : null,
      warnings: verdict?.warnings ?? [],
      evidence: { ...evidence, rungs: lifetime?.rungs ?? [] },
    }),
  )
}

const withTextEndpoints = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withTextEndpoints)
  if (typeof value !== 'object' || value === null) return value
  const { address, port } = value as Partial<Endpoint>
  if (address !== undefined && port !== undefined) return formatEndpoint({ address, port })
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, withTextEndpoints(part)]))
}
