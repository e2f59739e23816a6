// Law: pure; lines <-> values of the directory dialect, docs/dialects.md section 4. Nothing here throws at foreign bytes.
import { type Endpoint, parseAddress, parsePort } from '../../endpoint.ts'
import { nameProblem } from '../../name.ts'
import { decodeUtf8, encodeUtf8, utf8Length } from '../../utf8.ts'
import { beginsWith } from '../words.ts'

/** What a client says once it has a name. */
export type DirectoryRequest =
  | { readonly verb: 'LIST' | 'EXIT' }
  | { readonly verb: 'QUERY'; readonly nick: string }
  /** `newer`: it takes QUERIED-BY. */
  | { readonly verb: 'HELLO'; readonly newer: boolean }

export type DirectoryAnswer =
  | { readonly verb: 'NICKNAME?' | 'END' | 'BYE' }
  | { readonly verb: 'TAKEN' | 'UNKNOWN'; readonly nick: string }
  | { readonly verb: 'WELCOME'; readonly nick: string; readonly token: string }
  | { readonly verb: 'BOUND'; readonly endpoint: Endpoint }
  | { readonly verb: 'CLIENT' | 'PEER' | 'QUERIED-BY'; readonly nick: string; readonly endpoint: Endpoint }
  | { readonly verb: 'ERROR'; readonly reason: string }

/** Without the line feed. */
export const longestLine = 512
/** 128 bits, in hex. */
export const tokenLength = 32

const token = /^[!-~]{1,128}$/

/** The words of a line; blanks around and between them do not count. */
const wordsOfLine = (line: string): string[] => line.split(/[ \t]+/).filter(word => word !== '')

/** Undefined for what is no request; its words may be in any letter case, a nickname is what it is. */
export const decodeRequest = (line: string): DirectoryRequest | undefined => {
  const [word = '', ...rest] = wordsOfLine(line)
  const verb = word.toUpperCase()
  if ((verb === 'LIST' || verb === 'EXIT') && rest.length === 0) return { verb }
  if (verb === 'HELLO') return { verb, newer: rest.includes('v=2') }
  const [nick = ''] = rest
  return verb === 'QUERY' && rest.length === 1 && !nameProblem(nick) ? { verb, nick } : undefined
}

export const encodeRequest = (request: DirectoryRequest): string => {
  switch (request.verb) {
    case 'QUERY':
      return `QUERY ${request.nick}`
    case 'HELLO':
      return request.newer ? 'HELLO v=2' : 'HELLO'
    case 'LIST':
    case 'EXIT':
      return request.verb
  }
}

export const encodeAnswer = (answer: DirectoryAnswer): string => {
  switch (answer.verb) {
    case 'NICKNAME?':
    case 'END':
    case 'BYE':
      return answer.verb
    case 'TAKEN':
    case 'UNKNOWN':
      return `${answer.verb} ${answer.nick}`
    case 'WELCOME':
      return `WELCOME ${answer.nick} ${answer.token}`
    case 'BOUND':
      return `BOUND ${answer.endpoint.address} ${answer.endpoint.port}`
    case 'CLIENT':
    case 'PEER':
    case 'QUERIED-BY':
      return `${answer.verb} ${answer.nick} ${answer.endpoint.address} ${answer.endpoint.port}`
    case 'ERROR':
      return `ERROR ${answer.reason}`
  }
}

/** Undefined for what no server says, and for an endpoint that nothing can be sent to. */
export const decodeAnswer = (line: string): DirectoryAnswer | undefined => {
  if (utf8Length(line) > longestLine) return undefined
  const [word = '', ...rest] = wordsOfLine(line)
  const verb = word.toUpperCase()
  const [nick = '', second = ''] = rest
  switch (verb) {
    case 'NICKNAME?':
    case 'END':
    case 'BYE':
      return rest.length === 0 ? { verb } : undefined
    case 'TAKEN':
    case 'UNKNOWN':
      return rest.length === 1 && !nameProblem(nick) ? { verb, nick } : undefined
    case 'WELCOME':
      return rest.length === 2 && !nameProblem(nick) && token.test(second) ? { verb, nick, token: second } : undefined
    case 'BOUND': {
      const endpoint = endpointOf(rest)
      return endpoint && { verb, endpoint }
    }
    case 'CLIENT':
    case 'PEER':
    case 'QUERIED-BY': {
      const endpoint = endpointOf(rest.slice(1))
      return endpoint && !nameProblem(nick) ? { verb, nick, endpoint } : undefined
    }
    case 'ERROR':
      return { verb, reason: rest.join(' ') }
    default:
      return undefined
  }
}

const endpointOf = ([ip = '', portText = '', ...more]: readonly string[]): Endpoint | undefined => {
  const [address, port] = [parseAddress(ip), parsePort(portText)]
  return more.length > 0 || address === undefined || port === undefined ? undefined : { address, port }
}

const own = /^(?:(?:NICKNAME\?|END|BYE)$|(?:TAKEN|UNKNOWN|WELCOME|BOUND|CLIENT|PEER|QUERIED-BY|ERROR) )/

/** Whether a server says such a line, exactly so: then no server is to answer it. */
export const isServersLine = (line: string): boolean => own.test(line)

const bind = 'BIND '

export const encodeBind = (token: string): Uint8Array => encodeUtf8(`${bind}${token}`)

/** The token of a datagram that is exactly `BIND <token>`, as this server's tokens are. */
export const decodeBind = (bytes: Uint8Array): string | undefined =>
  bytes.length === bind.length + tokenLength && beginsWith(bytes, bind)
    ? decodeUtf8(bytes.subarray(bind.length))
    : undefined
