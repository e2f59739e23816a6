// The table of dialects, in the order of recognition: docs/dialects.md. The only file that knows all siblings.
import type { Door } from '../entry.ts'
import { connect } from './connect/answer.ts'
import type { Dialect } from './dialect.ts'
import { createDirectory } from './directory/answer.ts'
import { createNumbered } from './numbered/answer.ts'
import { phonebook } from './phonebook/answer.ts'
import { stun } from './stun/answer.ts'

/** What a row's `decode` gave goes to the same row's `answer`. */
const table: readonly (() => Dialect<object>)[] = [
  () => stun,
  createNumbered,
  () => connect,
  createDirectory,
  () => phonebook,
]

/** The dialects that one server speaks; the first one that recognises a datagram has it. */
export const createDialects = (doors?: readonly Door[]): Dialect<object>[] =>
  table.map(make => make()).filter(({ door }) => doors?.includes(door) ?? true)
