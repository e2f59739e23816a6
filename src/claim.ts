// Law: pure. A claim says that whoever has this key holds this name: signed for one server as it was dialled, for the cookie that
// this server has just given, for one stage and one name, so that it is good for nothing else.
import { type Endpoint, formatEndpoint } from './endpoint.ts'
import { publicKeysOf } from './identity.ts'
import { isSignedBy } from './keys.ts'
import { fromBase64url } from './rfc4648.ts'
import { encodeUtf8 } from './utf8.ts'

export type Claim = {
  /** The server, as its client dialled it. */
  readonly to: Endpoint
  readonly cookie: string
  readonly stage: string
  readonly name: string
  /** As it stands in `key=`. */
  readonly key: string
}

const signatureLength = 64

/** None of the parts can have a line feed in it, so no two claims have the same bytes. */
export const claimBytes = ({ to, cookie, stage, name, key }: Claim): Uint8Array =>
  encodeUtf8(['stage-manager claim 1', formatEndpoint(to), cookie, stage, name, key].join('\n'))

/** Whether the signature, as it stands in `sig=`, is the key's and of just this claim. */
export const claimHolds = (claim: Claim, sig: string): boolean => {
  const keys = publicKeysOf(claim.key)
  const signature = fromBase64url(sig, signatureLength)
  return keys !== undefined && signature !== undefined && isSignedBy(keys.claim, claimBytes(claim), signature)
}
