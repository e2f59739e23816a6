// Law: pure. Which external port the kernel gives to a flow, as nftables says it: by mapping behavior and port assignment.
import { type Behavior, type NatProfile, type PortAssignment, behaviors } from '../nat-profile.ts'

const [EI, AD, APD] = behaviors

type Translation = (ports: PortAssignment) => string

const range: Translation = ({ first, last }) => `:${first}-${last}`

/** More would take longer to load than all the rest. */
export const longestMap = 4096

/** Not by an `offset`, which loads but yields ports with their bytes swapped (nftables 1.0.6, numgen and jhash alike). */
const mapTo = (ports: readonly number[]): string => `map { ${ports.map((port, i) => `${i} : ${port}`).join(', ')} }`

/** Always the same port for the same flow: `of` is what the mapping depends on. Spread over all of the range. */
const hash =
  (of: string): Translation =>
  ({ first, last }) => {
    const size = last - first + 1
    const count = Math.min(size, longestMap)
    const ports = Array.from({ length: count }, (_, i) => first + Math.floor((i * size) / count))
    return ` : jhash ${of} mod ${count} seed 0x5eed ${mapTo(ports)}`
  }

const sequence: Translation = ports => {
  const all = sequenceOf(ports)
  return ` : numgen inc mod ${all.length} ${mapTo(all)}`
}

/** The ports of a round, each once. */
export const sequenceOf = ({ first, last, step }: PortAssignment): number[] => {
  const size = last - first + 1
  const found = [first]
  for (let port = first; ; found.push(port)) {
    port = first + ((((port - first + step) % size) + size) % size)
    if (port === first) return found
  }
}

const flow = 'ip saddr . udp sport'

/**
 * What follows the external address. An endpoint-independent mapping is Linux's default: it reuses a mapping of the same
 * source where the rule permits its port.
 */
const translations: Record<Behavior, Partial<Record<PortAssignment['assignment'], Translation>>> = {
  [EI]: { preserving: () => '', random: range, hashed: hash(flow) },
  [AD]: { hashed: hash(`${flow} . ip daddr`) },
  [APD]: {
    sequential: sequence,
    random: ports => `${range(ports)} fully-random`,
    hashed: hash(`${flow} . ip daddr . udp dport`),
  },
}

/** The assignments that the kernel can do with such a mapping. */
export const possibleAssignments = (mapping: Behavior): string[] => Object.keys(translations[mapping])

export const sourceTranslation = ({ mapping, ports }: NatProfile, wan: string): string =>
  `snat to ${wan}${translations[mapping][ports.assignment]?.(ports) ?? ''}`
