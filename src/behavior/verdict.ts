// Law: pure. All verdicts out of all the evidence, and the one sentence that they come down to.
import { type Endpoint, classifyAddress, familyOf, formatEndpoint } from '../endpoint.ts'
import { type Behavior, behaviors } from '../nat-profile.ts'
import { type Early, earlyOf } from './early.ts'
import { type Filtering, filteringOf } from './filtering.ts'
import { hairpinningOf } from './hairpinning.ts'
import { mappingOf } from './mapping.ts'
import { type Ports, portsOf } from './ports.ts'
import type { Evidence } from './probe.ts'
import { type Finding, isTranslated, mappedOf, unknown } from './samples.ts'
import { alternateOf } from './server.ts'

export type Verdict = {
  readonly server: Endpoint
  readonly mapped: Endpoint
  readonly translated: boolean
  readonly mapping: Finding<Behavior>
  readonly filtering: Finding<Filtering>
  readonly ports: Ports
  readonly hairpinning: Finding<'yes' | 'no' | 'not applicable'>
  readonly early: Finding<Early>
  /** What the server says of itself and does not hold. */
  readonly warnings: readonly string[]
}

const [EI] = behaviors

/** Undefined where no server answered. `own`: the addresses of this host. */
export const verdictOf = (evidence: Evidence, own: readonly string[]): Verdict | undefined => {
  const { server, other, ports, hairpin, early } = evidence
  const [binding] = ports
  const mapped = mappedOf(binding)
  if (!server || !binding || !mapped) return undefined
  const translated = isTranslated(binding, own) ?? true
  const there = evidence.mapping.flatMap(({ two, three }) => [two, three].flatMap(sample => sample ?? []))
  const alternate = alternateOf(server, other, there)
  const isBelieved = alternate.endpoint !== undefined
  const mappingTests = evidence.mapping.map(({ one, two, three, otherPort }) =>
    isBelieved ? { one, two, three } : { one, otherPort },
  )
  const found = mappingOf(mappingTests, own)
  const mapping = found.is === 'unknown' && !isBelieved ? unknown(alternate.because) : found
  const filtering = isBelieved ? filteringOf(evidence.filtering, server, mapping.is) : unknown(alternate.because)
  return {
    server,
    mapped,
    translated,
    mapping,
    filtering,
    ports: portsOf(ports),
    hairpinning: hairpinningOf(hairpin, translated, mapping.is, filtering.is),
    early: earlyOf(early.before, early.after, mapping.is, filtering.is),
    warnings: alternate.isWrong ? [`${alternate.because}: nothing is concluded from it`] : [],
  }
}

/** Whether peers can be told one endpoint that they all can punch to. */
export const isPunchable = ({ mapping }: Verdict): boolean => mapping.is === EI

export const sentenceOf = (verdict: Verdict): string => {
  const { translated, mapping, filtering } = verdict
  const filter = filtering.is === 'unknown' ? 'a filtering that is not known' : `${filtering.is} filtering`
  if (!translated) return untranslated(verdict)
  if (mapping.is === 'unknown') return `You are behind a NAT whose mapping behavior is unknown: ${mapping.because}.`
  if (mapping.is === EI)
    return `You are behind an endpoint-independent mapping with ${filter}: ${filtering.is === EI ? 'every peer can reach you at your mapped endpoint' : 'hole punching works with most peers'}.`
  return `You are behind an ${mapping.is} mapping with ${filter}: ${remedyOf(verdict)}`
}

const untranslated = ({ mapped, filtering }: Verdict): string => {
  const isSix = familyOf(mapped.address) === 6 && classifyAddress(mapped.address) === 'global'
  const [who, behind, peers] = isSix
    ? ['You have a public IPv6 address', ' behind a stateful', 'every peer that has one too']
    : ['You are not behind a NAT', ', but a', 'most peers']
  if (filtering.is === 'unknown')
    return `${who}; whether a firewall filters is unknown: hole punching works with ${peers}.`
  return filtering.is === EI
    ? `${who}, and nothing is filtered: every peer${isSix ? ' with IPv6' : ''} can reach you.`
    : `${who}${behind} firewall with ${filtering.is} filtering: hole punching works with ${peers}.`
}

const remedyOf = ({ ports, filtering }: Verdict): string => {
  if (filtering.is === EI) return 'peers can answer you, but those with such a mapping themselves will need a relay.'
  if (ports.is === 'sequential')
    return `most peers will need to predict your next port (they come in steps of ${ports.delta}), or a relay.`
  if (ports.is === 'preserving')
    return 'most peers will need to try the port that you have on your own host, or a relay.'
  return 'most peers will need many probes, or a relay.'
}

export const noAnswerOf = (servers: readonly Endpoint[]): string =>
  `No answer from ${servers.map(formatEndpoint).join(' nor from ')}: there is no STUN server, or no UDP gets through.`
