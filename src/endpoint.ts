// Law: pure, and without imports, so that it runs in a browser too. An endpoint is an IP address in its canonical spelling and a UDP or TCP port; nothing here resolves names.
const [dot, colon, zero, nine] = [46, 58, 48, 57]

export type Endpoint = { readonly address: string; readonly port: number }
export type Family = 4 | 6

/** Where an address may be used. `global` includes the documentation ranges and 100.64/10, which labs use as the Internet. */
export type AddressClass = 'unspecified' | 'loopback' | 'private' | 'link-local' | 'multicast' | 'broadcast' | 'global'

export const sameEndpoint = (a: Endpoint, b: Endpoint): boolean => a.port === b.port && a.address === b.address

/** A Map key for an endpoint. */
export const endpointKey = ({ address, port }: Endpoint): string => `${address}|${port}`

/** For people: `192.0.2.1:5000`, `[2001:db8::1]:5000` (RFC 5952 s.6). */
export const formatEndpoint = ({ address, port }: Endpoint): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`

/** A group of an IPv6 address has at most 4 digits. Not `includes`: this is asked several times of every datagram. */
export const familyOf = (address: string): Family => {
  for (let i = 0; i < 5; i++) if (address.charCodeAt(i) === colon) return 6
  return 4
}

/** Whether the second endpoint is of use to who is seen at the first: one that came over IPv4 may have no IPv6. */
export const canReach = (from: Endpoint, to: Endpoint): boolean =>
  familyOf(from.address) === 6 || familyOf(to.address) === 4

/**
 * The canonical spelling of an IP address, or undefined. An IPv4-mapped IPv6 address becomes its IPv4 address, as a
 * dual-stack socket shows one client under both. Spellings that only a resolver accepts (`127.66`, `0x7f.0.0.1`,
 * `2130706433`, zone identifiers) are refused: `send` would happily resolve them to somewhere else.
 */
export const parseAddress = (text: string): string | undefined => {
  if (ipv4.test(text)) return text
  const groups = parseIPv6(text)
  return groups && spell(groups)
}

/** Eight groups as text; those of a mapped IPv4 address as that. */
const spell = (groups: readonly number[]): string => {
  const [high = 0, low = 0] = groups.slice(6)
  const isMapped = groups[5] === 0xffff && groups.slice(0, 5).every(group => group === 0)
  return isMapped ? [high >> 8, high & 255, low >> 8, low & 255].join('.') : formatIPv6(groups)
}

const byte = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const ipv4 = new RegExp(`^${byte}(?:\\.${byte}){3}$`)

/** An IP address in the one spelling that the house uses. */
export const isCanonical = (text: string): boolean => parseAddress(text) === text

/** `classifyAddress(address) === 'loopback'`, for where it is asked at every datagram. */
export const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1'

/** Every address of a family, as a socket is bound to it. */
export const isWildcard = (address: string): boolean => address === '0.0.0.0' || address === '::'

const portPattern = /^[1-9]\d{0,4}$/

/** A port that a datagram can be sent to: 1 to 65535, no sign, no leading zero. */
export const parsePort = (text: string): number | undefined => {
  if (!portPattern.test(text)) return undefined
  const port = Number(text)
  return port <= 65535 ? port : undefined
}

/** `192.0.2.1:5000` or `[2001:db8::1]:5000`; only canonical spellings, only ports that a datagram can be sent to. */
export const parseEndpoint = (text: string): Endpoint | undefined => {
  // Bounded: it is asked about bytes from the wire, and a backtracking pattern would let them stop the program.
  const match = /^(?:\[([\da-f:.]{2,45})\]|([\d.]{7,15})):(\d{1,5})$/.exec(text)
  if (!match || match[1]?.includes(':') === false) return undefined
  const spelled = match[1] ?? match[2] ?? ''
  const address = parseAddress(spelled)
  const port = parsePort(match[3] ?? '')
  if (address === undefined || address !== spelled || port === undefined) return undefined
  return { address, port }
}

export const classifyAddress = (address: string): AddressClass =>
  familyOf(address) === 4 ? classify4(address) : classify6(address)

const classify4 = (address: string): AddressClass => {
  const [a = 0, b = 0] = address.split('.', 2).map(Number)
  if (a === 0) return 'unspecified'
  if (a === 127) return 'loopback'
  if (address === '255.255.255.255') return 'broadcast'
  if (a >= 224) return 'multicast' // 240/4 is reserved and no more a place to send to than multicast is
  if (a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168)) return 'private'
  if (a === 169 && b === 254) return 'link-local'
  return 'global'
}

const classify6 = (address: string): AddressClass => {
  if (address === '::') return 'unspecified'
  if (address === '::1') return 'loopback'
  const first = parseInt(address.split(':', 1)[0] || '0', 16)
  if ((first & 0xff00) === 0xff00) return 'multicast'
  if ((first & 0xffc0) === 0xfe80) return 'link-local'
  if ((first & 0xfe00) === 0xfc00) return 'private' // unique local, RFC 4193
  return 'global'
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups as `::`. */
const formatIPv6 = (groups: readonly number[]): string => {
  const run = longestZeroRun(groups)
  const hex = groups.map(group => group.toString(16))
  if (run.length < 2) return hex.join(':')
  return `${hex.slice(0, run.start).join(':')}::${hex.slice(run.start + run.length).join(':')}`
}

/** Eight groups, or undefined; the last two may be written as an IPv4 address (RFC 4291 s.2.2). */
const parseIPv6 = (text: string): number[] | undefined => {
  const dotted = /^(.*:)([\d.]+)$/s.exec(text)
  const [prefix, last] = dotted?.[2]?.includes('.') ? [dotted[1] ?? '', dotted[2]] : [text, undefined]
  if (last !== undefined && !ipv4.test(last)) return undefined
  const [a = 0, b = 0, c = 0, d = 0] = last?.split('.').map(Number) ?? []
  const hex = last === undefined ? text : `${prefix}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  const [head = '', tail, ...more] = hex.split('::')
  if (more.length > 0) return undefined
  const left = head === '' && tail !== undefined ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing = 8 - left.length - right.length
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  const groups = [...left, ...Array<string>(missing).fill('0'), ...right]
  return groups.every(group => /^[\da-f]{1,4}$/i.test(group)) ? groups.map(group => parseInt(group, 16)) : undefined
}

/** 4 or 16 bytes, in network order, of a canonical address. */
export const addressToBytes = (address: string): number[] => {
  const bytes = Array<number>(familyOf(address) === 4 ? 4 : 16).fill(0)
  writeAddress(address, bytes, 0)
  return bytes
}

/** Writes the bytes of a canonical address and says how many they are; allocates nothing, for each STUN answer does it. */
export const writeAddress = (address: string, into: Uint8Array | number[], at: number): 4 | 16 =>
  familyOf(address) === 4 ? writeIPv4(address, into, at) : writeIPv6(address, into, at)

const writeIPv4 = (address: string, into: Uint8Array | number[], at: number): 4 => {
  let value = 0
  for (let i = 0; i < address.length; i++) {
    const unit = address.charCodeAt(i)
    if (unit === dot) {
      into[at++] = value
      value = 0
    } else value = value * 10 + unit - zero
  }
  into[at] = value
  return 4
}

const writeIPv6 = (address: string, into: Uint8Array | number[], at: number): 16 => {
  const end = at + 16
  let gap = end // where the groups that `::` stands for begin
  let group = 0
  for (let i = 0; i <= address.length; i++) {
    const unit = address.charCodeAt(i)
    if (i < address.length && unit !== colon) {
      group = (group << 4) | (unit <= nine ? unit - zero : unit - 87)
      continue
    }
    // Before and behind a `::` at either end there is no group.
    if (i > 0 && address.charCodeAt(i - 1) !== colon) {
      into[at++] = group >> 8
      into[at++] = group & 255
      group = 0
    }
    if (unit === colon && address.charCodeAt(i + 1) === colon) gap = at
  }
  if (gap < end) {
    const tail = end - (at - gap)
    into.copyWithin(tail, gap, at)
    into.fill(0, gap, tail)
  }
  return 16
}

/** The canonical address of 4 or 16 bytes; undefined for any other number of bytes. */
export const addressFromBytes = (bytes: ArrayLike<number>): string | undefined => {
  const list = Array.from(bytes)
  if (list.length === 4) return list.join('.')
  if (list.length !== 16) return undefined
  return spell(Array.from({ length: 8 }, (_, i) => ((list[2 * i] ?? 0) << 8) | (list[2 * i + 1] ?? 0)))
}

/** The network part of an address, as a key: what one customer of a provider can usually choose addresses from. */
export const prefixOf = (address: string, bits: 24 | 48 | 64): string => {
  if (bits === 24) return address.slice(0, address.lastIndexOf('.'))
  const groups = (parseIPv6(address) ?? []).slice(0, bits / 16)
  return groups.map(group => group.toString(16)).join(':')
}

const longestZeroRun = (groups: readonly number[]): { start: number; length: number } => {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start++) {
    let end = start
    while (groups[end] === 0) end++
    if (end - start > best.length) best = { start, length: end - start }
    start = Math.max(start, end - 1)
  }
  return best
}
