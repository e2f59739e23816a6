// Law: pure. The fixed-size circular phonebook: a known name overwrites its own slot in place, a new one takes the next
// slot, past the last one it wraps onto the oldest, and sooner onto whoever never showed that it is there. Time comes in as
// an argument; every operation takes constant time (a free slot is looked for only after one was given up).
import { type Endpoint, endpointKey, familyOf, prefixOf, sameEndpoint } from './endpoint.ts'
import { Order } from './order.ts'

/** The dialect that a registrant came in by, and the only one it is spoken to in. */
export type Door = (typeof doors)[number]
export const doors = ['phonebook', 'connect', 'stun', 'directory', 'numbered'] as const

/** How long an entry lives: while it is refreshed; until somebody takes it out; as long as its connection holds. */
type Life = 'refreshed' | 'waiting' | 'held'
const lifeOf = {
  phonebook: 'refreshed',
  stun: 'refreshed',
  connect: 'waiting',
  numbered: 'waiting',
  directory: 'held',
} as const satisfies Record<Door, Life>
/** Their programs promise that a name is unique: it can't be taken through another door. */
const keepsNames = { phonebook: false, stun: false, connect: false, numbered: true, directory: true }
/** Who registers once and then waits is the first to make room after this time. */
const longestWaitMs = 3_600_000

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

export type PhonebookOptions = {
  /** Slots; 16 is the older server's number. */
  capacity?: number
  /** An entry ends this long after its last refresh; Infinity: never. */
  expiryMs?: number
  /** The plain ring: a new name always takes the oldest slot. */
  plainRing?: boolean
}

type Stage = { readonly all: Order<Entry>; readonly older: Order<Entry>; version: number }

export class Phonebook {
  readonly capacity: number
  readonly expiryMs: number
  readonly #slots: (Entry | undefined)[]
  readonly #byName = new Map<string, Entry>()
  readonly #byPlacement = new Order<Entry>()
  /** Those that were never proven, by placement: all, and by the prefix that they came from. */
  readonly #doubtful = new Order<Entry>()
  readonly #doubtfulOf = new Map<string, Order<Entry>>()
  readonly #plainRing: boolean
  /** By last refresh. */
  readonly #living: Record<Life, Order<Entry>> = { refreshed: new Order(), waiting: new Order(), held: new Order() }
  readonly #numbered = new Map<string, Entry>()
  readonly #stages = new Map<string, Stage>()
  readonly #seekers = new Map<string, Set<Entry>>()
  readonly #promised = new Set<string>()
  #changes = 0
  #next = 0
  #count = 0

  constructor({ capacity = 4096, expiryMs = 120_000, plainRing = false }: PhonebookOptions = {}) {
    this.capacity = capacity
    this.expiryMs = expiryMs
    this.#plainRing = plainRing
    this.#slots = Array<Entry | undefined>(capacity).fill(undefined)
  }

  /** Live entries. */
  get size(): number {
    return this.#byName.size
  }

  /** Highest slot in use + 1: the second field of an entry on the wire. */
  get count(): number {
    return this.#count
  }

  find(name: string, stage = ''): Entry | undefined {
    return this.#byName.get(keyOf(name, stage))
  }

  stageSize(stage: string): number {
    return this.#stages.get(stage)?.all.size ?? 0
  }

  /** Another number after each change of what is shown of the stage; who was refreshed when does not count. */
  stageVersion(stage: string): number {
    return this.#stages.get(stage)?.version ?? 0
  }

  /** The entries of a stage, the most recently refreshed first. */
  inStage(stage: string): Iterable<Entry> {
    return this.#stages.get(stage)?.all.newestFirst() ?? []
  }

  /** The most recently refreshed entries of a stage, newest first. */
  latest(stage: string, most: number, wanted: (entry: Entry) => boolean = () => true): Entry[] {
    return this.#stages.get(stage)?.all.latest(most, wanted) ?? []
  }

  /** The most recently refreshed phonebook clients of a stage that do not speak the extensions, newest first. */
  latestOlder(stage: string, most: number, wanted: (entry: Entry) => boolean = () => true): Entry[] {
    return this.#stages.get(stage)?.older.latest(most, wanted) ?? []
  }

  /** Who seeks this name on this stage. */
  seekers(name: string, stage: string): Iterable<Entry> {
    return this.#seekers.get(keyOf(name, stage)) ?? []
  }

  /** Every live entry; of those that are refreshed, the longest unrefreshed last. */
  *entries(): Generator<Entry, void, undefined> {
    for (const order of Object.values(this.#living)) yield* order.newestFirst()
  }

  /** Who registered from this endpoint through the door `numbered`. */
  numberedAt(endpoint: Endpoint): Entry | undefined {
    return this.#numbered.get(endpointKey(endpoint))
  }

  /** Promises a name of the common stage to somebody who is to register it through the door `directory`, until it is released. */
  promise(name: string): void {
    this.#promised.add(name)
  }

  release(name: string): void {
    this.#promised.delete(name)
  }

  /** Whether a live entry, or a promise, keeps the name from whoever comes through this door. */
  isKept(name: string, stage: string, door: Door): boolean {
    if (door !== 'directory' && stage === '' && this.#promised.has(name)) return true
    const known = this.find(name, stage)
    return known !== undefined && known.door !== door && keepsNames[known.door]
  }

  register(registration: Registration, nowMs: number): Registered {
    this.expire(nowMs)
    const known = this.find(registration.name, registration.stage)
    if (!known) return this.#add(registration, nowMs)
    const { endpoint: former, via, door } = known
    const wasProven = known.proven && known.newer
    const moved = !sameEndpoint(former, registration.endpoint)
    known.via = registration.via
    if (moved || !sameWords(known, registration)) {
      this.#unlist(known)
      known.endpoint = moved ? registration.endpoint : former
      known.door = registration.door
      known.newer = registration.newer
      known.seek = registration.seek
      known.hosts = registration.hosts
      this.#list(known)
      this.#changed(known)
    }
    if (moved) {
      known.proven = false
      known.cookie = undefined
      known.creditBytes = 0
    }
    this.#refresh(known, nowMs)
    if (!moved) return { entry: known, change: 'refreshed', formerly: undefined, displaced: undefined }
    const formerly = wasProven ? { endpoint: former, via, door } : undefined
    return { entry: known, change: 'moved', formerly, displaced: undefined }
  }

  /** It has shown that it hears us where it is. */
  prove(entry: Entry): void {
    if (entry.proven) return
    entry.proven = true
    this.#changed(entry)
    this.#trust(entry)
  }

  remove(entry: Entry): void {
    const key = keyOf(entry.name, entry.stage)
    if (this.#byName.get(key) !== entry) return
    this.#byName.delete(key)
    this.#byPlacement.delete(entry)
    this.#trust(entry)
    this.#unlist(entry)
    const stage = this.#stages.get(entry.stage)
    stage?.all.delete(entry)
    stage?.older.delete(entry)
    this.#changed(entry)
    if (stage?.all.size === 0) this.#stages.delete(entry.stage)
    this.#slots[entry.slot] = undefined
    entry.pair = undefined // or a chain of removed ones would live on in it
    while (this.#count > 0 && this.#slots[this.#count - 1] === undefined) this.#count--
  }

  /** Removes whoever was not refreshed for `expiryMs`; returns how many. */
  expire(nowMs: number): number {
    let removed = 0
    const { refreshed } = this.#living
    for (let last = refreshed.oldest; last && nowMs - last.refreshedAtMs >= this.expiryMs; removed++) {
      this.remove(last)
      last = refreshed.oldest
    }
    return removed
  }

  #add(registration: Registration, nowMs: number): Registered {
    const displaced = this.size < this.capacity ? undefined : this.#victim(registration.endpoint, nowMs)
    if (displaced) this.remove(displaced)
    const slot = displaced ? displaced.slot : this.#nextFree()
    const entry: Entry = {
      name: registration.name,
      stage: registration.stage,
      slot,
      endpoint: registration.endpoint,
      door: registration.door,
      via: registration.via,
      newer: registration.newer,
      seek: registration.seek,
      hosts: registration.hosts,
      proven: false,
      creditBytes: 0,
      cookie: undefined,
      version: 0,
      cached: undefined,
      pair: undefined,
      refreshedAtMs: nowMs,
      remindedMs: -Infinity,
      remindedBeforeMs: -Infinity,
      crowd: '',
    }
    this.#next = (slot + 1) % this.capacity
    this.#slots[slot] = entry
    this.#count = Math.max(this.#count, slot + 1)
    this.#byName.set(keyOf(entry.name, entry.stage), entry)
    this.#byPlacement.touch(entry)
    this.#doubt(entry)
    this.#list(entry)
    this.#refresh(entry, nowMs)
    this.#changed(entry)
    return { entry, change: 'added', formerly: undefined, displaced }
  }

  /** Who makes room for a newcomer: who waits too long, else somebody of its own crowd, else somebody unproven, else the oldest. */
  #victim(newcomer: Endpoint, nowMs: number): Entry | undefined {
    if (this.#plainRing) return this.#byPlacement.oldest
    const waiting = this.#living.waiting.oldest
    if (waiting && nowMs - waiting.refreshedAtMs >= longestWaitMs) return waiting
    const crowd = this.#doubtfulOf.get(crowdOf(newcomer))
    if (crowd && crowd.size > this.capacity / 4) return crowd.oldest
    return this.#doubtful.oldest ?? this.#byPlacement.oldest
  }

  #doubt(entry: Entry): void {
    this.#doubtful.touch(entry)
    entry.crowd = crowdOf(entry.endpoint)
    const crowd = this.#doubtfulOf.get(entry.crowd)
    if (crowd) crowd.touch(entry)
    else this.#doubtfulOf.set(entry.crowd, new Order([entry]))
  }

  #trust(entry: Entry): void {
    if (!this.#doubtful.delete(entry)) return
    const crowd = this.#doubtfulOf.get(entry.crowd)
    crowd?.delete(entry)
    if (crowd?.size === 0) this.#doubtfulOf.delete(entry.crowd)
  }

  #nextFree(): number {
    let slot = this.#next
    while (this.#slots[slot] !== undefined) slot = (slot + 1) % this.capacity
    return slot
  }

  #refresh(entry: Entry, nowMs: number): void {
    entry.refreshedAtMs = nowMs
    this.#living[lifeOf[entry.door]].touch(entry)
    let stage = this.#stages.get(entry.stage)
    if (!stage) this.#stages.set(entry.stage, (stage = { all: new Order(), older: new Order(), version: 0 }))
    stage.all.touch(entry)
    if (isOlder(entry)) stage.older.touch(entry)
  }

  /** What is shown of it is not what it was. */
  #changed(entry: Entry): void {
    entry.version++
    const stage = this.#stages.get(entry.stage)
    if (!stage) return
    stage.version = ++this.#changes // of a stage that comes again too, none comes again
    if (!isOlder(entry)) stage.older.delete(entry)
  }

  /** Lets it be found by whom it seeks, and by where it is. */
  #list(entry: Entry): void {
    if (entry.door === 'numbered') this.#numbered.set(endpointKey(entry.endpoint), entry)
    if (entry.seek === undefined) return
    const key = keyOf(entry.seek, entry.stage)
    const seekers = this.#seekers.get(key)
    if (seekers) seekers.add(entry)
    else this.#seekers.set(key, new Set([entry]))
  }

  #unlist(entry: Entry): void {
    this.#living[lifeOf[entry.door]].delete(entry)
    const place = endpointKey(entry.endpoint)
    if (this.#numbered.get(place) === entry) this.#numbered.delete(place)
    if (entry.seek === undefined) return
    const key = keyOf(entry.seek, entry.stage)
    const seekers = this.#seekers.get(key)
    seekers?.delete(entry)
    if (seekers?.size === 0) this.#seekers.delete(key)
  }
}

/** A phonebook client that does not speak the extensions. */
const isOlder = ({ door, newer }: Entry): boolean => door === 'phonebook' && !newer

/** Whether a registration says nothing new of its name. */
const sameWords = (known: Entry, { door, newer, seek, hosts }: Registration): boolean =>
  known.door === door &&
  known.newer === newer &&
  known.seek === seek &&
  known.hosts.length === hosts.length &&
  known.hosts.every((host, i) => sameEndpoint(host, hosts[i] as Endpoint))

/** The prefix that a newcomer is counted under. */
const crowdOf = ({ address }: Endpoint): string => prefixOf(address, familyOf(address) === 4 ? 24 : 64)

// A stage is printable ASCII, so the line feed can't be part of it.
const keyOf = (name: string, stage: string): string => (stage === '' ? name : `${stage}\n${name}`)
