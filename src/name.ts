// Law: pure. What may be a name on a stage, and what may be a stage.
import { utf8Length } from './utf8.ts'

const forbidden = /[\p{Cc}\p{Cf}\p{Cs}\p{Z},]/u
const verbs = ['REGISTER', 'REGISTERED', 'LIST', 'CONNECT', 'EXIT', 'BIND', 'ERROR']
const reserved = new Set(verbs.flatMap(verb => [verb, `${verb}_ACK`, `${verb}_NAK`]))

export const longestName = 64

/** Why the text can't be a name, or undefined where it can. A server takes a name byte for byte. */
export const nameProblem = (name: string): 'empty' | 'too-long' | 'forbidden-character' | 'reserved' | undefined => {
  if (name === '') return 'empty'
  if (name.length > longestName || utf8Length(name) > longestName) return 'too-long'
  if (forbidden.test(name)) return 'forbidden-character'
  if (isReserved(name)) return 'reserved'
  return undefined
}

/** The words of the dialects, so that no server's answer is a registration with another server. */
const isReserved = (token: string): boolean => {
  const colon = token.indexOf(':')
  return reserved.has(colon < 0 ? token : token.slice(0, colon))
}

/** Printable ASCII without comma and blank, 1 to 64 characters: what an opaque value, and a stage, may be made of. */
export const isOpaque = (value: string): boolean => /^[!-+\--~]{1,64}$/.test(value)

export const isStage = isOpaque
