// Law: pure. Records as a pcapng file (draft-ietf-opsawg-pcapng) that Wireshark opens: an interface for each box, each packet
// as it was there, translated ones as they came and as they left, and the rule in a comment where one was dropped.
import type { TraceRecord } from '../sim/trace.ts'
import { encodeUtf8 as utf8 } from '../utf8.ts'
import { packetOf } from './packet.ts'

export type Captured = TraceRecord & { readonly bytes: Uint8Array }

const blocks = { section: 0x0a0d0d0a, interface: 1, packet: 6 } as const
const options = { end: 0, comment: 1, interfaceName: 2, flags: 2 } as const
const rawIp = 101 // LINKTYPE_RAW
const byteOrderMagic = 0x1a2b3c4d
const inbound = 1
const outbound = 2

export const pcapOf = (records: readonly Captured[]): Uint8Array => {
  const boxes = [...new Set(records.map(({ box }) => box))]
  const parts = [
    block(blocks.section, [
      ...long(byteOrderMagic),
      ...short(1),
      ...short(0),
      ...long(0xffffffff),
      ...long(0xffffffff),
    ]),
    ...boxes.map(box =>
      block(blocks.interface, [
        ...short(rawIp),
        ...short(0),
        ...long(0),
        ...option(options.interfaceName, utf8(box)),
        ...long(0),
      ]),
    ),
    ...records.flatMap(record => packets(record, boxes.indexOf(record.box))),
  ]
  const file = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    file.set(part, at)
    at += part.length
  }
  return file
}

/** What is forwarded was there twice: as it came, and as it left. */
const packets = (record: Captured, interfaceId: number): Uint8Array[] => {
  const { kind, id, from, to, before, bytes, timeMs, reason } = record
  const seen = (source: typeof from, destination: typeof to, direction: number): Uint8Array =>
    packet(interfaceId, timeMs, packetOf(source, destination, bytes, id), direction, reason && `${kind}: ${reason}`)
  if (kind === 'send') return [seen(from, to, outbound)]
  if (kind !== 'forward') return [seen(from, to, inbound)]
  return [seen(before?.from ?? from, before?.to ?? to, inbound), seen(from, to, outbound)]
}

const packet = (
  interfaceId: number,
  timeMs: number,
  bytes: Uint8Array,
  direction: number,
  comment: string | undefined,
): Uint8Array => {
  const us = Math.round(timeMs * 1000)
  return block(blocks.packet, [
    ...long(interfaceId),
    ...long(Math.floor(us / 2 ** 32)),
    ...long(us),
    ...long(bytes.length),
    ...long(bytes.length),
    ...padded(bytes),
    ...(comment === undefined ? [] : option(options.comment, utf8(comment))),
    ...option(options.flags, long(direction)),
    ...long(options.end),
  ])
}

const block = (type: number, body: readonly number[]): Uint8Array => {
  const length = long(12 + body.length)
  return Uint8Array.from([...long(type), ...length, ...body, ...length])
}

const option = (code: number, value: ArrayLike<number>): number[] => [
  ...short(code),
  ...short(value.length),
  ...padded(value),
]

const padded = (bytes: ArrayLike<number>): number[] => [
  ...Array.from(bytes),
  ...Array<number>((4 - (bytes.length % 4)) % 4).fill(0),
]

const short = (value: number): number[] => [value & 255, (value >>> 8) & 255]
const long = (value: number): number[] => [...short(value), ...short(Math.floor(value / 0x10000))]
