// Law: pure; bytes <-> values of the numbered dialect, docs/dialects.md section 5. Nothing here throws at foreign bytes.
import { type Endpoint, familyOf, parseAddress, parsePort } from '../../endpoint.ts'
import { nameProblem } from '../../name.ts'
import { decodeUtf8, encodeUtf8 } from '../../utf8.ts'
import type { Refusal } from '../dialect.ts'
import { wordsOf } from '../words.ts'

export type NumberedRequest =
  | { readonly verb: 'REGISTER' | 'LIST' | 'EXIT' }
  /** `id`: or a name. */
  | { readonly verb: 'CONNECT'; readonly id: string }

export type Row = { readonly id: string; readonly endpoint: Endpoint }

export type NumberedAnswer =
  | { readonly verb: 'REGISTER_ACK'; readonly id: string }
  | { readonly verb: 'LIST_ACK'; readonly rows: readonly Row[] }
  | { readonly verb: 'CONNECT_ACK'; readonly endpoint: Endpoint }
  | { readonly verb: 'CONNECT_NAK'; readonly id: string }
  | { readonly verb: 'EXIT_ACK' }
  | { readonly verb: 'ERROR'; readonly reason: string }

/** The older client reads 1024 bytes. */
export const longestList = 1000

const connect = 'CONNECT:'

export const isNumberedRequest = (bytes: Uint8Array): boolean => {
  const [word = '', ...more] = wordsOf(bytes) ?? []
  if (more.length > 0) return false
  return word === 'REGISTER' || word === 'LIST' || word === 'EXIT' || (word.startsWith(connect) && word !== connect)
}

export const decodeNumberedRequest = (bytes: Uint8Array): NumberedRequest | Refusal => {
  const [word = ''] = wordsOf(bytes) ?? []
  if (word === 'REGISTER' || word === 'LIST' || word === 'EXIT') return { verb: word }
  const id = word.slice(connect.length)
  return nameProblem(id) ? 'bad-name' : { verb: 'CONNECT', id }
}

export const encodeNumberedRequest = (request: NumberedRequest): Uint8Array =>
  encodeUtf8(request.verb === 'CONNECT' ? `${connect}${request.id}` : request.verb)

/** As Python prints an address. */
export const rowOf = ({ id, endpoint }: Row): string => `${id},('${endpoint.address}', ${endpoint.port})`

export const encodeNumberedAnswer = (answer: NumberedAnswer): Uint8Array => encodeUtf8(textOf(answer))

const textOf = (answer: NumberedAnswer): string => {
  switch (answer.verb) {
    case 'REGISTER_ACK':
    case 'CONNECT_NAK':
      return `${answer.verb}:${answer.id}`
    case 'LIST_ACK':
      return `LIST_ACK:${answer.rows.map(rowOf).join('\n')}`
    case 'CONNECT_ACK':
      return `CONNECT_ACK:${answer.endpoint.address}:${answer.endpoint.port}`
    case 'EXIT_ACK':
      return 'EXIT_ACK'
    case 'ERROR':
      return `ERROR:${answer.reason}`
  }
}

/** Undefined for what no server says, and for an endpoint that nothing can be sent to. */
export const decodeNumberedAnswer = (bytes: Uint8Array): NumberedAnswer | undefined => {
  const text = bytes.length <= 65_535 ? decodeUtf8(bytes) : undefined
  if (text === undefined) return undefined
  if (text === 'EXIT_ACK') return { verb: text }
  const colon = text.indexOf(':')
  const [verb, rest] = [text.slice(0, Math.max(0, colon)), text.slice(colon + 1)]
  switch (verb) {
    case 'REGISTER_ACK':
      return /^\d{1,15}$/.test(rest) ? { verb, id: rest } : undefined
    case 'CONNECT_NAK':
      return { verb, id: rest }
    case 'CONNECT_ACK': {
      const endpoint = endpointOf(...(rest.split(':') as [string, string]))
      return endpoint && { verb, endpoint }
    }
    case 'LIST_ACK':
      return { verb, rows: rest.split('\n').flatMap(rowFrom) }
    case 'ERROR':
      return { verb, reason: rest }
    default:
      return undefined
  }
}

const rowFrom = (text: string): Row[] => {
  const [, id = '', ip = '', port = ''] = /^([^,]{1,64}),\('([\d.]{7,15})', (\d{1,5})\)$/.exec(text) ?? []
  const endpoint = endpointOf(ip, port)
  return endpoint && nameProblem(id) === undefined ? [{ id, endpoint }] : []
}

const endpointOf = (ip: string, portText = '', ...more: string[]): Endpoint | undefined => {
  const [address, port] = [parseAddress(ip), parsePort(portText)]
  if (more.length > 0 || address === undefined || port === undefined || familyOf(address) !== 4) return undefined
  return { address, port }
}
