// Law: pure. What chance and counting allow: the birthday paradox between sockets and probes, and sequences of ports.

/** The share of success with `n` ports open of `N`, after `m` probes of different ports: 1 - C(N-n, m) / C(N, m). */
export const hitProbability = (N: number, n: number, m: number): number => {
  let miss = 1
  for (let i = 0; i < n; i++) miss *= Math.max(0, N - m - i) / (N - i)
  return 1 - miss
}

/** Ports above 1024, which is what most NATs choose from. */
export const allPorts = { first: 1024, last: 65_535 } as const

/** Further apart than this, in the mean, ports are no sequence. */
const longestStep = 64
const fewest = 3

export type Sequence = { readonly latest: number; readonly step: number }

/** Of ports in about the order in which they were made (datagrams overtake each other); undefined where they are none. */
export const sequenceOf = (ports: readonly number[]): Sequence | undefined => {
  const sorted = [...new Set(ports)].sort((a, b) => a - b)
  const [lowest, highest] = [sorted[0] ?? 0, sorted.at(-1) ?? 0]
  if (sorted.length < fewest || highest - lowest > longestStep * (sorted.length - 1)) return undefined
  const gaps = sorted.slice(1).map((port, i) => port - (sorted[i] ?? 0))
  const rises = (ports[0] ?? 0) - lowest <= highest - (ports[0] ?? 0)
  const step = Math.min(...gaps)
  return rises ? { latest: highest, step } : { latest: lowest, step: -step }
}

/** The next ports of a sequence, the likeliest first. Every other one looks back: what was made just before the sample. */
export const nextPorts = ({ latest, step }: Sequence, window: number): number[] =>
  Array.from({ length: window }, (_, i) => latest + step * (i + 1)).filter(isPort)

const isPort = (port: number): boolean => port > 0 && port < 65_536

/**
 * So many different ports at random. From the range of the samples, as far as there is one: whatever a NAT chooses from,
 * its samples lie in it, and each probe there hits as often as any; outside of it a probe may be in vain.
 */
export const sprayPorts = (samples: readonly number[], count: number, random: () => number): number[] => {
  const { first, last } = rangeOf(samples, count)
  const ports = Array.from({ length: last - first + 1 }, (_, i) => first + i)
  const most = Math.min(count, ports.length)
  for (let i = 0; i < most; i++) {
    const j = i + Math.floor(random() * (ports.length - i))
    ;[ports[i], ports[j]] = [ports[j] ?? first, ports[i] ?? first]
  }
  return ports.slice(0, most)
}

const fewestSamples = 3

/** At least four times as many ports as probes, or there would be little left to chance. */
const rangeOf = (samples: readonly number[], count: number): { first: number; last: number } => {
  if (new Set(samples).size < fewestSamples) return allPorts
  const [lowest, highest] = [Math.min(...samples), Math.max(...samples)]
  const missing = Math.max(0, Math.ceil((4 * count - (highest - lowest)) / 2))
  return { first: Math.max(allPorts.first, lowest - missing), last: Math.min(allPorts.last, highest + missing) }
}
