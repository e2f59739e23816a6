// Law: types only. What a client of the dialects connect, numbered and stun tells whoever runs it; `test-client --json` prints
// these, one a line. What a phonebook client says too is said in its words.
import type { Row } from '../dialects/numbered/codec.ts'
import type { Endpoint } from '../endpoint.ts'
import type { ClientEvent } from './events.ts'

type Shared = Extract<
  ClientEvent,
  { event: 'registering' | 'refused' | 'message' | 'stranger' | 'unanswered' | 'failed' | 'closed' }
>

export type DoorEvent =
  | Shared
  /** The first answer, and whenever it says something new. `endpoint`: where the server sees us, if it tells. */
  | {
      readonly event: 'registered'
      readonly name: string
      readonly server: Endpoint
      readonly address?: string
      readonly endpoint?: Endpoint
    }
  /** The server has said where the peer is. */
  | { readonly event: 'introduced'; readonly peer: string; readonly endpoint: Endpoint }
  /** The first word of the peer since then. */
  | { readonly event: 'connected'; readonly peer: string; readonly endpoint: Endpoint; readonly elapsedMs: number }
  /** What the server lists. */
  | { readonly event: 'listed'; readonly rows: readonly Row[] }
  /** The server does not know this peer. */
  | { readonly event: 'unknown'; readonly peer: string }
  /** The server has an objection, in its own words. */
  | { readonly event: 'rejected'; readonly reason: string }
  | { readonly event: 'unsent'; readonly peer: string; readonly text: string; readonly why: string }
  /** A question was repeated and then given up. */
  | { readonly event: 'given-up'; readonly verb: string }
  /** The server has taken us out of its book. */
  | { readonly event: 'left' }
