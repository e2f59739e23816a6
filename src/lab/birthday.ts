// Law: pure. The birthday paradox against a NAT of random ports: one side opens many ports, the other one probes at
// random until it hits one. Measured on the very port assignment that the simulated NATs use.
import type { Endpoint } from '../endpoint.ts'
import { profileNamed } from '../nat-profile.ts'
import { createMappings } from '../sim/mappings.ts'
import { type Random, seededRandom } from '../sim/random.ts'
import type { Figure, FigureCell, FigureOptions } from './figure.ts'
import { logChoose, wilson } from './statistics.ts'

const sockets = 256
const nat = '198.51.100.2'
const prober: Endpoint = { address: '192.0.2.2', port: 5000 }

/** The share of success with `n` ports open of `N`, after `m` probes of different ports: 1 - C(N-n,m) / C(N,m). */
export const hitProbability = (N: number, n: number, m: number): number =>
  1 - Math.exp(logChoose(N - n, m) - logChoose(N, m))

type PortRange = { readonly first: number; readonly last: number }

/** Each in turn at random, none twice (Fisher and Yates); so many of them. */
const draws = ({ first, last }: PortRange, count: number, random: Random): number[] => {
  const ports = Array.from({ length: last - first + 1 }, (_, i) => first + i)
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(random.next() * (ports.length - i))
    ;[ports[i], ports[j]] = [ports[j] ?? first, ports[i] ?? first]
  }
  return ports.slice(0, count)
}

/** How many probes it took; Infinity where none of them came through. */
export const probesToHit = (range: PortRange, most: number, seed: string): number => {
  const symrand = profileNamed('symrand')
  const mappings = createMappings({
    profile: { ...symrand, ports: { ...symrand.ports, ...range } },
    addresses: [nat],
    random: seededRandom(seed, 'nat'),
    most: 65_536,
  })
  for (let i = 0; i < sockets; i++) mappings.outbound({ address: '10.1.0.2', port: 20_000 + i }, prober, 0)
  const hit = draws(range, most, seededRandom(seed, 'probes')).findIndex(
    port => typeof mappings.inbound({ address: nat, port }, prober, 0) !== 'string',
  )
  return hit === -1 ? Infinity : hit + 1
}

/** N = 64,511: every port above 1024. */
const everyPort: PortRange = { first: 1025, last: 65_535 }
/** What many NATs draw from, as their samples show. */
const upperHalf: PortRange = { first: 32_768, last: 65_535 }

const published = [
  [everyPort, 174, '50 %'],
  [everyPort, 256, '64 %'],
  [everyPort, 1024, '98 %'],
  [everyPort, 2048, '99.9 %'],
  [upperHalf, 174, ''],
  [upperHalf, 256, ''],
] as const

/** Beyond this, one run in a thousand of a right NAT would be called wrong. */
const z999 = 3.2905267314919255

export const birthday = ({ trials, seed }: FigureOptions): Figure => {
  const measured = new Map(
    [everyPort, upperHalf].map(range => [
      range,
      Array.from({ length: trials }, (_, i) => probesToHit(range, 2048, `${seed} ${range.first} ${i}`)),
    ]),
  )
  const broken: string[] = []
  const rows = published.map(([range, probes, theirs]): FigureCell[] => {
    const hits = measured.get(range)?.filter(hit => hit <= probes).length ?? 0
    const theory = hitProbability(range.last - range.first + 1, sockets, probes)
    const { share, low, high } = wilson(hits, trials)
    const wide = wilson(hits, trials, z999)
    const story = `${probes} probes of ${range.first}-${range.last}`
    if (theory < wide.low || theory > wide.high) broken.push(`${story}: ${share.toFixed(4)}, not ${theory.toFixed(4)}`)
    return [probes, `${range.first}-${range.last}`, theirs, theory, share, `${low.toFixed(3)}-${high.toFixed(3)}`]
  })
  return {
    name: 'birthday',
    about: `${sockets} sockets behind symrand, random probes from an endpoint-independent mapping: how often one gets in.`,
    source: 'D. Anderson, How NAT traversal works (Tailscale, 2020); theory: 1 - C(N-n,m) / C(N,m)',
    head: ['probes', 'ports', 'published', 'theory', 'ours', '95 %'],
    rows,
    broken,
  }
}
