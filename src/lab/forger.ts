// Somebody who can claim any source address, and what a host sends to whom: the two sides of every attack in a world.
import type { Endpoint } from '../endpoint.ts'
import type { SimHost } from '../sim/host.ts'
import { type Stage, port, serverAddress } from './stage.ts'

export const serverEndpoint: Endpoint = { address: serverAddress, port }

export const words = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Far from the numbers that hosts count their datagrams with. */
const firstId = 2 ** 40

export type Forge = (bytes: Uint8Array, from: Endpoint, to?: Endpoint) => void

export const createForger = ({ world }: Stage): Forge => {
  const at = world.internet.attach({ name: 'forger', receive() {} }, ['198.51.100.250'])
  let id = firstId
  return (bytes, from, to = serverEndpoint) => at.send({ id: id++, from, to, bytes, ttl: 64 })
}

/** Tells of everything that the sockets of a host send from now on; to be called before they are opened. */
export const overhear = (host: SimHost, heard: (bytes: Uint8Array, to: Endpoint) => void): void => {
  const udp = host.udp.bind(host)
  host.udp = at => {
    const socket = udp(at)
    const send = socket.send.bind(socket)
    socket.send = (bytes, to, options) => {
      heard(bytes, to)
      send(bytes, to, options)
    }
    return socket
  }
}
