// Law: a box between two segments and nothing more: what it does with a datagram follows from its profile, its tables
// and the world's seed. Every datagram it drops is recorded with its name and the rule; so is every one it translates.
import { familyOf } from '../endpoint.ts'
import type { NatProfile } from '../nat-profile.ts'
import { type Mappings, createMappings } from './mappings.ts'
import type { Attachment, Box, Datagram, Segment } from './segment.ts'
import type { DropReason } from './trace.ts'

export type NatOptions = {
  readonly name: string
  readonly profile: NatProfile
  readonly inside: Segment
  /** Its own address in there. */
  readonly insideAddress: string
  readonly outside: Segment
  /** Its external addresses; of a firewall, those of the hosts behind it. */
  readonly outsideAddresses: readonly string[]
  /** Entries in a table. Default 65,536, as many as a Linux router has. */
  readonly most?: number | undefined
}

export type Nat = Box & {
  readonly profile: NatProfile
  readonly inside: Attachment
  readonly outside: Attachment
  readonly mappings: Mappings
}

/** Becomes the gateway of the segment inside, for the family of its address in there. */
export const createNat = ({ name, profile, most = 65_536, ...options }: NatOptions): Nat => {
  if (profile.kind === 'public') throw new RangeError(`${name}: a public host has no box`)
  const { world } = options.outside
  const mappings = createMappings({
    profile,
    addresses: options.outsideAddresses,
    random: world.random(`nat ${name}`),
    most,
  })

  const drop = (datagram: Datagram, reason: DropReason): void => world.trace.add('drop', name, datagram, reason)

  const forward = (before: Datagram, after: Datagram, to: Attachment, note?: 'port-taken'): void => {
    world.trace.add('forward', name, after, note, before)
    to.send(after)
  }

  // A router looks at the time to live before it translates: what dies here makes no mapping.
  const dies = (datagram: Datagram): boolean => {
    if (datagram.ttl > 1) return false
    drop(datagram, 'ttl')
    return true
  }

  const leave = (datagram: Datagram): void => {
    const isHairpin = outside.addresses.includes(datagram.to.address) && profile.kind === 'nat'
    if (inside.addresses.includes(datagram.to.address)) return drop(datagram, 'port-closed')
    if (isHairpin && !profile.hairpinning) return drop(datagram, 'hairpinning-off')
    if (dies(datagram)) return
    const leaving = mappings.outbound(datagram.from, datagram.to, world.now())
    if (typeof leaving === 'string') return drop(datagram, leaving)
    const { from, to, evaded } = leaving
    const after = { ...datagram, from, to, ttl: datagram.ttl - 1 }
    if (isHairpin) return turn(datagram, after)
    forward(datagram, after, outside, evaded ? 'port-taken' : undefined)
  }

  /** RFC 4787 REQ-9a: the host it is for sees the external source, so what filters the outside filters this. */
  const turn = (before: Datagram, after: Datagram): void => {
    const entering = mappings.inbound(after.to, after.from, world.now())
    if (typeof entering === 'string') drop(before, entering)
    else forward(before, { ...after, ...entering }, inside)
  }

  const enter = (datagram: Datagram): void => {
    const entering = mappings.inbound(datagram.to, datagram.from, world.now())
    if (typeof entering === 'string') {
      if (profile.early === 'naive') mappings.take(datagram.to, datagram.from, world.now())
      return drop(datagram, entering)
    }
    if (dies(datagram)) return
    forward(datagram, { ...datagram, ...entering, ttl: datagram.ttl - 1 }, inside)
  }

  const nat: Box = {
    name,
    receive(datagram, on) {
      if (profile.kind === 'blocked') drop(datagram, 'blocked')
      else if (on === inside) leave(datagram)
      else enter(datagram)
    },
  }
  const inside = options.inside.attach(nat, [options.insideAddress])
  const outside = options.outside.attach(nat, options.outsideAddresses)
  options.inside.gateways.set(familyOf(options.insideAddress), inside)
  return { ...nat, profile, inside, outside, mappings }
}
