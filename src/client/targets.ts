// Law: pure. Which endpoints a phonebook entry may make us send to: a server, or a stranger who registers a forged
// endpoint, must not aim our packets at our own network.
import { type Endpoint, addressToBytes, classifyAddress, familyOf, isLoopback } from '../endpoint.ts'

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

/** A peer's local candidate is worth a try only where both of us are seen at the same address: behind the same NAT. */
export const hostMayBePunched = (host: Endpoint, mine: Endpoint | undefined, theirs: Endpoint): boolean => {
  if (!mine || isLoopback(mine.address) || host.port < 1024 || familyOf(host.address) !== familyOf(theirs.address))
    return false
  if (host.address === theirs.address) return true // its NAT's own address: no other than the one that is punched anyway
  const kind = classifyAddress(host.address)
  return (kind === 'private' || kind === 'link-local' || kind === 'global') && sameSite(mine.address, theirs.address)
}

/** The same IPv4 address, the same IPv6 /64. */
const sameSite = (a: string, b: string): boolean => {
  if (familyOf(a) !== familyOf(b)) return false
  return familyOf(a) === 4 ? a === b : addressToBytes(a).slice(0, 8).join() === addressToBytes(b).slice(0, 8).join()
}
