// Law: types, and the list of dispositions. What a server tells whoever runs it; `test-server --json` prints these, one a line.
import type { Endpoint } from '../endpoint.ts'
import { type Asked, refusals } from '../dialects/dialect.ts'
import type { Door } from '../entry.ts'
import type { StageError } from '../errors.ts'

/** What became of a datagram. */
export type Disposition = (typeof dispositions)[number]
export const dispositions = ['answered', ...refusals, 'bad-source', 'own-echo', 'denied', 'internal'] as const

/** Why a connection ended, or was not let in. */
export type Parting = (typeof partings)[number]
export const partings = [
  'left',
  'dropped',
  'silent',
  'idle',
  'slow',
  'flood',
  'too-long',
  'own-words',
  'crowded',
  'full',
  'denied',
  'closed',
  'internal',
] as const

export type ConnectionCounters = {
  readonly open: number
  readonly accepted: number
  readonly linesIn: number
  readonly parted: Readonly<Record<Parting, number>>
}

export type Counters = {
  readonly dispositions: Readonly<Record<Disposition, number>>
  readonly datagramsIn: number
  readonly bytesIn: number
  readonly datagramsOut: number
  readonly bytesOut: number
  readonly pushed: number
  /** Pushes over the limit for all of them. */
  readonly pushesSuppressed: number
  /** Datagrams that nobody had paid for: see admission.ts. */
  readonly unpaid: number
  /** A sample: not every datagram is asked whether it went out. */
  readonly sendErrors: number
  readonly entries: number
  readonly connections: ConnectionCounters
}

export type ServerEvent =
  | {
      readonly event: 'listening'
      readonly endpoint: Endpoint
      readonly receiveBufferBytes?: number | undefined
    }
  /** Every socket is bound. */
  | {
      readonly event: 'ready'
      readonly endpoints: readonly Endpoint[]
      /** Those of them where nothing but STUN is spoken. */
      readonly forStun: readonly Endpoint[]
    }
  | {
      readonly event: 'registered'
      readonly door: Door
      readonly name: string
      readonly stage: string
      readonly endpoint: Endpoint
      readonly slot: number
      readonly change: 'added' | 'moved' | 'refreshed'
      /** The answer, datagram by datagram. */
      readonly sent: readonly Uint8Array[]
    }
  /** A request that is more than a registration, as its dialect calls it. */
  | ({ readonly event: 'asked'; readonly door: Door; readonly from: Endpoint } & Asked)
  /** The book is full: a live entry lost its slot. */
  | { readonly event: 'displaced'; readonly name: string; readonly slot: number; readonly by: string }
  | { readonly event: 'pushed'; readonly to: string; readonly endpoint: Endpoint; readonly sent: Uint8Array }
  | {
      readonly event: 'dropped'
      readonly disposition: Disposition
      readonly from: Endpoint
      readonly length: number
    }
  /** A claim for a server under an address that this one does not know to be its own (`--public`): the name has no owner. */
  | { readonly event: 'dialled-elsewhere'; readonly name: string; readonly from: Endpoint; readonly to: Endpoint }
  /** `name`: where it had one. */
  | { readonly event: 'parted'; readonly parting: Parting; readonly from: Endpoint; readonly name?: string }
  /** A dialect's connections can't be had; the server runs without them. */
  | { readonly event: 'unserved'; readonly door: Door; readonly error: StageError }
  | { readonly event: 'error'; readonly error: StageError }
  /** A mistake of the server itself; it goes on. */
  | { readonly event: 'internal-error'; readonly error: StageError }
  | { readonly event: 'counters'; readonly counters: Counters }
  | { readonly event: 'closed'; readonly counters: Counters }
