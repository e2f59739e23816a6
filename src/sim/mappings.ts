// Law: pure; time is an argument. The tables of a NAT: which mapping a datagram leaves by, and whether one may come in
// by it. Built as Linux's conntrack is: what has a lifetime is the session, and a mapping lives as long as one of its
// sessions. What is over is not removed but found to be over, so that it can be told from what never was.
import { type Endpoint, endpointKey } from '../endpoint.ts'
import type { Behavior, NatProfile } from '../nat-profile.ts'
import { fnv1a64 } from './hash.ts'
import { createMasks } from './masks.ts'
import { createPortAssignment } from './port-assignment.ts'
import type { Random } from './random.ts'
import type { DropReason } from './trace.ts'

export type Mapping = {
  readonly internal: Endpoint
  readonly external: Endpoint
  /** An early packet held the port that the flow would have had. */
  readonly evaded: boolean
  expiresMs: number
}

export type Inbound = { readonly from: Endpoint; readonly to: Endpoint }
export type Outbound = Inbound & Pick<Mapping, 'evaded'>

/** The permission to come in: to a mapping, from whom the filtering behavior says. */
type Session = {
  readonly mapping: Mapping
  readonly createdMs: number
  replied: boolean
  expiresMs: number
}

export type MappingsOptions = {
  readonly profile: NatProfile
  readonly addresses: readonly string[]
  readonly random: Random
  /** Entries in any of the tables. */
  readonly most: number
}

/** A flow is no stream before it is two seconds old, whatever was answered (Linux, nf_conntrack_proto_udp.c). */
export const streamAfterMs = 2000

export type Mappings = ReturnType<typeof createMappings>

export const createMappings = ({ profile, addresses, random, most }: MappingsOptions) => {
  const { mapping: mappingBehavior, filtering, ports, lifetime } = profile
  const byFlow = new Map<string, Mapping>()
  /** Flows that leave by another mapping than their kind: the port was held, or their first datagram came in by it. */
  const exceptions = new Map<string, Mapping>()
  /** The latest holder of an external endpoint; more than one may hold it where ports are overloaded. */
  const byExternal = new Map<string, Mapping>()
  const sessions = new Map<string, Session>()
  /** Flows from a remote endpoint to an external one that the router takes for its own, and until when. */
  const early = new Map<string, number>()
  const tables = [byFlow, exceptions, byExternal, sessions, early]
  const masks = createMasks(random, most)
  const assignPort = createPortAssignment(ports, random)
  let nextSweepMs = 0
  /** Whether an early packet stood in the way of the port that is being looked for. */
  let isEvading = false

  const flowKey = (internal: Endpoint, remote: Endpoint): string =>
    endpointKey(internal) + dependingOn(mappingBehavior, remote)
  const sessionKey = (external: Endpoint, remote: Endpoint): string =>
    endpointKey(external) + dependingOn(filtering, remote)

  const isEarly = (external: Endpoint, remote: Endpoint, nowMs: number): boolean => {
    if (early.size === 0 || (early.get(exactKey(external, remote)) ?? 0) <= nowMs) return false
    isEvading = true
    return true
  }

  const holdsFor = (mapping: Mapping, remote: Endpoint, nowMs: number): boolean => {
    if (isEarly(mapping.external, remote, nowMs)) return false
    const session = sessions.get(sessionKey(mapping.external, remote))
    return !session || session.mapping === mapping || session.expiresMs <= nowMs
  }

  const isFree = (external: Endpoint, remote: Endpoint, nowMs: number): boolean => {
    if (isEarly(external, remote, nowMs)) return false
    const holder = ports.overloading
      ? sessions.get(sessionKey(external, remote))
      : byExternal.get(endpointKey(external))
    return !holder || holder.expiresMs <= nowMs
  }

  const addressFor = ({ address }: Endpoint): string => {
    const draw = profile.pooling === 'paired' ? parseInt(fnv1a64(address).slice(8), 16) / 2 ** 32 : random.next()
    return addresses[Math.floor(draw * addresses.length)] ?? address
  }

  const besideNeighbours = ({ address, port }: Endpoint, remote: Endpoint, at: string, nowMs: number): number[] =>
    [-1, 1].flatMap(way => {
      const neighbour = byFlow.get(flowKey({ address, port: port + way }, remote))
      return neighbour && neighbour.expiresMs > nowMs && neighbour.external.address === at
        ? [neighbour.external.port - way]
        : []
    })

  const externalFor = (internal: Endpoint, remote: Endpoint, nowMs: number): Endpoint | undefined => {
    if (profile.kind === 'firewall') return internal
    const address = addressFor(internal)
    const port = assignPort({
      internalPort: internal.port,
      flow: flowKey(internal, remote),
      besideNeighbours: ports.contiguity ? besideNeighbours(internal, remote, address, nowMs) : [],
      isFree: port => isFree({ address, port }, remote, nowMs),
    })
    return port === undefined ? undefined : { address, port }
  }

  /** Makes room by forgetting what is over, once a second at most. */
  const hasRoom = (nowMs: number): boolean => {
    if (tables.every(({ size }) => size < most)) return true
    if (nowMs < nextSweepMs) return false
    nextSweepMs = nowMs + 1000
    for (const table of tables) {
      for (const [key, entry] of table) {
        if ((typeof entry === 'number' ? entry : entry.expiresMs) <= nowMs) table.delete(key)
      }
    }
    return tables.every(({ size }) => size < most)
  }

  const refresh = (session: Session, direction: 'outbound' | 'inbound', nowMs: number): void => {
    const isStream = session.replied && nowMs - session.createdMs > streamAfterMs
    if (direction === 'inbound') session.replied = true
    if (lifetime.refresh !== 'both' && lifetime.refresh !== direction) return
    session.expiresMs = nowMs + (isStream ? lifetime.streamMs : lifetime.unrepliedMs)
    if (session.expiresMs > session.mapping.expiresMs) session.mapping.expiresMs = session.expiresMs
  }

  const permit = (mapping: Mapping, remote: Endpoint, nowMs: number): boolean => {
    const key = sessionKey(mapping.external, remote)
    const known = sessions.get(key)
    if (known && known.mapping === mapping && known.expiresMs > nowMs) {
      refresh(known, 'outbound', nowMs)
      return true
    }
    if (!known && !hasRoom(nowMs)) return false
    const expiresMs = nowMs + lifetime.unrepliedMs
    sessions.set(key, { mapping, createdMs: nowMs, replied: false, expiresMs })
    mapping.expiresMs = Math.max(mapping.expiresMs, expiresMs)
    return true
  }

  /** The mapping that the flow leaves by, if it has one. */
  const mappingOf = (internal: Endpoint, remote: Endpoint, nowMs: number): Mapping | undefined => {
    const exception = exceptions.size > 0 ? exceptions.get(exactKey(internal, remote)) : undefined
    for (const known of [exception, byFlow.get(flowKey(internal, remote))]) {
      if (known && known.expiresMs > nowMs && holdsFor(known, remote, nowMs)) return known
    }
    return undefined
  }

  const mappingFor = (internal: Endpoint, remote: Endpoint, nowMs: number): Mapping | DropReason => {
    isEvading = false
    const known = mappingOf(internal, remote, nowMs)
    if (known) return known
    if (!hasRoom(nowMs)) return 'table-full'
    const external = externalFor(internal, remote, nowMs)
    if (!external) return 'no-port-left'
    const mapping = { internal, external, evaded: isEvading, expiresMs: 0 }
    const key = flowKey(internal, remote)
    if ((byFlow.get(key)?.expiresMs ?? 0) <= nowMs) byFlow.set(key, mapping)
    else exceptions.set(exactKey(internal, remote), mapping)
    byExternal.set(endpointKey(external), mapping)
    return mapping
  }

  /** Whom the host sees; what it answers there is to leave by the mapping that the datagram came in by. */
  const sourceFor = (mapping: Mapping, remote: Endpoint, nowMs: number): Endpoint => {
    if (mappingBehavior === 'endpoint-independent') return remote
    const usual = mappingOf(mapping.internal, remote, nowMs)
    if (usual && usual !== mapping) return masks.mask(mapping, remote, nowMs)
    if (!usual && hasRoom(nowMs)) exceptions.set(exactKey(mapping.internal, remote), mapping)
    return remote
  }

  return {
    /** Sessions, with those that are over and not yet forgotten. */
    get size(): number {
      return sessions.size
    },

    /** A datagram from inside: as what it leaves, by a mapping that is made where there is none. */
    outbound(internal: Endpoint, to: Endpoint, nowMs: number): Outbound | DropReason {
      const masked = masks.unmask(internal, to, nowMs)
      const mapping = masked?.mapping ?? mappingFor(internal, to, nowMs)
      if (typeof mapping === 'string') return mapping
      const remote = masked?.remote ?? to
      if (!permit(mapping, remote, nowMs)) return 'table-full'
      return { from: mapping.external, to: remote, evaded: mapping.evaded }
    },

    /** A datagram from outside: as what it comes in, or the rule that keeps it out. */
    inbound(external: Endpoint, remote: Endpoint, nowMs: number): Inbound | DropReason {
      if (isEarly(external, remote, nowMs)) return 'port-taken'
      const session = sessions.get(sessionKey(external, remote))
      if (!session || session.expiresMs <= nowMs) {
        const holder = byExternal.get(endpointKey(external))
        if (session || (holder && holder.expiresMs <= nowMs)) return 'mapping-expired'
        return holder ? 'filtering' : 'no-mapping'
      }
      refresh(session, 'inbound', nowMs)
      return { from: sourceFor(session.mapping, remote, nowMs), to: session.mapping.internal }
    },

    /** The router takes the flow for its own. */
    take(external: Endpoint, remote: Endpoint, nowMs: number): void {
      if (hasRoom(nowMs)) early.set(exactKey(external, remote), nowMs + lifetime.unrepliedMs)
    },
  }
}

const dependingOn = (behavior: Behavior, { address, port }: Endpoint): string => {
  if (behavior === 'endpoint-independent') return ''
  return behavior === 'address-dependent' ? `>${address}` : `>${address}|${port}`
}

const exactKey = (near: Endpoint, remote: Endpoint): string => `${endpointKey(near)}>${endpointKey(remote)}`
