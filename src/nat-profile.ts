// Law: pure. One description of a NAT, in the words of RFC 4787, from which both the simulator and the kernel lab build.
import { StageError } from './errors.ts'
import { nearest } from './nearest.ts'

/** What a mapping, or the permission to come in, depends on (RFC 4787 s.4.1, s.5). */
export const behaviors = ['endpoint-independent', 'address-dependent', 'address-and-port-dependent'] as const
export type Behavior = (typeof behaviors)[number]

/** `public`: no box at all. `firewall`: a stateful filter that translates nothing. `blocked`: lets no UDP through. */
export const kinds = ['public', 'nat', 'firewall', 'blocked'] as const

/**
 * `preserving`: the host's own port, and where that is taken a random one of the range. `hashed`: always the same port
 * for the same flow, computed from what the mapping depends on.
 */
export const assignments = ['preserving', 'sequential', 'random', 'hashed'] as const

/** What refreshes a mapping, beside making it (RFC 4787 s.4.3). */
export const refreshDirections = ['outbound', 'inbound', 'both'] as const

/**
 * What becomes of a datagram that nobody behind the NAT asked for. `reject` answers with an ICMP error, which an
 * unconnected UDP socket never hears. `naive`: the router takes it for its own, so that it holds the port towards that
 * peer, and the client's flow to that peer gets another one.
 */
export const earlyPolicies = ['drop', 'reject', 'naive'] as const

/** RFC 4787 s.4.1. `paired`: a host keeps one external address. `arbitrary`: every mapping gets any. */
export const poolings = ['paired', 'arbitrary'] as const

export type PortAssignment = {
  readonly assignment: (typeof assignments)[number]
  /** The range, both ends included. A preserved port may lie outside it. */
  readonly first: number
  readonly last: number
  /** From one sequential port to the next. */
  readonly step: number
  /** An even port is mapped to an even one (RFC 4787 s.4.2.2). */
  readonly parity: boolean
  /** Neighbouring ports of a host are mapped to neighbours, if they can be (RFC 4787 s.4.2.3). */
  readonly contiguity: boolean
  /** Two hosts may share an external port towards different remote endpoints, as in Linux (RFC 4787 s.4.2.1). */
  readonly overloading: boolean
}

/** The protocols of a lab's internet. `both`: every host has an address of each. */
export const ipVersions = ['4', '6', 'both'] as const
export type IpVersions = (typeof ipVersions)[number]

export type NatProfile = {
  readonly name: string
  readonly kind: (typeof kinds)[number]
  readonly mapping: Behavior
  readonly filtering: Behavior
  readonly ports: PortAssignment
  /** `unreplied` until an answer came in and the flow is older than two seconds, as in Linux; `stream` after that. */
  readonly lifetime: {
    readonly unrepliedMs: number
    readonly streamMs: number
    readonly refresh: (typeof refreshDirections)[number]
  }
  readonly hairpinning: boolean
  readonly early: (typeof earlyPolicies)[number]
  /** External addresses. */
  readonly addresses: number
  readonly pooling: (typeof poolings)[number]
}

const [EI, AD, APD] = behaviors

/** An EI/APD port-preserving NAT with the lifetimes of Linux's conntrack; it overloads ports wherever Linux does. */
const nat = (
  name: string,
  mapping: Behavior,
  filtering: Behavior,
  ports: Partial<PortAssignment> = {},
  rest: Partial<NatProfile> = {},
): NatProfile => ({
  name,
  kind: 'nat',
  mapping,
  filtering,
  ports: {
    assignment: 'preserving',
    first: 1024,
    last: 65535,
    step: 1,
    parity: false,
    contiguity: false,
    overloading: filtering === APD,
    ...ports,
  },
  lifetime: { unrepliedMs: 30_000, streamMs: 120_000, refresh: 'both' },
  hairpinning: false,
  early: 'drop',
  addresses: 1,
  pooling: 'paired',
  ...rest,
})

/**
 * What the same box is to IPv6: a stateful firewall (RFC 6092) that filters as the NAT does, for as long, and translates
 * nothing. A naive router has no reason to take for its own what is for another host's address.
 */
export const withoutTranslation = (profile: NatProfile): NatProfile =>
  profile.kind === 'public' || profile.kind === 'blocked'
    ? profile
    : {
        ...profile,
        kind: 'firewall',
        mapping: EI,
        ports: { ...profile.ports, assignment: 'preserving' },
        hairpinning: false,
        early: profile.early === 'naive' ? 'drop' : profile.early,
        addresses: 1,
      }

const random = { assignment: 'random' } as const
const hashed = { assignment: 'hashed', first: 2000, last: 61_999 } as const

const all = [
  nat('none', EI, EI, {}, { kind: 'public' }),
  nat('fullcone', EI, EI),
  nat('restricted', EI, AD),
  nat('portrest', EI, APD),
  nat('eim-random', EI, APD, { ...random, last: 32_767 }),
  nat('adm', AD, AD, hashed),
  nat('adm-apdf', AD, APD, hashed),
  nat('symseq', APD, APD, { assignment: 'sequential', first: 40_000, last: 41_023 }),
  nat('symrand', APD, APD, random),
  nat('symrand-eif', APD, EI, random),
  nat('symrand-adf', APD, AD, random),
  nat('firewall', EI, APD, {}, { kind: 'firewall' }),
  nat('portrest-naive', EI, APD, {}, { early: 'naive' }),
  nat('blocked', EI, APD, {}, { kind: 'blocked' }),
] as const

export const profiles: ReadonlyMap<string, NatProfile> = new Map(all.map(profile => [profile.name, profile]))

export const profileNamed = (name: string): NatProfile => {
  const found = profiles.get(name)
  if (found) return found
  const names = [...profiles.keys()]
  const meant = nearest(name, names)
  const hint = meant === undefined ? '' : `did you mean ${meant}? `
  throw new StageError('usage', `no NAT profile ${JSON.stringify(name)}: ${hint}There are ${names.join(', ')}`)
}
