// The lab's internet: a server with two addresses, a router `inet` in the middle, and Alice and Bob each behind what
// their profiles say. The addresses are those of the kernel lab, so that traces of both read alike.
import { type IpVersions, type NatProfile, withoutTranslation } from '../nat-profile.ts'
import type { SimHost } from '../sim/host.ts'
import type { LinkOptions } from '../sim/link.ts'
import { type Nat, createNat } from '../sim/nat.ts'
import type { Path, Segment } from '../sim/segment.ts'
import { type World, createWorld } from '../sim/world.ts'
import { serverAddresses } from '../server-addresses.ts'

type Link = Partial<LinkOptions>

export type TopologyOptions = {
  readonly seed: number | string
  /**
   * Default 4. Over IPv6 the box of a site is a firewall that filters as its NAT does, `fw-a` or `fw-b`, in front of a /64;
   * no provider has another one.
   */
  readonly ip?: IpVersions
  /** Ways across the internet, the same in both directions. Default: 10 ms each. */
  readonly ways?: { readonly aliceServer?: Link; readonly bobServer?: Link; readonly aliceBob?: Link }
  /** The links within a LAN. Default: perfect, no delay. */
  readonly lan?: Link
  /** Behind each NAT's outside, one more: the provider's. */
  readonly cgnA?: NatProfile
  readonly cgnB?: NatProfile
  /** `nat`: Bob is in Alice's LAN. `cgn`: Bob's NAT is a customer of Alice's provider. Bob's other profiles are unused. */
  readonly shared?: 'nat' | 'cgn'
  /** Routers on the internet between any two. Default 1. */
  readonly hops?: number
  /** As of a world. */
  readonly trace?: boolean | number
  /** Entries in a table of a NAT. */
  readonly most?: number
}

export type Topology = {
  readonly world: World
  readonly server: SimHost
  readonly alice: SimHost
  readonly bob: SimHost
  /** By name: `nat-a`, `nat-b`, `cgn-a`, `cgn-b`, `fw-a`, `fw-b`, as far as they are there. */
  readonly nats: ReadonlyMap<string, Nat>
  /** Alice, Bob and the server. */
  readonly hosts: readonly SimHost[]
}

const sides = {
  a: {
    host: 'alice',
    wan: '198.51.100.',
    lan: '10.1.0.',
    customer: '100.64.0.2',
    wan6: '2001:db8:a::',
    lan6: '2001:db8:a:1::',
  },
  b: {
    host: 'bob',
    wan: '192.0.2.',
    lan: '10.2.0.',
    customer: '100.64.0.3',
    wan6: '2001:db8:b::',
    lan6: '2001:db8:b:1::',
  },
} as const
type Side = keyof typeof sides

/** Where a host is, and its addresses there. */
type Seat = { readonly segment: Segment; readonly addresses: readonly string[] }

export const createTopology = (profileA: NatProfile, profileB: NatProfile, options: TopologyOptions): Topology => {
  const { seed, ip = '4', lan, cgnA, cgnB, shared, hops = 1, trace, most } = options
  const world = createWorld({ seed, hops, trace, path: pathOf(options) })
  const nats = new Map<string, Nat>()

  const join = (
    name: string,
    profile: NatProfile,
    outside: Segment,
    outsideAddresses: readonly string[],
    insideAddress: string,
    inside = world.segment({ name: `behind ${name}`, link: lan }),
  ) => {
    nats.set(name, createNat({ name, profile, inside, insideAddress, outside, outsideAddresses, most }))
    return inside
  }

  /** The segment that a customer is on, the provider's or the internet, and the addresses he has there. */
  const access = (side: Side, cgn: NatProfile | undefined, count: number): [Segment, string[]] => {
    const { wan, customer } = sides[side]
    if (!cgn) return [world.internet, addresses(wan, count)]
    const name = `cgn-${shared === 'cgn' ? 'a' : side}`
    const inside =
      nats.get(name)?.inside.segment ?? join(name, cgn, world.internet, addresses(wan, cgn.addresses), '100.64.0.1')
    return [inside, [customer]]
  }

  const seat4 = (side: Side, profile: NatProfile, cgn: NatProfile | undefined): Seat => {
    const prefix = sides[side].lan
    const [outside, own] = access(side, cgn, profile.addresses)
    if (profile.kind === 'public') return { segment: outside, addresses: own }
    const segment = join(`nat-${side}`, profile, outside, own, `${prefix}1`)
    return { segment, addresses: profile.kind === 'firewall' ? own : [`${prefix}2`] }
  }

  /** In the same network as over IPv4, if there is IPv4. */
  const seat6 = (side: Side, profile: NatProfile, at: Segment = world.internet): Seat => {
    const { wan6, lan6 } = sides[side]
    if (profile.kind === 'public') {
      if (at !== world.internet) throw new RangeError(`no IPv6 for a host of ${at.name} that has no box of its own`)
      return { segment: at, addresses: [`${wan6}2`] }
    }
    const behind = [`${lan6}2`, ...(shared === 'nat' ? [`${lan6}3`] : [])]
    const inside = at === world.internet ? undefined : at
    const name = `fw-${side}`
    const segment = join(name, withoutTranslation(profile), world.internet, behind, `${lan6}1`, inside)
    return { segment, addresses: behind.slice(0, 1) }
  }

  const settle = (side: Side, profile: NatProfile, cgn: NatProfile | undefined): SimHost => {
    const four = ip === '6' ? undefined : seat4(side, profile, cgn)
    const six = ip === '4' ? undefined : seat6(side, profile, four?.segment)
    const segment = six?.segment ?? four?.segment ?? world.internet
    const own = [...(four?.addresses ?? []), ...(six?.addresses ?? [])]
    return world.host({ name: sides[side].host, addresses: own, segment })
  }

  /** Bob in Alice's LAN. */
  const settleNeighbour = (): SimHost => {
    const home = (nats.get('nat-a') ?? nats.get('fw-a'))?.inside.segment
    if (!home) throw new RangeError(`no NAT to share: Alice is ${profileA.name}`)
    const { lan, lan6 } = sides.a
    const own = [...(ip === '6' ? [] : [`${lan}3`]), ...(ip === '4' ? [] : [`${lan6}3`])]
    return world.host({ name: 'bob', addresses: own, segment: home })
  }

  const server = world.host({ name: 'server', addresses: serverAddresses[ip] })
  const alice = settle('a', profileA, cgnA)
  const bob = shared === 'nat' ? settleNeighbour() : settle('b', profileB, shared === 'cgn' ? cgnA : cgnB)
  return { world, server, alice, bob, nats, hosts: [server, alice, bob] }
}

const addresses = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i + 2}`)

/** Who is at the outer end of each side: the host itself, its NAT, or its provider's. */
const sideOf = (name: string): 'server' | Side =>
  name === 'server' ? name : name === 'bob' || name.endsWith('-b') ? 'b' : 'a'

const pathOf = ({ ways = {} }: TopologyOptions): Path => {
  const byEnds: Record<string, Link | undefined> = {
    'a server': ways.aliceServer,
    'b server': ways.bobServer,
    'a b': ways.aliceBob,
  }
  return (from, to) => byEnds[[sideOf(from.name), sideOf(to.name)].sort().join(' ')] ?? { latencyMs: 10 }
}
