// Law: types only. What a directory client tells whoever runs it; `test-client --dialect directory --json` prints these.
import type { Endpoint } from '../endpoint.ts'
import type { StageError } from '../errors.ts'

export type Listed = { readonly nick: string; readonly endpoint: Endpoint }

export type DirectoryEvent =
  | { readonly event: 'connecting'; readonly server: Endpoint }
  /** Nothing goes on before `setNickname`. `taken`: the one that was refused; `reason`: in the server's words. */
  | { readonly event: 'nickname-wanted'; readonly taken?: string; readonly reason?: string }
  | { readonly event: 'welcome'; readonly nick: string; readonly server: Endpoint }
  /** Where the server sees us: now the others can find us. */
  | { readonly event: 'bound'; readonly endpoint: Endpoint }
  | { readonly event: 'list'; readonly clients: readonly Listed[] }
  /** What we say goes there from now on. */
  | { readonly event: 'peer'; readonly nick: string; readonly endpoint: Endpoint }
  | { readonly event: 'unknown'; readonly nick: string }
  /** The directory points where no datagram of ours goes. */
  | { readonly event: 'refused'; readonly nick: string; readonly endpoint: Endpoint; readonly why: string }
  | { readonly event: 'queried-by'; readonly nick: string; readonly endpoint: Endpoint }
  /** The first datagram of the one we queried, or who queried us. */
  | { readonly event: 'heard'; readonly nick: string; readonly endpoint: Endpoint }
  /** `text`: with replacement characters where it was no UTF-8; not yet safe for a terminal. */
  | { readonly event: 'message'; readonly from: string; readonly endpoint: Endpoint; readonly text: string }
  | { readonly event: 'stranger'; readonly endpoint: Endpoint; readonly text: string; readonly length: number }
  | { readonly event: 'server-error'; readonly reason: string }
  /** It is being looked for again; the conversation with the peer goes on. */
  | { readonly event: 'disconnected'; readonly server: Endpoint }
  | { readonly event: 'waiting'; readonly on: 'server' | 'binding'; readonly elapsedMs: number }
  | { readonly event: 'failed'; readonly reason: StageError['code']; readonly error: StageError }
  | { readonly event: 'closed' }
