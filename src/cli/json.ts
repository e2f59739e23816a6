// Events as JSON, one object a line: endpoints as text, bytes as text too, secrets left out.
import { type Endpoint, formatEndpoint } from '../endpoint.ts'
import type { DoorEvent } from '../client/door-events.ts'
import type { DirectoryEvent } from '../client/directory-events.ts'
import type { ClientEvent } from '../client/events.ts'
import type { ServerEvent } from '../server/events.ts'
import { sentText } from './sent.ts'

/** `timeMs`: since the program's start. */
export const eventToJson = (event: ClientEvent | DoorEvent | DirectoryEvent | ServerEvent, timeMs: number): string =>
  JSON.stringify({ timeMs: rounded(timeMs), ...event }, (key, value: unknown) => {
    if (value instanceof Error) return value.message
    if (value instanceof Uint8Array) return key === 'bytes' ? undefinedIfText(value) : sentText(value)
    if (isEndpoint(value)) return formatEndpoint(value)
    return typeof value === 'number' ? rounded(value) : value
  }).replace(acting, escaped)

/** JSON escapes C0 by itself. These it leaves as they are, and they act on a terminal: C1, DEL, format, line separators. */
const acting = /[\u007f-\u009f\p{Cf}\u2028\u2029]/gu
const escaped = (character: string): string =>
  Array.from(
    { length: character.length },
    (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
  ).join('')

/** For `createOutput`: the reader was too slow for so many lines. */
export const lostToJson = (count: number): string => JSON.stringify({ event: 'lines-lost', count })

const rounded = (value: number): number => Math.round(value * 1000) / 1000

/** A message that is text stands there as text; only of other ones the bytes are worth showing. */
const undefinedIfText = (bytes: Uint8Array): string | undefined => {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return undefined
  } catch {
    return Buffer.from(bytes).toString('base64')
  }
}

const isEndpoint = (value: unknown): value is Endpoint =>
  typeof value === 'object' && value !== null && 'address' in value && 'port' in value
