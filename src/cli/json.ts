// Events as JSON, one object a line: endpoints as text, bytes as text too, secrets left out.
import { type Endpoint, formatEndpoint } from '../endpoint.ts'
import type { ClientEvent } from '../client/events.ts'
import type { ServerEvent } from '../server/events.ts'

const secret = /,(cookie|pair)=[^,\n]*/g

/** `timeMs`: since the program's start. */
export const eventToJson = (event: ClientEvent | ServerEvent, timeMs: number): string =>
  JSON.stringify({ timeMs: rounded(timeMs), ...event }, (key, value: unknown) => {
    if (value instanceof Error) return value.message
    if (value instanceof Uint8Array) return key === 'bytes' ? undefinedIfText(value) : sentText(value)
    if (isEndpoint(value)) return formatEndpoint(value)
    return typeof value === 'number' ? rounded(value) : value
  })

const rounded = (value: number): number => Math.round(value * 1000) / 1000

/** What was sent, without the line feed and without what only the receiver should know. */
const sentText = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).replace(secret, '').trimEnd()

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
