// Law: pure. What the first handshake of a process costs beside the later ones, spent while nobody waits for it.
import type { Identity } from '../identity.ts'
import { createHandshake } from '../noise/handshake-state.ts'

const none = new Uint8Array()
let isWarm = false

/** Signs and agrees with itself: the first use of curves, hash and cipher takes ten times as long as any later one. */
export const warmUp = ({ line, sign }: Identity): void => {
  if (isWarm) return
  isWarm = true
  sign(none)
  createHandshake({ initiator: true, prologue: none, s: line, e: line, rs: line.publicKey }).writeMessage(none)
}
