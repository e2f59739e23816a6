// Law: pure; time is an argument. A host behind a NAT may have two flows with one remote endpoint: its own, and one that
// came in by another mapping. To be told apart by the host, the second shows the remote endpoint under another port, and
// what the host answers there leaves by the mapping that the flow came in by. As Linux does (get_unique_tuple() for the
// source of a translated destination).
import { type Endpoint, endpointKey } from '../endpoint.ts'
import type { Mapping } from './mappings.ts'
import type { Random } from './random.ts'

export type Masked = { readonly mapping: Mapping; readonly remote: Endpoint; readonly seenAs: Endpoint }

export const createMasks = (random: Random, most: number) => {
  const bySeen = new Map<string, Masked>()
  const byReal = new Map<string, Masked>()

  const forget = (masked: Masked): void => {
    bySeen.delete(flowKey(masked.mapping.internal, masked.seenAs))
    byReal.delete(flowKey(masked.mapping.external, masked.remote))
  }

  return {
    /** What the host is to see instead of `remote`; the oldest flow makes room. */
    mask(mapping: Mapping, remote: Endpoint, nowMs: number): Endpoint {
      const key = flowKey(mapping.external, remote)
      const known = byReal.get(key)
      if (known && known.mapping === mapping && mapping.expiresMs > nowMs) return known.seenAs
      const [oldest] = byReal.values()
      if (known) forget(known)
      else if (oldest && byReal.size >= most) forget(oldest)
      const { address } = remote
      let seenAs = remote
      do seenAs = { address, port: 1024 + Math.floor(random.next() * 64_512) }
      while (bySeen.has(flowKey(mapping.internal, seenAs)) || seenAs.port === remote.port)
      const masked = { mapping, remote, seenAs }
      byReal.set(key, masked)
      bySeen.set(flowKey(mapping.internal, seenAs), masked)
      return seenAs
    },

    /** What the host answers to, and by which mapping; undefined where it sees the remote endpoint as it is. */
    unmask(internal: Endpoint, seenAs: Endpoint, nowMs: number): Masked | undefined {
      if (bySeen.size === 0) return undefined
      const masked = bySeen.get(flowKey(internal, seenAs))
      return masked && masked.mapping.expiresMs > nowMs ? masked : undefined
    },
  }
}

const flowKey = (near: Endpoint, far: Endpoint): string => `${endpointKey(near)}>${endpointKey(far)}`
