// Law: pure. The forms that the value of an attribute can have, each both ways and for people.
import { type Endpoint, addressFromBytes, formatEndpoint, writeAddress } from '../../endpoint.ts'
import { decodeUtf8, writeUtf8 } from '../../utf8.ts'
import { hex } from '../../hex.ts'
import { putUint16, putUint32, uint16, uint32, viewOf } from './bytes.ts'

/** `bytes` is the whole message, as its header takes part in XORed addresses; the value begins at `at`. */
export type Form<Value> = {
  /** Undefined where the bytes are no such value; `length` bytes are there. */
  read(bytes: Uint8Array, at: number, length: number): Value | undefined
  /** Where the value ends. */
  write(bytes: Uint8Array, at: number, value: Value): number
  show(value: Value): string
}

const [ipv4, ipv6] = [1, 2] // RFC 8489 s.14.1

/** `own` bytes XORed with the message's: the magic cookie, then the transaction id (RFC 8489 s.14.2). */
const mask = (own: Uint8Array, at: number, length: number, message: Uint8Array): void => {
  for (let i = 0; i < length; i++) own[at + i] = (own[at + i] ?? 0) ^ (message[4 + i] ?? 0)
}

/** Nothing can be sent to port 0, so it makes no endpoint. */
const addressForm = (xored: boolean): Form<Endpoint> => ({
  read(bytes, at, length) {
    const family = bytes[at + 1]
    if (!(family === ipv4 && length === 8) && !(family === ipv6 && length === 20)) return undefined
    const own = Uint8Array.from(viewOf(bytes, at + 2, length - 2))
    if (xored) {
      mask(own, 0, 2, bytes)
      mask(own, 2, length - 4, bytes)
    }
    const port = uint16(own, 0)
    const address = addressFromBytes(own.subarray(2))
    return port === 0 || address === undefined ? undefined : { address, port }
  },
  write(bytes, at, { address, port }) {
    const length = writeAddress(address, bytes, at + 4)
    putUint16(bytes, at, length === 4 ? ipv4 : ipv6)
    putUint16(bytes, at + 2, port)
    if (xored) {
      mask(bytes, at + 2, 2, bytes)
      mask(bytes, at + 4, length, bytes)
    }
    return at + 4 + length
  },
  show: formatEndpoint,
})

export const plainAddress = addressForm(false)
export const xorAddress = addressForm(true)

/** UTF-8, at most so many bytes. */
export const text = (most: number): Form<string> => ({
  read: (bytes, at, length) => (length <= most ? decodeUtf8(viewOf(bytes, at, length)) : undefined),
  write: (bytes, at, value) => writeUtf8(value, bytes, at),
  show: value => JSON.stringify(value),
})

/** From `least` to `most` bytes, in steps of 4. */
export const opaque = (least: number, most = least): Form<Uint8Array> => ({
  read: (bytes, at, length) =>
    length >= least && length <= most && length % 4 === 0 ? viewOf(bytes, at, length) : undefined,
  write(bytes, at, value) {
    bytes.set(value, at)
    return at + value.length
  },
  show: hex,
})

export const number32: Form<number> = {
  read: (bytes, at, length) => (length === 4 ? uint32(bytes, at) : undefined),
  write(bytes, at, value) {
    putUint32(bytes, at, value)
    return at + 4
  },
  show: String,
}

export const number64: Form<bigint> = {
  read: (bytes, at, length) =>
    length === 8 ? (BigInt(uint32(bytes, at)) << 32n) | BigInt(uint32(bytes, at + 4)) : undefined,
  write(bytes, at, value) {
    putUint32(bytes, at, Number(value >> 32n))
    putUint32(bytes, at + 4, Number(value & 0xffff_ffffn))
    return at + 8
  },
  show: String,
}

/** It is there, and says no more. */
export const flag: Form<true> = {
  read: (_bytes, _at, length) => (length === 0 ? true : undefined),
  write: (_bytes, at) => at,
  show: () => 'yes',
}

/** The two bytes that follow a port are padding to some (coturn) and a part of the value to others: RFC 5780 s.7.5. */
export const portNumber: Form<number> = {
  read: (bytes, at, length) => (length === 2 || length === 4 ? uint16(bytes, at) : undefined),
  write(bytes, at, value) {
    putUint16(bytes, at, value)
    return at + 2
  },
  show: String,
}

/** So many bytes that say nothing. */
export const filler: Form<number> = {
  read: (_bytes, _at, length) => length,
  write(bytes, at, value) {
    bytes.fill(0, at, at + value)
    return at + value
  },
  show: value => `${value} bytes`,
}

export const typeList: Form<readonly number[]> = {
  read: (bytes, at, length) =>
    length % 2 === 0 ? Array.from({ length: length / 2 }, (_, i) => uint16(bytes, at + 2 * i)) : undefined,
  write(bytes, at, value) {
    for (const [i, type] of value.entries()) putUint16(bytes, at + 2 * i, type)
    return at + 2 * value.length
  },
  show: value => value.map(showType).join(' '),
}

export const showType = (type: number): string => `0x${type.toString(16).padStart(4, '0')}`

export type StunError = { readonly code: number; readonly reason: string }

/** The hundreds in one byte, the rest in the next, then the reason (RFC 8489 s.14.8). */
export const errorCode = (most: number): Form<StunError> => {
  const phrase = text(most)
  return {
    read(bytes, at, length) {
      if (length < 4) return undefined
      const hundreds = (bytes[at + 2] ?? 0) & 7
      const rest = bytes[at + 3] ?? 0
      const reason = phrase.read(bytes, at + 4, length - 4)
      if (hundreds < 3 || hundreds > 6 || rest > 99 || reason === undefined) return undefined
      return { code: hundreds * 100 + rest, reason }
    },
    write(bytes, at, { code, reason }) {
      putUint16(bytes, at, 0)
      putUint16(bytes, at + 2, (Math.trunc(code / 100) << 8) | (code % 100))
      return phrase.write(bytes, at + 4, reason)
    },
    show: ({ code, reason }) => `${code} ${phrase.show(reason)}`,
  }
}

/** From which other endpoint the answer is to come. */
export type Change = { readonly ip: boolean; readonly port: boolean }

const [changeIp, changePort] = [4, 2] // RFC 5780 s.7.2

export const change: Form<Change> = {
  read(bytes, at, length) {
    if (length !== 4) return undefined
    const flags = uint32(bytes, at)
    return { ip: (flags & changeIp) !== 0, port: (flags & changePort) !== 0 }
  },
  write(bytes, at, { ip, port }) {
    putUint32(bytes, at, (ip ? changeIp : 0) | (port ? changePort : 0))
    return at + 4
  },
  show: ({ ip, port }) => [ip && 'ip', port && 'port'].filter(Boolean).join('+') || 'nothing',
}
