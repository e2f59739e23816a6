// Law: pure. Networks in CIDR notation (RFC 4632, RFC 4291 s.2.3).
import { addressToBytes, familyOf, parseAddress } from './endpoint.ts'

export type Network = { readonly bytes: readonly number[]; readonly bits: number }

/** `192.0.2.0/24`, `2001:db8::/32`, or one address; undefined for anything else. */
export const parseNetwork = (text: string): Network | undefined => {
  const [spelled = '', length, ...more] = text.split('/')
  const address = parseAddress(spelled)
  if (address === undefined || more.length > 0) return undefined
  const longest = familyOf(address) === 4 ? 32 : 128
  const bits = length === undefined ? longest : /^\d{1,3}$/.test(length) ? Number(length) : Infinity
  return bits <= longest ? { bytes: addressToBytes(address), bits } : undefined
}

export const isWithin = (address: string, { bytes, bits }: Network): boolean => {
  const own = addressToBytes(address)
  if (own.length !== bytes.length) return false
  for (let i = 0; i * 8 < bits; i++) {
    const mask = 0xff & (0xff << Math.max(0, 8 - (bits - i * 8)))
    if (((own[i] ?? 0) & mask) !== ((bytes[i] ?? 0) & mask)) return false
  }
  return true
}
