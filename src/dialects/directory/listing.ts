// Law: pure, but for what was made last. The answer to LIST: the common stage as lines, made once for all who ask.
import { type Endpoint, type Family, canReach, familyOf } from '../../endpoint.ts'
import { encodeUtf8 } from '../../utf8.ts'
import type { Desk } from '../dialect.ts'
import { encodeAnswer } from './codec.ts'

/** Rows of a list: the most recently refreshed ones. */
export const mostListed = 1000
/** A row costs about a microsecond: while the stage changes all the time, more lists than this in a second are shown once more. */
const mostMade = 50

export type Listing = {
  /** The lines for somebody who is seen there. */
  for(endpoint: Endpoint, desk: Desk): Uint8Array
}

export const createListing = (): Listing => {
  const made = new Map<Family, { readonly version: number; readonly bytes: Uint8Array }>()
  let second = 0
  let madeInSecond = 0
  return {
    for(endpoint, { phonebook: book, now }) {
      const nowMs = now()
      if (Math.floor(nowMs / 1000) !== second) madeInSecond = 0
      second = Math.floor(nowMs / 1000)
      book.expire(nowMs)
      const family = familyOf(endpoint.address)
      const last = made.get(family)
      const version = book.stageVersion('')
      if (last && (last.version === version || madeInSecond >= mostMade)) return last.bytes
      madeInSecond++
      const rows = book
        .latest('', mostListed, entry => canReach(endpoint, entry.endpoint))
        .map(({ name: nick, endpoint: at }) => encodeAnswer({ verb: 'CLIENT', nick, endpoint: at }))
      const bytes = encodeUtf8([...rows, 'END', ''].join('\n'))
      made.set(family, { version, bytes })
      return bytes
    },
  }
}
