// Law: pure; randomness comes in as an argument. HandshakeState (Noise revision 34, s.5.3) for one pattern, KK, and for KKpsk0
// where the two share a secret: docs/decisions.md says why. What does not hold is undefined, and the handshake is over.
import { type KeyPair, keyLength as dhLength } from '../keys.ts'
import { SymmetricState } from './symmetric-state.ts'

/** Of a message pattern (s.5.3): `s` stands in the pre-messages alone, as both know the other's. */
type Token = 'e' | 'ee' | 'es' | 'se' | 'ss' | 'psk'

const suite = '25519_ChaChaPoly_SHA256'

/** s.7.5: `-> s`, `<- s` before the first message. */
const kk: readonly (readonly Token[])[] = [
  ['e', 'es', 'ss'],
  ['e', 'ee', 'se'],
]

/** s.9.4: the psk is mixed in before anything else, so a message of somebody who lacks it makes nobody answer. */
const kkPsk0: typeof kk = [['psk', ...(kk[0] ?? [])], kk[1] ?? []]

export const pskLength = 32

export type HandshakeOptions = {
  readonly initiator: boolean
  /** What both know besides: a handshake of two that don't agree in it fails. */
  readonly prologue: Uint8Array
  readonly s: KeyPair
  readonly e: KeyPair
  /** The other side's static public key. */
  readonly rs: Uint8Array
  readonly psk?: Uint8Array | undefined
}

/** What both sides have at the end (Split): a key for each direction. */
export type Keys = { readonly sending: Uint8Array; readonly receiving: Uint8Array; readonly handshakeHash: Uint8Array }

export type HandshakeState = {
  writeMessage(payload: Uint8Array): Uint8Array | undefined
  /** The payload. */
  readMessage(message: Uint8Array): Uint8Array | undefined
  /** Undefined until the last message. */
  keys(): Keys | undefined
}

export const createHandshake = ({ initiator, prologue, s, e, rs, psk }: HandshakeOptions): HandshakeState => {
  const symmetric = new SymmetricState(`Noise_${psk ? 'KKpsk0' : 'KK'}_${suite}`)
  const messages = psk ? kkPsk0 : kk
  let re: Uint8Array | undefined
  let done = 0
  let failed = false

  symmetric.mixHash(prologue)
  symmetric.mixHash(initiator ? s.publicKey : rs)
  symmetric.mixHash(initiator ? rs : s.publicKey)

  const mixDh = (mine: KeyPair, theirs: Uint8Array | undefined): boolean => {
    const secret = theirs && mine.dh(theirs)
    if (secret) symmetric.mixKey(secret)
    return secret !== undefined
  }

  /** In a handshake with a psk `e` goes into the key too (s.9.2), or the psk's key could encrypt twice under one nonce. */
  const mixEphemeral = (publicKey: Uint8Array): void => {
    symmetric.mixHash(publicKey)
    if (psk) symmetric.mixKey(publicKey)
  }

  const mix = (token: Token): boolean => {
    switch (token) {
      case 'ee':
        return mixDh(e, re)
      case 'ss':
        return mixDh(s, rs)
      case 'es':
        return initiator ? mixDh(e, rs) : mixDh(s, re)
      case 'se':
        return initiator ? mixDh(s, re) : mixDh(e, rs)
      case 'psk':
        if (psk) symmetric.mixKeyAndHash(psk)
        return true
      case 'e':
        return true // on the wire: whoever writes or reads it mixes it
    }
  }

  /** The next message pattern, where it is this side's turn. */
  const turn = (writing: boolean): readonly Token[] | undefined =>
    failed || (done % 2 === 0) !== (writing === initiator) ? undefined : messages[done]

  const fail = (): undefined => {
    failed = true
    return undefined
  }

  return {
    writeMessage(payload) {
      const tokens = turn(true)
      if (!tokens) return undefined
      for (const token of tokens) {
        if (token === 'e') mixEphemeral(e.publicKey)
        if (!mix(token)) return fail()
      }
      done++
      const sealed = symmetric.encryptAndHash(payload)
      const message = new Uint8Array(dhLength + sealed.length)
      message.set(e.publicKey)
      message.set(sealed, dhLength)
      return message
    },
    readMessage(message) {
      const tokens = turn(false)
      if (!tokens || message.length < dhLength) return undefined
      re = message.slice(0, dhLength)
      for (const token of tokens) {
        if (token === 'e') mixEphemeral(re)
        if (!mix(token)) return fail()
      }
      const payload = symmetric.decryptAndHash(message.subarray(dhLength))
      if (!payload) return fail()
      done++
      return payload
    },
    keys() {
      if (failed || done < messages.length) return undefined
      const [first, second] = symmetric.split()
      const { handshakeHash } = symmetric
      return initiator
        ? { sending: first, receiving: second, handshakeHash }
        : { sending: second, receiving: first, handshakeHash }
    },
  }
}
