// Law: no hosts, no sockets. A segment is one network, the internet or a LAN, that carries datagrams between the boxes
// attached to it: hosts, and boxes with a foot in two segments that translate between them.
import { type Endpoint, type Family, familyOf, isCanonical } from '../endpoint.ts'
import { copyDelays, perfectLink, type LinkOptions } from './link.ts'
import type { Random } from './random.ts'
import type { TcpPart } from './tcp-end.ts'
import type { DropReason } from './trace.ts'
import type { World } from './world.ts'

export type Datagram = {
  /** The number it got from the host that sent it. */
  readonly id: number
  readonly from: Endpoint
  readonly to: Endpoint
  readonly bytes: Uint8Array
  readonly ttl: number
  /** Where it is part of a stream. */
  readonly tcp?: TcpPart
}

export interface Box {
  readonly name: string
  /** A datagram arrived. `on` tells a box with several attachments where. */
  receive(datagram: Datagram, on: Attachment): void
}

/** Link options for one direction between two attachments; undefined leaves it to their own links. */
export type Path = (from: Attachment, to: Attachment) => Partial<LinkOptions> | undefined

export type SegmentOptions = {
  /** Unique in its world. */
  name: string
  /** What attachments have unless they say otherwise. Default: a perfect link, no delay. */
  link?: Partial<LinkOptions> | undefined
  /** Replaces the links of both ends, for the pairs it knows; what it leaves unset is 0. */
  path?: Path | undefined
  /** Routers between any two attachments, each of which takes one from the time to live. Default 0. */
  hops?: number | undefined
}

/** A box's foot in a segment. Everything a run may change is a plain field. */
export class Attachment {
  readonly box: Box
  readonly segment: Segment
  readonly addresses: readonly string[]
  /** The access link, the same in both directions. */
  readonly link: LinkOptions
  online = true
  attached = true
  /** Names the random streams of its link, or of a path from or to it. */
  readonly label: string
  readonly up: Random
  readonly down: Random

  constructor(box: Box, segment: Segment, addresses: readonly string[], link: LinkOptions) {
    this.box = box
    this.segment = segment
    this.addresses = addresses
    this.link = link
    this.label = `${segment.name} ${addresses[0] ?? box.name}`
    this.up = segment.world.random(`up ${this.label}`)
    this.down = segment.world.random(`down ${this.label}`)
  }

  get name(): string {
    return this.box.name
  }

  /** `datagram.bytes` belong to the network from here on. */
  send(datagram: Datagram): void {
    this.segment.carry(datagram, this)
  }

  /** What is in flight to it is lost; its addresses are free. */
  detach(): void {
    this.segment.detach(this)
  }
}

export class Segment {
  readonly world: World
  readonly name: string
  readonly hops: number
  readonly #link: LinkOptions
  readonly #path: Path | undefined
  readonly #byAddress = new Map<string, Attachment>()
  /** Of each address family, who gets what is for no address of this segment. */
  readonly gateways = new Map<Family, Attachment>()

  constructor(world: World, { name, link, path, hops = 0 }: SegmentOptions) {
    this.world = world
    this.name = name
    this.hops = hops
    this.#link = { ...perfectLink, ...link }
    this.#path = path
  }

  attach(box: Box, addresses: readonly string[], link?: Partial<LinkOptions>): Attachment {
    for (const address of addresses) {
      if (!isCanonical(address)) throw new RangeError(`${box.name}: ${address} is no canonical IP address`)
      if (this.#byAddress.has(address)) throw new RangeError(`${box.name}: ${address} is taken on ${this.name}`)
    }
    const attachment = new Attachment(box, this, [...addresses], { ...this.#link, ...link })
    for (const address of addresses) this.#byAddress.set(address, attachment)
    return attachment
  }

  detach(attachment: Attachment): void {
    attachment.attached = false
    for (const address of attachment.addresses) {
      if (this.#byAddress.get(address) === attachment) this.#byAddress.delete(address)
    }
    for (const [family, gateway] of this.gateways) if (gateway === attachment) this.gateways.delete(family)
  }

  carry(datagram: Datagram, from: Attachment): void {
    const to = this.#byAddress.get(datagram.to.address) ?? this.gateways.get(familyOf(datagram.to.address))
    if (!from.online) return this.#drop(datagram, from, 'offline')
    if (!from.attached || !to || to === from) return this.#drop(datagram, from, 'no-such-address')
    // It dies at a router in between, not at the box that sent it.
    if (datagram.ttl <= this.hops) return this.#drop(datagram, this, 'ttl')
    const arriving = this.hops === 0 ? datagram : { ...datagram, ttl: datagram.ttl - this.hops }
    const delays = this.#delays(datagram, from, to)
    for (let copy = 0; copy < delays.length; copy++) {
      // A receiver owns its bytes and may write on them, so every copy but the first needs its own.
      const own = copy === 0 ? arriving : { ...arriving, bytes: new Uint8Array(arriving.bytes) }
      this.world.after(delays[copy] ?? 0, () => this.#arrive(own, to))
    }
  }

  #delays(datagram: Datagram, from: Attachment, to: Attachment): number[] {
    const path = this.#path?.(from, to)
    if (path) {
      const delays = copyDelays(path, this.world.random(`path ${from.label} > ${to.label}`))
      if (delays.length === 0) this.#drop(datagram, from, 'loss')
      return delays
    }
    const upDelays = copyDelays(from.link, from.up)
    if (upDelays.length === 0) this.#drop(datagram, from, 'loss')
    const delays: number[] = []
    for (const upMs of upDelays) {
      const downDelays = copyDelays(to.link, to.down)
      if (downDelays.length === 0) this.#drop(datagram, to, 'loss')
      for (const downMs of downDelays) delays.push(upMs + downMs)
    }
    return delays
  }

  #arrive(datagram: Datagram, to: Attachment): void {
    if (!to.attached) return this.#drop(datagram, to, 'no-such-address')
    if (!to.online) return this.#drop(datagram, to, 'offline')
    to.box.receive(datagram, to)
  }

  #drop(datagram: Datagram, at: { readonly name: string }, reason: DropReason): void {
    this.world.trace.add('drop', at.name, datagram, reason)
  }
}
