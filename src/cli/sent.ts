// What a server sent, for people: a STUN message decoded, anything else as the text that it is, without what only its
// receiver should know.
import { describe } from '../dialects/stun/describe.ts'
import { decode, isStun } from '../dialects/stun/message.ts'

const secret = /,(cookie|pair)=[^,\n]*/g

export const sentText = (bytes: Uint8Array): string => {
  const message = isStun(bytes) ? decode(bytes) : undefined
  if (typeof message === 'object') return describe(message)
  return new TextDecoder().decode(bytes).replace(secret, '').trimEnd()
}
