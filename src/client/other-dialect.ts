// Law: pure. Which dialect an unexpected answer is in. Nothing is ever sent to find that out: the older servers die of what
// they do not expect.
import { decodeConnectAnswer } from '../dialects/connect/codec.ts'
import { decodeNumberedAnswer } from '../dialects/numbered/codec.ts'
import { isStun } from '../dialects/stun/message.ts'
import type { Door } from '../entry.ts'
import { decodeUtf8 } from '../utf8.ts'

/** A phonebook's line, whatever it took for a name: of a request in another dialect that is the first word. */
const line = /^\d{1,7},\d{1,7},[^,\n]{1,255},[\da-f.:]{2,45},\d{1,5}\s/

/** Undefined where the bytes are in none, or could be in several. */
export const dialectOf = (bytes: Uint8Array): Door | undefined => {
  if (isStun(bytes)) return 'stun'
  if (decodeNumberedAnswer(bytes)) return 'numbered'
  if (decodeConnectAnswer(bytes)) return 'connect'
  return line.test(decodeUtf8(bytes) ?? '') ? 'phonebook' : undefined
}

/** How long a server may be silent before we think about what it may be. */
export const unansweredMs = 3000
