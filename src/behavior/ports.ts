// Law: pure. Port assignment (RFC 4787 s.4.2) out of sockets that were opened one after the other, in that order.
import { type Finding, type Sample, mappedOf, unknown } from './samples.ts'

export type Assignment = 'preserving' | 'contiguous' | 'sequential' | 'no pattern'

export type Ports = Finding<Assignment> & {
  /** How many kept the port that they have on this host. */
  readonly preserved: number
  readonly samples: number
  /** From one to the next, where they are sequential. */
  readonly delta?: number
  /** The lowest and the highest seen. */
  readonly range?: readonly [number, number]
  /** External addresses seen. More than one: arbitrary pooling (RFC 4787 s.4.1). */
  readonly addresses: readonly string[]
}

type Pair = { readonly local: number; readonly mapped: number }

const fewest = 4
/** Further apart than this and unequal, steps are no steps but chance. */
const longestStep = 64

export const portsOf = (samples: readonly Sample[]): Ports => {
  const pairs = samples.flatMap((sample): Pair[] => {
    const mapped = mappedOf(sample)
    return mapped ? [{ local: sample.localPort, mapped: mapped.port }] : []
  })
  const mapped = pairs.map(pair => pair.mapped)
  const preserved = pairs.filter(pair => pair.local === pair.mapped).length
  return {
    ...findingOf(pairs, preserved),
    preserved,
    samples: pairs.length,
    ...(pairs.length > 0 && { range: [Math.min(...mapped), Math.max(...mapped)] as const }),
    addresses: [...new Set(samples.flatMap(sample => mappedOf(sample)?.address ?? []))],
  }
}

const findingOf = (pairs: readonly Pair[], preserved: number): Finding<Assignment> & { delta?: number } => {
  if (pairs.length < fewest) return unknown(`only ${pairs.length} samples`)
  if (preserved * 2 > pairs.length)
    return { is: 'preserving', because: `${preserved} of ${pairs.length} kept their port` }
  if (isContiguous(pairs)) return { is: 'contiguous', because: 'neighbouring ports have neighbouring mappings' }
  const steps = pairs.slice(1).map((pair, i) => pair.mapped - (pairs[i]?.mapped ?? 0))
  const delta = stepOf(steps)
  if (delta !== undefined) return { is: 'sequential', because: `steps of ${steps.join(', ')}`, delta }
  return { is: 'no pattern', because: `steps of ${steps.join(', ')}` }
}

/** A sequence passes for contiguous as long as the ports are asked about upwards; hence one has to be asked downwards. */
const isContiguous = (pairs: readonly Pair[]): boolean => {
  const neighbours = pairs.flatMap((pair, i) =>
    pairs.slice(0, i).flatMap(earlier => {
      const way = pair.local - earlier.local
      return Math.abs(way) === 1 ? [{ way, fits: pair.mapped - earlier.mapped === way }] : []
    }),
  )
  return [-1, 1].every(wanted => neighbours.some(({ way }) => way === wanted)) && neighbours.every(({ fits }) => fits)
}

/** The step that most of them are; other flows of the NAT, or the end of its range, may stand between. */
const stepOf = (steps: readonly number[]): number | undefined => {
  const small = steps.filter(step => step !== 0 && Math.abs(step) <= longestStep)
  const usual = small.find(step => small.filter(other => other === step).length * 2 > steps.length)
  if (usual !== undefined) return usual
  const ways = new Set(small.map(Math.sign))
  if (small.length < steps.length || ways.size !== 1) return undefined
  return small.reduce((least, step) => (Math.abs(step) < Math.abs(least) ? step : least))
}
