// Law: pure, but for the key that it is made with. Cookies prove that an endpoint hears us; pair tokens are shared by two
// proven entries that seek each other. Both are keyed hashes, so neither costs memory.
import { createHmac } from 'node:crypto'
import { type Endpoint, endpointKey } from '../endpoint.ts'
import type { Entry } from '../entry.ts'

/** How long one secret makes new cookies; cookies of the one before are still good. */
const rotationMs = 10 * 60_000

export type Secrets = {
  /** `placement`: of the owned entry that whoever echoes it wants to move; once it has moved, no cookie from before is good. */
  cookie(endpoint: Endpoint, nowMs: number, placement?: number): string
  isCookieOf(cookie: string, endpoint: Endpoint, nowMs: number, placement?: number): boolean
  pairToken(a: Entry, b: Entry): string
}

/** `key`: 32 random bytes of this server instance. */
export const createSecrets = (key: Uint8Array): Secrets => {
  const keyed = (text: string): string => createHmac('sha256', key).update(text).digest('base64url').slice(0, 16)
  const cookieOf = (endpoint: Endpoint, epoch: number, placement = 0): string =>
    keyed(`cookie ${epoch} ${endpointKey(endpoint)} ${placement}`)
  const epochOf = (nowMs: number): number => Math.floor(nowMs / rotationMs)
  return {
    cookie: (endpoint, nowMs, placement) => cookieOf(endpoint, epochOf(nowMs), placement),
    isCookieOf: (cookie, endpoint, nowMs, placement) =>
      cookie === cookieOf(endpoint, epochOf(nowMs), placement) ||
      cookie === cookieOf(endpoint, epochOf(nowMs) - 1, placement),
    pairToken(a, b) {
      const known = a.pair
      if (known && known.of === b && known.mine === a.endpoint && known.theirs === b.endpoint) return known.token
      const token = keyed(`pair ${[identity(a), identity(b)].sort().join(' ')}`)
      a.pair = { of: b, mine: a.endpoint, theirs: b.endpoint, token }
      return token
    },
  }
}

/** Moves with the endpoint, so that a name's next holder gets another token. */
const identity = (entry: Entry): string => JSON.stringify([entry.stage, entry.name, endpointKey(entry.endpoint)])
