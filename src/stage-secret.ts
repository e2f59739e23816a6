// Law: pure. A stage for those who share a secret. The server sees a name that tells it nothing, the peers have a key that it
// can't make: one HMAC each, of different words.
import { createHmac } from 'node:crypto'
import { toBase32 } from './rfc4648.ts'

export type PrivateStage = {
  /** As the server knows it. */
  readonly wireName: string
  /** Mixed into every handshake on it. */
  readonly psk: Uint8Array
}

/** 130 bits: nobody comes upon another secret's stage by chance. */
const wireLength = 26

export const privateStage = (secret: string, stage: string): PrivateStage => {
  const keyed = (text: string): Uint8Array => createHmac('sha256', secret).update(text).digest()
  // No stage has a line feed in it, so no stage's name is the psk of another one.
  return { wireName: toBase32(keyed(stage)).slice(0, wireLength), psk: keyed(`psk\n${stage}`) }
}
