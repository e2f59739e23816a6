// Law: pure. The birthday paradox against a NAT of random ports: one side opens many ports, the other one probes until it
// hits one. The client's own probes, against the very port assignment that the simulated NATs use.
import { allPorts, hitProbability, sprayPorts } from '../client/odds.ts'
import { ourParameters } from '../client/strategy.ts'
import type { Endpoint } from '../endpoint.ts'
import { profileNamed } from '../nat-profile.ts'
import { type Mappings, createMappings } from '../sim/mappings.ts'
import { seededRandom } from '../sim/random.ts'
import type { Figure, FigureCell, FigureOptions } from './figure.ts'
import { wilson } from './statistics.ts'

const { sockets } = ourParameters
/** As many as the client knows when it begins. */
const samples = 5
const nat = '198.51.100.2'
const server: Endpoint = { address: '203.0.113.10', port: 8080 }
const prober: Endpoint = { address: '192.0.2.2', port: 5000 }

type PortRange = { readonly first: number; readonly last: number }

/** After the server has seen a few of its ports, a NAT with all sockets open towards the prober. */
const openNat = (range: PortRange, seed: string): { readonly mappings: Mappings; readonly seen: number[] } => {
  const symrand = profileNamed('symrand')
  const mappings = createMappings({
    profile: { ...symrand, ports: { ...symrand.ports, ...range } },
    addresses: [nat],
    random: seededRandom(seed, 'nat'),
    most: 65_536,
  })
  const seen = Array.from({ length: samples }, (_, i) => {
    const made = mappings.outbound({ address: '10.1.0.2', port: 10_000 + i }, server, 0)
    return typeof made === 'string' ? 0 : made.from.port
  })
  for (let i = 0; i < sockets; i++) mappings.outbound({ address: '10.1.0.2', port: 20_000 + i }, prober, 0)
  return { mappings, seen }
}

/** How many probes it took; Infinity where none of them came through. */
export const probesToHit = (range: PortRange, most: number, seed: string, isRangeAware = false): number => {
  const { mappings, seen } = openNat(range, seed)
  const random = seededRandom(seed, 'probes')
  const hit = sprayPorts(isRangeAware ? seen : [], most, () => random.next()).findIndex(
    port => typeof mappings.inbound({ address: nat, port }, prober, 0) !== 'string',
  )
  return hit === -1 ? Infinity : hit + 1
}

/** What many NATs draw from, as their samples show. */
const upperHalf: PortRange = { first: 32_768, last: 65_535 }

const published = [
  [174, '50 %'],
  [256, '64 %'],
  [1024, '98 %'],
  [2048, '99.9 %'],
] as const
const mostProbes = 2048

/** Of the range, which of its ports are probed, so many probes; what is published, and the theory that ours is held to. */
type Row = readonly [
  range: PortRange,
  isRangeAware: boolean,
  probes: number,
  theirs: string,
  theory: number,
  hits: number,
]

const z99 = 2.5758293035489004

export const birthday = ({ trials, seed }: FigureOptions): Figure => {
  const count = (range: PortRange, isRangeAware: boolean, most: number): number[] =>
    Array.from({ length: trials }, (_, i) => probesToHit(range, most, `${seed} ${range.first} ${i}`, isRangeAware))
  const within = (probes: number, hits: readonly number[]): number => hits.filter(hit => hit <= probes).length
  const ports = ({ first, last }: PortRange): number => last - first + 1

  const everywhere = count(allPorts, false, mostProbes)
  const blind = count(upperHalf, false, 256)
  const rows: readonly Row[] = [
    ...published.map(([probes, theirs]): Row => {
      return [
        allPorts,
        false,
        probes,
        theirs,
        hitProbability(ports(allPorts), sockets, probes),
        within(probes, everywhere),
      ]
    }),
    ...[174, 256].flatMap((probes): Row[] => [
      [upperHalf, false, probes, '', hitProbability(ports(allPorts), sockets, probes), within(probes, blind)],
      // How many it probes is part of where it does so: not the first of more.
      [
        upperHalf,
        true,
        probes,
        '',
        hitProbability(ports(upperHalf), sockets, probes),
        within(probes, count(upperHalf, true, probes)),
      ],
    ]),
  ]
  const broken: string[] = []
  const cells = rows.map(([range, isRangeAware, probes, theirs, theory, hits]): FigureCell[] => {
    const { share, low, high } = wilson(hits, trials, z99)
    const text = `${range.first}-${range.last}`
    const where = isRangeAware ? `where ${samples} samples lie` : 'anywhere'
    if (theory < low || theory > high)
      broken.push(`${probes} probes ${where}, of ${text}: ${share.toFixed(4)}, not ${theory.toFixed(4)}`)
    return [probes, where, text, theirs, theory, share, `${low.toFixed(3)}-${high.toFixed(3)}`]
  })
  return {
    name: 'birthday',
    about: `${sockets} sockets behind symrand, our probes from an endpoint-independent mapping: how often one gets in.`,
    source: 'D. Anderson, How NAT traversal works (Tailscale, 2020); theory: 1 - C(N-n,m) / C(N,m)',
    head: ['probes', 'of ports', 'NAT draws from', 'published', 'theory', 'ours', '99 %'],
    rows: cells,
    broken,
  }
}
