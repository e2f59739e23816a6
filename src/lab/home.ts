// A host behind a NAT of its own, in any world: for tests of other people's protocols.
import { familyOf } from '../endpoint.ts'
import { type NatProfile, profileNamed } from '../nat-profile.ts'
import type { SimHost } from '../sim/host.ts'
import { type Nat, createNat } from '../sim/nat.ts'
import type { Segment } from '../sim/segment.ts'
import type { World } from '../sim/world.ts'

export type HomeOptions = {
  readonly name: string
  /** A profile, or the name of one. */
  readonly nat: NatProfile | string
  /** The NAT's address on the internet; where there is no NAT, or only a firewall, the host's own. */
  readonly address: string
  /** Behind another NAT: its inside. Default: the internet. */
  readonly on?: Segment
}

/** `inside`: where others of the same LAN are attached, or who is behind this one too. */
export type Home = { readonly host: SimHost; readonly nat: Nat | undefined; readonly inside: Segment }

export const hostBehind = (world: World, { name, nat, address, on = world.internet }: HomeOptions): Home => {
  const profile = typeof nat === 'string' ? profileNamed(nat) : nat
  if (profile.kind === 'public') return { host: world.host({ name, address, segment: on }), nat: undefined, inside: on }
  const inside = world.segment({ name: `behind ${name}'s NAT` })
  const box = createNat({
    name: `nat-${name}`,
    profile,
    inside,
    insideAddress: familyOf(address) === 4 ? '192.168.0.1' : 'fd00::1',
    outside: on,
    outsideAddresses: [address],
  })
  const own = profile.kind === 'firewall' ? address : '192.168.0.2'
  return { host: world.host({ name, address: own, segment: inside }), nat: box, inside }
}
