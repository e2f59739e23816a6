// Law: pure. What the phonebook holds of a registrant, and what a registration and its effect are.
import { type Endpoint, sameEndpoint } from './endpoint.ts'

/** The dialect that a registrant came in by, and the only one it is spoken to in. */
export type Door = (typeof doors)[number]
export const doors = ['phonebook', 'connect', 'stun', 'directory', 'numbered'] as const

/** How long an entry lives: while it is refreshed; until somebody takes it out; as long as its connection holds. */
export type Life = 'refreshed' | 'waiting' | 'held'
export const lifeOf = {
  phonebook: 'refreshed',
  stun: 'refreshed',
  connect: 'waiting',
  numbered: 'waiting',
  directory: 'held',
} as const satisfies Record<Door, Life>
/** Their programs promise that a name is unique: it can't be taken through another door. */
export const keepsNames = { phonebook: false, stun: false, connect: false, numbered: true, directory: true }
export type Registration = {
  readonly name: string
  /** The room; '' is the common one. */
  readonly stage: string
  readonly endpoint: Endpoint
  readonly door: Door
  /** Which of the server's sockets it came in by, so that a push leaves by the same one. */
  readonly via: number
  /** Speaks the extensions of its dialect (`v=2`). */
  readonly newer: boolean
  /** The name that it wants to meet. */
  readonly seek?: string | undefined
  /** Local candidates, to be shown to a mutual seeker only. */
  readonly hosts: readonly Endpoint[]
  /** As it stands in `key=`. */
  readonly key?: string | undefined
  /** The signature that was found to be the key's: from now on the name is owned. */
  readonly claim?: string | undefined
  /** What it says of its NAT, for a mutual seeker too. */
  readonly hint?: string | undefined
}

export type Entry = {
  readonly name: string
  readonly stage: string
  readonly slot: number
  endpoint: Endpoint
  door: Door
  via: number
  newer: boolean
  seek: string | undefined
  hosts: readonly Endpoint[]
  key: string | undefined
  /** The signature with which the key owns the name; undefined: nobody does. */
  claim: string | undefined
  /** Another number wherever it is put: what was signed for one place is good for no other. */
  placement: number
  hint: string | undefined
  /** Has shown that it hears us at this endpoint; set by `prove`. */
  proven: boolean
  /** What its source has paid for and not been sent yet, in bytes; of no interest once it is proven. */
  creditBytes: number
  /** The cookie of this endpoint, once made; a live entry keeps its own. */
  cookie: string | undefined
  /** Another number after each change of what others are shown of it, and of its cookie. */
  version: number
  /** What its dialect has made of it and wants to use again. */
  cached: unknown
  /** The token that it shares with a mutual seeker, and the endpoints that it was made for. */
  pair: { readonly of: Entry; readonly mine: Endpoint; readonly theirs: Endpoint; readonly token: string } | undefined
  refreshedAtMs: number
  /** When the one it seeks was last shown it unasked, and the time before that. */
  remindedMs: number
  remindedBeforeMs: number
  /** The prefix that it came from first. */
  crowd: string
}

/** An endpoint, and the socket that it is reached by. */
export type Place = { readonly endpoint: Endpoint; readonly via: number }

/** Who was told where it is, and in which dialect it is spoken to. */
export type Former = Place & { readonly door: Door }

export type Registered = {
  readonly entry: Entry
  readonly change: 'added' | 'moved' | 'refreshed'
  /** Where it was before it moved, if it speaks the extensions and was proven there. */
  readonly formerly: Former | undefined
  /** The live entry that lost its slot to it. */
  readonly displaced: Entry | undefined
}

/** A phonebook client that does not speak the extensions. */
export const isOlder = ({ door, newer }: Entry): boolean => door === 'phonebook' && !newer

/** Whether a registration says nothing new of its name. */
export const sameWords = (known: Entry, { door, newer, seek, hosts, hint, key, claim }: Registration): boolean =>
  known.door === door &&
  known.key === key &&
  known.claim === claim &&
  known.newer === newer &&
  known.seek === seek &&
  known.hint === hint &&
  known.hosts.length === hosts.length &&
  known.hosts.every((host, i) => sameEndpoint(host, hosts[i] as Endpoint))

// A stage is printable ASCII, so the line feed can't be part of it.
/** Of a name on its stage. */
export const keyOf = (name: string, stage: string): string => (stage === '' ? name : `${stage}\n${name}`)
