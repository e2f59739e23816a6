// Law: pure. Which endpoints a phonebook entry may make us send to: a server, or a stranger who registers a forged
// endpoint, must not aim our packets at our own network.
import type { Line } from '../dialects/phonebook/codec.ts'
import { type Endpoint, type Family, classifyAddress, familyOf, isLoopback, prefixOf } from '../endpoint.ts'
import { type Network, isWithin, parseNetwork } from '../networks.ts'

export type CandidateKind = 'server-reflexive' | 'host' | 'peer-reflexive'

/** Why this endpoint of an entry is not punched, in words; undefined where it may be. */
export const targetProblem = (endpoint: Endpoint, server: Endpoint): string | undefined => {
  const kind = classifyAddress(endpoint.address)
  const serverKind = classifyAddress(server.address)
  if (familyOf(endpoint.address) !== familyOf(server.address)) return 'is of another address family than the server'
  if (kind === 'multicast' || kind === 'broadcast' || kind === 'unspecified')
    return `is ${kind === 'unspecified' ? 'an' : 'a'} ${kind} address`
  if (kind === 'loopback' && serverKind !== 'loopback')
    return 'is a loopback address, and the server is not on loopback'
  if ((kind === 'private' || kind === 'link-local') && serverKind !== 'private' && serverKind !== 'loopback') {
    return `is a ${kind} address, and the server's is not`
  }
  return undefined
}

/**
 * A peer's local candidate is worth a try only where both of us are seen at the same address: behind the same NAT. One at the very
 * address where the peer is seen is a port that its gateway forwards; checks go there anyway, and all ports share one budget.
 */
export const hostMayBePunched = (host: Endpoint, mine: Endpoint | undefined, theirs: Endpoint): boolean => {
  if (!mine || isLoopback(mine.address) || host.port < 1024 || familyOf(host.address) !== familyOf(theirs.address))
    return false
  // Its NAT's own address: no other than the one that is punched anyway.
  if (host.address === theirs.address) return !isLoopback(theirs.address)
  const kind = classifyAddress(host.address)
  return (kind === 'private' || kind === 'link-local' || kind === 'global') && sameSite(mine.address, theirs.address)
}

/** The same IPv4 address, the same IPv6 /64. */
const sameSite = (a: string, b: string): boolean => {
  if (familyOf(a) !== familyOf(b)) return false
  return familyOf(a) === 4 ? a === b : prefixOf(a, 64) === prefixOf(b, 64)
}

const networks = (texts: readonly string[]): Network[] => texts.flatMap(text => parseNetwork(text) ?? [])
/** RFC 4291 s.2.4: all global unicast addresses that were ever given out. */
const unicast6 = networks(['2000::/3'])
/** Teredo and 6to4 (RFC 4380, RFC 3056): who is sent to there is who has the IPv4 address in it. */
const tunnels = networks(['2001::/32', '2002::/16'])

/** Whether the address means the same host from everywhere: the only kind of another family that is worth telling. */
export const isWorldwide = (address: string): boolean => {
  const isIn = (network: Network): boolean => isWithin(address, network)
  if (familyOf(address) === 4) return classifyAddress(address) === 'global'
  return unicast6.some(isIn) && !tunnels.some(isIn)
}

export type Targets = {
  /** Where the server sees the peer; undefined where we do not send to it. */
  readonly endpoint: Endpoint | undefined
  readonly hosts: readonly Endpoint[]
  /** Why there are none at all, in words. */
  readonly problem: string | undefined
}

/**
 * All that an entry lets us try. To another address family than the one that the server sees its holder over, nothing but
 * the entry says that the holder is there: so only with the pair token, which the server gives to two who have both proven
 * their endpoints and seek each other. `reaches`: the families that we have a socket of.
 */
export const targetsOf = (
  { endpoint, hosts, newer, pair }: Pick<Line, 'endpoint' | 'hosts' | 'newer' | 'pair'>,
  mapped: Endpoint | undefined,
  server: Endpoint,
  reaches: (family: Family) => boolean,
): Targets => {
  const isReached = ({ address }: Endpoint): boolean => reaches(familyOf(address))
  const mayCross = (to: Endpoint): boolean =>
    pair !== undefined && to.port >= 1024 && isWorldwide(to.address) && isReached(to)
  const isOther = (a: Endpoint, b: Endpoint): boolean => familyOf(a.address) !== familyOf(b.address)
  const found = hosts.filter(host =>
    isOther(host, endpoint) ? mayCross(host) : hostMayBePunched(host, mapped, endpoint) && isReached(host),
  )
  const isAcross = isOther(endpoint, server)
  const problem = isAcross && mayCross(endpoint) ? undefined : targetProblem(endpoint, server)
  const kept = problem === undefined || isAcross ? found : []
  const isEarly = newer && pair === undefined && isAcross
  return {
    endpoint: problem === undefined ? endpoint : undefined,
    hosts: kept,
    problem: kept.length > 0 || isEarly ? undefined : problem,
  }
}
