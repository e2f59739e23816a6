// The table of dialects, in the order of recognition: docs/dialects.md. The only file that knows all siblings.
import type { Dialect } from './dialect.ts'
import { phonebook } from './phonebook/answer.ts'

/** What a row's `decode` gave goes to the same row's `answer`. */
export const dialects: readonly Dialect<object>[] = [phonebook]

/** The dialect of a datagram: the first one that recognises it. */
export const recognise = (bytes: Uint8Array): Dialect<object> | undefined =>
  dialects.find(dialect => dialect.recognises(bytes))
