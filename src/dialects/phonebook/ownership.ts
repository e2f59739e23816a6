// Law: pure. Whose a name is. Whoever has signed for it with a key owns it while its entry lives; without that signature, for that
// endpoint, nothing about the entry changes: safety.md rule 4, docs/dialects.md "Names with owners".
import { type Endpoint, sameEndpoint } from '../../endpoint.ts'
import type { Entry } from '../../entry.ts'
import type { Desk } from '../dialect.ts'
import type { RegistrationRequest } from './codec.ts'

/** `free`: nobody owns the name, and this does not either. `later`: too many claims came from there just now. */
export type Right = 'free' | 'owner' | 'taken' | 'later'

/** What a registration may do to the live entry of its name, if there is one. */
export const rightTo = (known: Entry | undefined, asked: RegistrationRequest, from: Endpoint, desk: Desk): Right => {
  const isOwned = known?.claim !== undefined
  const { key, to, sig, cookie } = asked
  if (isOwned && key !== known.key) return 'taken'
  const refused = isOwned ? 'taken' : 'free'
  if (key === undefined || sig === undefined || to === undefined || cookie === undefined) return refused
  // The same words from the same place: they were looked at before.
  const isHere = known !== undefined && sameEndpoint(known.endpoint, from) && cookie === known.cookie
  if (isHere && isOwned && sig === known.claim) return 'owner'
  if (!isHere && !desk.isCookieOf(cookie, from, isOwned ? known.placement : undefined)) return refused
  const held = desk.claimHolds({ to, cookie, stage: asked.stage, name: asked.name, key }, sig, from)
  if (held === 'yes') return 'owner'
  return held === 'later' && isOwned ? 'later' : refused
}

/** For whoever may not have the entry of an owned name: the cookie that its owner would have to sign there. */
export const cookieToMove = (owned: Entry, from: Endpoint, desk: Desk): string =>
  sameEndpoint(owned.endpoint, from) && owned.cookie !== undefined
    ? owned.cookie
    : desk.cookieFor(from, owned.placement)
