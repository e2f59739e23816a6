// Law: pure; bytes <-> values of the connect dialect, docs/dialects.md section 2. Nothing here throws at foreign bytes.
import { type Endpoint, parseAddress, parsePort } from '../../endpoint.ts'
import { nameProblem } from '../../name.ts'
import { decodeUtf8, encodeUtf8 } from '../../utf8.ts'
import type { Refusal } from '../dialect.ts'
import { wordsOf } from '../words.ts'

export type ConnectRequest =
  | { readonly verb: 'REGISTER'; readonly id: string }
  | { readonly verb: 'CONNECT'; readonly id: string; readonly peer: string }

export type ConnectAnswer =
  | { readonly verb: 'REGISTERED'; readonly address: string }
  | { readonly verb: 'CONNECT'; readonly id: string; readonly endpoint: Endpoint }
  | { readonly verb: 'ERROR'; readonly reason: string }

/** Exactly `REGISTER <id>` or `CONNECT <src> <dst>`; whatever has a `=` in it is somebody else's. */
export const isConnectRequest = (bytes: Uint8Array): boolean => {
  const [verb, ...tokens] = wordsOf(bytes) ?? []
  const wanted = verb === 'REGISTER' ? 1 : verb === 'CONNECT' ? 2 : 0
  return wanted > 0 && tokens.length === wanted && tokens.every(token => token !== '' && !token.includes('='))
}

export const decodeConnectRequest = (bytes: Uint8Array): ConnectRequest | Refusal => {
  const [verb, id = '', peer = ''] = wordsOf(bytes) ?? []
  for (const name of verb === 'CONNECT' ? [id, peer] : [id]) {
    const problem = nameProblem(name)
    if (problem) return problem === 'reserved' ? 'reserved-name' : 'bad-name'
  }
  return verb === 'CONNECT' ? { verb, id, peer } : { verb: 'REGISTER', id }
}

export const encodeConnectRequest = (request: ConnectRequest): Uint8Array =>
  encodeUtf8(request.verb === 'CONNECT' ? `CONNECT ${request.id} ${request.peer}` : `REGISTER ${request.id}`)

export const encodeConnectAnswer = (answer: ConnectAnswer): Uint8Array => {
  switch (answer.verb) {
    case 'REGISTERED':
      return encodeUtf8(`REGISTERED ${answer.address}`)
    case 'CONNECT':
      return encodeUtf8(`CONNECT ${answer.id} ${answer.endpoint.address} ${answer.endpoint.port}`)
    case 'ERROR':
      return encodeUtf8(`ERROR ${answer.reason}`)
  }
}

/** Undefined for what no server says, and for an endpoint that nothing can be sent to. */
export const decodeConnectAnswer = (bytes: Uint8Array): ConnectAnswer | undefined => {
  const text = bytes.length <= 512 ? decodeUtf8(bytes) : undefined
  const [verb, ...rest] = text?.split(' ') ?? []
  if (verb === 'ERROR') return { verb, reason: rest.join(' ') }
  if (verb === 'REGISTERED') {
    const address = parseAddress(rest[0] ?? '')
    return address !== undefined && rest.length === 1 ? { verb, address } : undefined
  }
  if (verb !== 'CONNECT' || rest.length !== 3) return undefined
  const [id = '', ip = '', portText = ''] = rest
  const [address, port] = [parseAddress(ip), parsePort(portText)]
  if (nameProblem(id) || address === undefined || port === undefined) return undefined
  return { verb, id, endpoint: { address, port } }
}
