// Law: pure. What whoever runs the client wants to say, as the peer of a session takes it: newer ones any bytes, older ones text.
import { encodeText, longestPayload, longestText } from '../dialects/phonebook/peer.ts'
import { decodeUtf8, encodeUtf8 } from '../utf8.ts'
import type { Session } from './session.ts'

export type Sent = 'sent' | 'not-connected' | 'too-long' | 'not-text'

/** In bytes. */
export const longestMessage = (session: Pick<Session, 'tag'> | undefined): number =>
  session?.tag ? longestPayload : longestText - 1 // a blank may have to go in front

/** The bytes to send, or why there are none. */
export const payloadOf = (
  message: string | Uint8Array,
  { tag }: Pick<Session, 'tag'>,
): Uint8Array | Exclude<Sent, 'sent'> => {
  if (tag) {
    const bytes = typeof message === 'string' ? encodeUtf8(message) : message
    return bytes.length > longestPayload ? 'too-long' : bytes
  }
  const text = typeof message === 'string' ? message : decodeUtf8(message)
  if (text === undefined) return 'not-text'
  const bytes = encodeText(text)
  return bytes.length > longestText ? 'too-long' : bytes
}
