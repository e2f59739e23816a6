// Law: pure; text <-> value. What a client says of its NAT to whoever punches towards it: docs/dialects.md section 1.
import { parsePort } from '../../endpoint.ts'
import { type Behavior, behaviors } from '../../nat-profile.ts'

export type NatHint = {
  readonly mapping: Behavior
  /** Undefined: not known. */
  readonly filtering: Behavior | undefined
  /** Where the server saw the latest of its flows, in the order in which they were made; none for one endpoint. */
  readonly ports: readonly number[]
}

export const mostHintPorts = 8

const words = { ei: behaviors[0], ad: behaviors[1], apd: behaviors[2] } as const
type Word = keyof typeof words
const unknown = '-'

const wordOf = (behavior: Behavior | undefined): string =>
  Object.keys(words).find(word => words[word as Word] === behavior) ?? unknown

/** `apd/-/40003/40004`: mapping, filtering, ports. */
export const formatHint = ({ mapping, filtering, ports }: NatHint): string =>
  [wordOf(mapping), wordOf(filtering), ...ports.slice(-mostHintPorts)].join('/')

export const parseHint = (text: string): NatHint | undefined => {
  if (text.length > longest) return undefined
  const [mapping = '', filtering = '', ...rest] = text.split('/')
  const ports = rest.map(parsePort)
  if (!isWord(mapping) || !(isWord(filtering) || filtering === unknown) || ports.length > mostHintPorts)
    return undefined
  if (!ports.every(port => port !== undefined && port > 0)) return undefined
  return {
    mapping: words[mapping],
    filtering: isWord(filtering) ? words[filtering] : undefined,
    ports: ports as number[],
  }
}

const longest = 'apd/apd'.length + mostHintPorts * '/65535'.length

const isWord = (text: string): text is Word => Object.hasOwn(words, text)
