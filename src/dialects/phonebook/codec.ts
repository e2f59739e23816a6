// Law: pure; bytes <-> values of the phonebook dialect, docs/dialects.md section 1. Nothing here throws at foreign bytes.
import { type Endpoint, formatEndpoint, parseAddress, parseEndpoint, parsePort } from '../../endpoint.ts'
import { is64Bytes } from '../../identity.ts'
import { isOpaque, isStage, nameProblem } from '../../name.ts'
import { decodeUtf8, encodeUtf8, utf8Length } from '../../utf8.ts'
import type { Refusal } from '../dialect.ts'
import { parseHint } from './hint.ts'

/** What a client asks for. An older client gives its name and nothing else. */
export type RegistrationRequest = {
  readonly name: string
  readonly newer: boolean
  readonly stage: string
  readonly seek?: string | undefined
  readonly cookie?: string | undefined
  readonly hosts: readonly Endpoint[]
  /** Whose name it is, and the proof: a signature for the server at `to`. */
  readonly key?: string | undefined
  readonly to?: Endpoint | undefined
  readonly sig?: string | undefined
  /** What it says of its NAT: see `hint.ts`. */
  readonly nat?: string | undefined
}

/** Another socket of the server, for STUN; without an address, at the same one. */
export type Alternate = { readonly address?: string; readonly port: number }

/** One entry of the phonebook as a client reads it. */
export type Line = {
  readonly slot: number
  readonly count: number
  readonly name: string
  readonly endpoint: Endpoint
  readonly newer: boolean
  readonly proven: boolean
  readonly cookie?: string | undefined
  readonly pair?: string | undefined
  readonly hosts: readonly Endpoint[]
  readonly key?: string | undefined
  /** On the receiver's own line: the name is somebody else's, and this is not in the book. */
  readonly taken?: boolean | undefined
  readonly nat?: string | undefined
  /** On the receiver's own line alone. */
  readonly alternates?: readonly Alternate[] | undefined
}

/** What stands behind the fifth field. */
export type LineFields = Partial<Omit<Line, 'slot' | 'count' | 'name' | 'endpoint'>>

export const mostHosts = 4
export const mostAlternates = 2
/** Name and tokens of a registration, in bytes. */
export const longestRegistration = 512
/** A first registration is padded to this, so that its answer is worth three times as much; the older server reads 1023. */
export const paddedRegistration = 1000
/** A packed answer, in bytes: below what any path fragments. */
export const packedAnswer = 1200
/** Longer than anything that a client sends; the older server cut there. */
const longestDatagram = 1024
const longestAnswer = 65_535

const [lineFeed, carriageReturn, blank] = [10, 13, 32]

const separators = /[ \r\n]+/

const endsToken = (byte: number | undefined): boolean => byte === blank || byte === lineFeed || byte === carriageReturn

/** `<name>[ key=value]*`, ended and separated as the older server's strtok did. */
export const decodeRegistration = (bytes: Uint8Array): RegistrationRequest | Refusal => {
  let start = 0
  while (start < bytes.length && endsToken(bytes[start])) start++
  if (start === bytes.length) return 'empty'
  if (bytes.length > longestDatagram) return 'too-long'
  let nameEnd = start
  while (nameEnd < bytes.length && !endsToken(bytes[nameEnd])) nameEnd++
  let end = bytes.length
  while (endsToken(bytes[end - 1])) end--
  const text = decodeUtf8(bytes.subarray(start, end))
  const [name, ...tokens] = (text ?? decodeUtf8(bytes.subarray(start, nameEnd)))?.split(separators) ?? []
  if (name === undefined) return 'not-utf8'
  const problem = nameProblem(name)
  if (problem) return problem === 'reserved' ? 'reserved-name' : 'bad-name'
  return withTokens(name, tokens, end - start)
}

/** What a name alone asks for. */
const olderRequest = (name: string): RegistrationRequest => ({
  name,
  newer: false,
  stage: '',
  seek: undefined,
  cookie: undefined,
  hosts: [],
  key: undefined,
  to: undefined,
  sig: undefined,
  nat: undefined,
})

/** `word=value`; a token without `=` has no word. */
const keyed = (token: string): { readonly word: string; readonly value: string } => {
  const equals = token.indexOf('=')
  return { word: equals < 0 ? '' : token.slice(0, equals), value: token.slice(equals + 1) }
}

const addHost = (hosts: Endpoint[], value: string): void => {
  const host = hosts.length < mostHosts ? parseEndpoint(value) : undefined
  if (host) hosts.push(host)
}

/** `length`: in bytes, from the name to the last token. */
const withTokens = (name: string, tokens: readonly string[], length: number): RegistrationRequest | Refusal => {
  let newer = false
  let stage = ''
  let seek: string | undefined
  let cookie: string | undefined
  let key: string | undefined
  let to: Endpoint | undefined
  let sig: string | undefined
  let nat: string | undefined
  const hosts: Endpoint[] = []
  for (const token of tokens) {
    const { word, value } = keyed(token)
    switch (word) {
      case 'v':
        newer = value === '2'
        break
      case 'seek':
        if (nameProblem(value) === undefined) seek = value
        break
      case 'cookie':
        if (isOpaque(value)) cookie = value
        break
      case 'stage':
        stage = value
        break
      case 'key':
        if (is64Bytes(value)) key = value
        break
      case 'to':
        to = parseEndpoint(value)
        break
      case 'sig':
        if (is64Bytes(value)) sig = value
        break
      case 'host':
        addHost(hosts, value)
        break
      case 'nat':
        if (parseHint(value)) nat = value
    }
  }
  if (!newer) return olderRequest(name)
  if (length > longestRegistration) return 'too-long'
  if (stage !== '' && !isStage(stage)) return 'bad-stage'
  return { name, newer, stage, seek, cookie, hosts, key, to, sig, nat }
}

/** The hint and as many host candidates as there is room for. `pad`: with trailing blanks, as long as the server has not answered yet. */
export const encodeRegistration = (request: RegistrationRequest, pad = false): Uint8Array => {
  const tokens = [request.name]
  if (request.newer) {
    tokens.push('v=2')
    if (request.seek !== undefined) tokens.push(`seek=${request.seek}`)
    if (request.stage !== '') tokens.push(`stage=${request.stage}`)
    if (request.cookie !== undefined) tokens.push(`cookie=${request.cookie}`)
    if (request.key !== undefined) tokens.push(`key=${request.key}`)
    if (request.sig !== undefined && request.to) tokens.push(`to=${formatEndpoint(request.to)}`, `sig=${request.sig}`)
    let length = utf8Length(tokens.join(' '))
    const hosts = request.hosts.slice(0, mostHosts).map(host => `host=${formatEndpoint(host)}`)
    for (const token of request.nat === undefined ? hosts : [`nat=${request.nat}`, ...hosts]) {
      length += 1 + token.length
      if (length <= longestRegistration) tokens.push(token)
    }
  }
  const bytes = encodeUtf8(tokens.join(' '))
  if (!pad || bytes.length >= paddedRegistration) return bytes
  const padded = new Uint8Array(paddedRegistration).fill(blank)
  padded.set(bytes)
  return padded
}

/** What `encodeLine` needs of an entry. */
export type Listed = { readonly slot: number; readonly name: string; readonly endpoint: Endpoint }

/** `<slot>,<count>,<name>,<ip>,<port>[,key=value]*\n`, as text: plain lines are the same for everybody and worth caching. */
export const formatLine = (entry: Listed, count: number, fields: LineFields = {}): string => {
  const { address, port } = entry.endpoint
  let line = `${entry.slot},${count},${entry.name},${address},${port}`
  if (fields.newer) line += ',v=2'
  if (fields.proven) line += ',ok=1'
  if (fields.taken) line += ',taken=1'
  if (fields.key !== undefined) line += `,key=${fields.key}`
  if (fields.cookie !== undefined) line += `,cookie=${fields.cookie}`
  if (fields.pair !== undefined) line += `,pair=${fields.pair}`
  for (const host of fields.hosts ?? []) line += `,host=${formatEndpoint(host)}`
  if (fields.nat !== undefined) line += `,nat=${fields.nat}`
  for (const alternate of fields.alternates ?? []) line += `,alt=${formatAlternate(alternate)}`
  return `${line}\n`
}

const formatAlternate = ({ address, port }: Alternate): string =>
  address === undefined ? String(port) : formatEndpoint({ address, port })

const parseAlternate = (value: string): Alternate | undefined => {
  const port = parsePort(value)
  return port ? { port } : parseEndpoint(value)
}

export const encodeLine = (entry: Listed, count: number, fields?: LineFields): Uint8Array =>
  encodeUtf8(formatLine(entry, count, fields))

/** The lines of an answer or a push that can be read; what can't be is left out. */
export const decodeLines = (bytes: Uint8Array): Line[] => {
  if (bytes.length > longestAnswer) return []
  const text = decodeUtf8(bytes)
  if (text === undefined) return []
  const lines: Line[] = []
  for (const row of text.split('\n')) {
    const line = decodeLine(row)
    if (line) lines.push(line)
  }
  return lines
}

const decodeLine = (row: string): Line | undefined => {
  const [slot = '', count = '', name = '', ip = '', portText = '', ...extras] = row.split(',')
  const port = parsePort(portText.trimEnd())
  const address = parseAddress(ip)
  if (!/^\d{1,9}$/.test(slot) || !/^\d{1,9}$/.test(count) || nameProblem(name) || !address || !port) return undefined
  return {
    slot: Number(slot),
    count: Number(count),
    name,
    endpoint: { address, port },
    ...decodeFields(extras),
  }
}

const decodeFields = (extras: string[]): Omit<Line, 'slot' | 'count' | 'name' | 'endpoint'> => {
  let newer = false
  let proven = false
  let taken: boolean | undefined
  let cookie: string | undefined
  let key: string | undefined
  let pair: string | undefined
  let nat: string | undefined
  const hosts: Endpoint[] = []
  let alternates: Alternate[] | undefined
  for (const extra of extras) {
    const { word, value } = keyed(extra)
    switch (word) {
      case 'v':
        newer = value === '2'
        break
      case 'ok':
        proven = value === '1'
        break
      case 'taken':
        taken = value === '1' || undefined
        break
      case 'key':
        if (is64Bytes(value)) key = value
        break
      case 'cookie':
        if (isOpaque(value)) cookie = value
        break
      case 'pair':
        if (isOpaque(value)) pair = value
        break
      case 'host':
        addHost(hosts, value)
        break
      case 'nat':
        if (parseHint(value)) nat = value
        break
      case 'alt': {
        const alternate = parseAlternate(value)
        if (alternate) alternates = [...(alternates ?? []), alternate].slice(0, mostAlternates)
      }
    }
  }
  // An older program has no key: beside its line it would let us take for private what can only be plain text.
  return { newer, proven, taken, cookie, key: newer ? key : undefined, pair, hosts, nat, alternates }
}
