// Law: pure. What of a NAT profile the kernel can't imitate: refused by its field, never approximated.
import { StageError } from '../errors.ts'
import { type NatProfile, behaviors } from '../nat-profile.ts'
import { longestMap, possibleAssignments, sequenceOf } from './translations.ts'

const [EI, , APD] = behaviors

/** Linux's own source ports, of which it keeps one that lies in the range to map to. */
const ephemeral = { first: 32_768, last: 60_999 }

const isNat = ({ kind }: NatProfile): boolean => kind === 'nat'
const isWhole = (ms: number): boolean => ms % 1000 === 0

const refusals: readonly (readonly [(profile: NatProfile) => boolean, string])[] = [
  [({ kind }) => kind === 'public', 'kind must not be public: such a host has no box'],
  [({ kind, filtering }) => kind === 'firewall' && filtering !== APD, `filtering of a firewall must be ${APD}`],
  [({ lifetime }) => !isWhole(lifetime.unrepliedMs), 'lifetime.unrepliedMs must be whole seconds'],
  [({ lifetime }) => !isWhole(lifetime.streamMs), 'lifetime.streamMs must be whole seconds'],
  [({ lifetime }) => lifetime.refresh !== 'both', 'lifetime.refresh must be both'],
  [({ addresses }) => addresses !== 1, 'addresses must be 1'],
  [p => isNat(p) && p.ports.parity, 'ports.parity must be false'],
  [p => isNat(p) && p.ports.contiguity, 'ports.contiguity must be false'],
  [p => isNat(p) && p.ports.overloading !== (p.filtering === APD), `ports.overloading must be as the filtering is`],
  ...behaviors.map(mapping => {
    const possible = possibleAssignments(mapping)
    const wrong = (p: NatProfile): boolean =>
      isNat(p) && p.mapping === mapping && !possible.includes(p.ports.assignment)
    return [wrong, `ports.assignment of an ${mapping} mapping must be one of ${possible.join(', ')}`] as const
  }),
  [
    ({ kind, ports }) =>
      kind === 'nat' && ports.assignment === 'preserving' && (ports.first !== 1024 || ports.last !== 65_535),
    'ports.first and ports.last must be 1024 and 65535 where ports are preserved',
  ],
  [
    ({ kind, mapping, ports }) =>
      kind === 'nat' &&
      mapping === EI &&
      ports.assignment === 'random' &&
      ports.first <= ephemeral.last &&
      ports.last >= ephemeral.first,
    `ports.last must be below ${ephemeral.first}, or ports.first above ${ephemeral.last}, where random ports are ` +
      `${EI}: Linux keeps a port that lies in the range`,
  ],
  [
    ({ ports }) => ports.assignment === 'sequential' && sequenceOf(ports).length > longestMap,
    `ports.last must leave at most ${longestMap} sequential ports`,
  ],
]

export const checkLimits = (profile: NatProfile): void => {
  const refused = refusals.find(([is]) => is(profile))
  if (refused) throw new StageError('usage', `NAT profile ${profile.name}: ${refused[1]} in the kernel lab`)
}
