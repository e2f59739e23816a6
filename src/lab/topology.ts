// The lab's internet: a server with two addresses, a router `inet` in the middle, and Alice and Bob each behind what
// their profiles say. The addresses are those of the kernel lab, so that traces of both read alike.
import type { NatProfile } from '../nat-profile.ts'
import type { SimHost } from '../sim/host.ts'
import type { LinkOptions } from '../sim/link.ts'
import { type Nat, createNat } from '../sim/nat.ts'
import type { Path, Segment } from '../sim/segment.ts'
import { type World, createWorld } from '../sim/world.ts'
import { secondServerAddress, serverAddress } from './stage.ts'

type Link = Partial<LinkOptions>

export type TopologyOptions = {
  readonly seed: number | string
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
  /** By name: `nat-a`, `nat-b`, `cgn-a`, `cgn-b`, as far as they are there. */
  readonly nats: ReadonlyMap<string, Nat>
  /** Alice, Bob and the server. */
  readonly hosts: readonly SimHost[]
}

const sides = {
  a: { host: 'alice', wan: '198.51.100.', lan: '10.1.0.', customer: '100.64.0.2' },
  b: { host: 'bob', wan: '192.0.2.', lan: '10.2.0.', customer: '100.64.0.3' },
} as const
type Side = keyof typeof sides

export const createTopology = (profileA: NatProfile, profileB: NatProfile, options: TopologyOptions): Topology => {
  const { seed, lan, cgnA, cgnB, shared, hops = 1, trace, most } = options
  const world = createWorld({ seed, hops, trace, path: pathOf(options) })
  const nats = new Map<string, Nat>()

  const join = (
    name: string,
    profile: NatProfile,
    outside: Segment,
    outsideAddresses: string[],
    insideAddress: string,
  ) => {
    const inside = world.segment({ name: `behind ${name}`, link: lan })
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

  const settle = (side: Side, profile: NatProfile, cgn: NatProfile | undefined): SimHost => {
    const { host: name, lan: prefix } = sides[side]
    const [outside, own] = access(side, cgn, profile.addresses)
    if (profile.kind === 'public') return world.host({ name, addresses: own, segment: outside })
    const inside = join(`nat-${side}`, profile, outside, own, `${prefix}1`)
    const isNat = profile.kind !== 'firewall'
    return world.host({ name, addresses: isNat ? [`${prefix}2`] : own, segment: inside })
  }

  const server = world.host({ name: 'server', addresses: [serverAddress, secondServerAddress] })
  const alice = settle('a', profileA, cgnA)
  const home = nats.get('nat-a')?.inside.segment
  if (shared === 'nat' && !home) throw new RangeError(`no NAT to share: Alice is ${profileA.name}`)
  const bob =
    home && shared === 'nat'
      ? world.host({ name: 'bob', address: `${sides.a.lan}3`, segment: home })
      : settle('b', profileB, shared === 'cgn' ? cgnA : cgnB)
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
