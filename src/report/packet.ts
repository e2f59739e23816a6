// Law: pure. A datagram as it would be on a wire: IPv4 or IPv6 and UDP headers, with their checksums (RFC 791, 768, 8200).
import { type Endpoint, addressToBytes, familyOf } from '../endpoint.ts'

const udp = 17
const hopLimit = 64

export const packetOf = (from: Endpoint, to: Endpoint, payload: Uint8Array, id: number): Uint8Array => {
  const datagram = datagramOf(from, to, payload)
  const addresses = [...addressToBytes(from.address), ...addressToBytes(to.address)]
  const is4 = familyOf(from.address) === 4
  const head = is4
    ? [0x45, 0, ...word(20 + datagram.length), ...word(id), 0x40, 0, hopLimit, udp, 0, 0, ...addresses]
    : [0x60, 0, 0, 0, ...word(datagram.length), udp, hopLimit, ...addresses]
  if (is4) head.splice(10, 2, ...word(checksum(head)))
  const packet = new Uint8Array(head.length + datagram.length)
  packet.set(head)
  packet.set(datagram, head.length)
  return packet
}

const datagramOf = (from: Endpoint, to: Endpoint, payload: Uint8Array): Uint8Array => {
  const length = 8 + payload.length
  const datagram = new Uint8Array(length)
  datagram.set([...word(from.port), ...word(to.port), ...word(length), 0, 0])
  datagram.set(payload, 8)
  const pseudo = [...addressToBytes(from.address), ...addressToBytes(to.address), ...word(udp), ...word(length)]
  // 0 would say that there is none (RFC 768).
  datagram.set(word(checksum(pseudo, datagram) || 0xffff), 6)
  return datagram
}

/** The ones' complement sum of RFC 1071. All parts but the last are of even length. */
export const checksum = (...parts: readonly ArrayLike<number>[]): number => {
  let sum = 0
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) sum += ((part[i] ?? 0) << 8) | (part[i + 1] ?? 0)
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}

const word = (value: number): number[] => [(value >> 8) & 255, value & 255]
