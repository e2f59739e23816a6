// Law: pure. Which of our own addresses the peer is told, so that it can try them.
import { type Endpoint, type Family, classifyAddress, familyOf } from '../endpoint.ts'
import { mostHosts } from '../dialects/phonebook/codec.ts'
import { isWorldwide } from './targets.ts'

/** The family that the server does not see us over has so many places for itself, if it wants them. */
const shareOfOther = mostHosts / 2

/**
 * Of the family that the server sees us over all of them, for a peer behind the same NAT; of the other one those that a
 * peer can reach from anywhere. No link-local ones: without the name of an interface they mean nothing.
 */
export const hostsToOffer = (
  addresses: readonly string[],
  family: Family,
  portOf: (family: Family) => number | undefined,
): Endpoint[] => {
  const of = (which: Family): Endpoint[] => {
    const port = portOf(which) ?? 0
    const own = addresses.filter(address => familyOf(address) === which && classifyAddress(address) !== 'link-local')
    return port === 0 ? [] : own.map(address => ({ address, port }))
  }
  const others = of(family === 4 ? 6 : 4).filter(({ address }) => isWorldwide(address))
  return [...of(family).slice(0, mostHosts - Math.min(shareOfOther, others.length)), ...others].slice(0, mostHosts)
}

/** The endpoints of a NAT that are known to lead to us go first: there are places for four. */
export const withMapped = (
  mapped: readonly (Endpoint | undefined)[],
  hosts: readonly Endpoint[],
  family: Family,
): Endpoint[] => {
  const known = mapped.filter(endpoint => endpoint !== undefined)
  return [...known.filter(({ address }) => familyOf(address) === family), ...hosts].slice(0, mostHosts)
}

/** The families that are worth a socket though the server is not asked over them. */
export const familiesToOffer = (addresses: readonly string[]): Family[] => [
  ...new Set(addresses.filter(isWorldwide).map(familyOf)),
]
