// Law: types only. What a client tells whoever runs it; `test-client --json` prints these, one a line.
import type { Endpoint } from '../endpoint.ts'
import type { StageError } from '../errors.ts'
import type { Door } from '../entry.ts'
import type { PortMappingProtocol } from '../host.ts'
import type { Plan, StrategyName } from './strategy.ts'
import type { Verdict } from './verdict.ts'
import type { CandidateKind } from './targets.ts'
import type { KeyProblem } from './trust.ts'

export type Waiting =
  | { readonly on: 'server'; readonly servers: readonly Endpoint[] }
  /** `there`: whom we see; `others`: entries that a larger stage does not show. `near`: a name that is almost the peer's. */
  | {
      readonly on: 'peer'
      readonly peer: string
      readonly there: readonly string[]
      readonly others: number
      readonly near?: string
    }
  | { readonly on: 'punch'; readonly endpoints: readonly Endpoint[]; readonly heard: boolean }

export type ClientEvent =
  | { readonly event: 'registering'; readonly name: string; readonly server: Endpoint }
  /** The first answer of a server, and whenever it sees us at another endpoint. */
  | {
      readonly event: 'registered'
      readonly name: string
      readonly server: Endpoint
      readonly endpoint: Endpoint
    }
  /** A phonebook entry that is new to us or has changed. */
  | {
      readonly event: 'entry'
      readonly slot: number
      readonly count: number
      readonly name: string
      readonly endpoint: Endpoint
    }
  | { readonly event: 'located'; readonly peer: string; readonly endpoint: Endpoint }
  /** The peer's entry points where no packet of ours goes. */
  | { readonly event: 'refused'; readonly peer: string; readonly endpoint: Endpoint; readonly why: string }
  | {
      readonly event: 'check-sent'
      readonly endpoint: Endpoint
      readonly candidate: CandidateKind
      readonly form: 'check' | 'text'
    }
  /** How we try to get through, as far as both NATs are known; again when more is known. */
  | ({ readonly event: 'plan' } & Plan)
  /** From 1. Its checks are not told one by one. */
  | { readonly event: 'attempt'; readonly strategy: StrategyName; readonly attempt: number }
  /** All was tried that there was to try. With `keepTrying` it begins again after a while. */
  | ({ readonly event: 'verdict'; readonly elapsedMs: number } & Verdict)
  /** The first valid datagram of the peer. */
  | {
      readonly event: 'heard'
      readonly peer: string
      readonly endpoint: Endpoint
      readonly elapsedMs: number
    }
  /** A datagram of ours is confirmed; towards an older peer: its first message is here. */
  | {
      readonly event: 'connected'
      readonly peer: string
      readonly endpoint: Endpoint
      readonly elapsedMs: number
      readonly form: 'binary' | 'text'
      /** Sealed from end to end, by a peer that has shown this key. */
      readonly private: boolean
      readonly key?: string
    }
  /** The phonebook shows the peer with a key that it may not have, or without one: nothing is sent there. */
  | ({ readonly event: 'key-refused' } & KeyProblem)
  /** For 5 s the peer has answered our checks, and not by the key that the phonebook shows for it. */
  | { readonly event: 'line-stuck'; readonly peer: string }
  /** A lively private talk has fallen silent all at once: the server is asked whether either of us has moved. */
  | { readonly event: 'quiet'; readonly peer: string }
  /** The session goes on at another endpoint. */
  | { readonly event: 'moved'; readonly peer: string; readonly endpoint: Endpoint }
  /** `text`: the bytes as UTF-8 with replacement characters; not yet safe for a terminal. */
  | {
      readonly event: 'message'
      readonly from: string
      readonly endpoint: Endpoint
      readonly text: string
      readonly bytes: Uint8Array
    }
  /** Text of somebody who is not the peer. */
  | {
      readonly event: 'stranger'
      readonly endpoint: Endpoint
      readonly text: string
      readonly length: number
    }
  | { readonly event: 'lost'; readonly peer: string; readonly reason: 'silent' | 'left' | 'no-consent' }
  /** The server has accepted our claim: while we are there nobody without our key gets the name. */
  | { readonly event: 'owned'; readonly name: string; readonly fingerprint: string }
  /** The name is somebody else's, who has another key: we are not in the phonebook. */
  | { readonly event: 'name-taken'; readonly name: string }
  /** Somebody else registered our name. */
  | { readonly event: 'name-conflict'; readonly name: string; readonly endpoint: Endpoint }
  /** No server has answered for 3 s. `looksLike`: the dialect of what did come from there. */
  | {
      readonly event: 'unanswered'
      readonly elapsedMs: number
      readonly servers: readonly Endpoint[]
      readonly looksLike?: Door
    }
  /** The gateway forwards this endpoint to us. `seen`: where the server sees us, if it has answered. */
  | {
      readonly event: 'port-mapped'
      readonly endpoint: Endpoint
      readonly protocol: PortMappingProtocol
      readonly seen?: Endpoint
    }
  | { readonly event: 'port-mapping-failed'; readonly problem: string }
  | ({ readonly event: 'waiting'; readonly elapsedMs: number } & Waiting)
  | { readonly event: 'failed'; readonly reason: StageError['code']; readonly error: StageError }
  | { readonly event: 'closed' }
