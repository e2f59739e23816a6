// Law: pure. What a datagram is, in a word or two for a drawing; safe to print.
import { decodeLines } from '../dialects/phonebook/codec.ts'
import { decodePeerMessage } from '../dialects/phonebook/peer.ts'
import { binding, decode, isStun } from '../dialects/stun/message.ts'
import { decodeUtf8 } from '../utf8.ts'
import { visible } from '../visible.ts'

const longestWord = 16

export const labelOf = (bytes: Uint8Array): string => {
  const message = decodePeerMessage(bytes)
  if (message) return message.type
  if (isStun(bytes)) {
    const stun = decode(bytes)
    return typeof stun === 'string' ? 'STUN' : `${stun.method === binding ? 'Binding' : 'STUN'} ${stun.class}`
  }
  if (decodeLines(bytes).length > 0) return 'entry'
  const text = decodeUtf8(bytes)
  if (text === undefined || text === '') return 'bytes'
  if (/ (seek|cookie|v)=/.test(text)) return 'register'
  const word = visible(text.trim().split(/\s/, 1)[0] ?? '')
  return word.length > longestWord ? `${word.slice(0, longestWord)}…` : word
}
