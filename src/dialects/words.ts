// Law: pure. Datagrams that are a few words of text: what connect, numbered and directory have in common is only that.
import { decodeUtf8 } from '../utf8.ts'

/** Longer than any of their requests: a verb and two names. */
const longest = 192

/** The words of a short datagram, parted by single blanks; undefined where it is anything else. */
export const wordsOf = (bytes: Uint8Array): string[] | undefined => {
  const text = bytes.length <= longest ? decodeUtf8(bytes) : undefined
  return text?.split(' ')
}

/** Cheap enough to be asked about every datagram. */
export const beginsWith = (bytes: Uint8Array, word: string): boolean => {
  if (bytes.length < word.length) return false
  for (let i = 0; i < word.length; i++) if (bytes[i] !== word.charCodeAt(i)) return false
  return true
}
