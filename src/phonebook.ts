// Law: pure. The fixed-size circular phonebook: a known name overwrites its own slot in place, a new one takes the next
// slot, past the last one it wraps onto the oldest, and sooner onto whoever never showed that it is there. Time comes in as
// an argument; every operation takes constant time (a free slot is looked for only after one was given up).
import { Doubtful } from './doubtful.ts'
import { type Endpoint, endpointKey, sameEndpoint } from './endpoint.ts'
import {
  type Door,
  type Entry,
  type Life,
  type Registered,
  type Registration,
  isOlder,
  keepsNames,
  keyOf,
  lifeOf,
  sameWords,
} from './entry.ts'
import { Order } from './order.ts'

/** Who registers once and then waits is the first to make room after this time. */
const longestWaitMs = 3_600_000

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
  readonly #doubtful: Doubtful
  readonly #plainRing: boolean
  /** By last refresh. */
  readonly #living: Record<Life, Order<Entry>> = { refreshed: new Order(), waiting: new Order(), held: new Order() }
  readonly #numbered = new Map<string, Entry>()
  readonly #stages = new Map<string, Stage>()
  readonly #seekers = new Map<string, Set<Entry>>()
  readonly #promised = new Set<string>()
  #changes = 0
  #placements = 0
  #next = 0
  #count = 0

  constructor({ capacity = 4096, expiryMs = 120_000, plainRing = false }: PhonebookOptions = {}) {
    this.capacity = capacity
    this.expiryMs = expiryMs
    this.#plainRing = plainRing
    this.#doubtful = new Doubtful(capacity)
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
    return known !== undefined && known.door !== door && (keepsNames[known.door] || known.claim !== undefined)
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
      known.key = registration.key
      known.claim = registration.claim
      known.hint = registration.hint
      this.#list(known)
      this.#changed(known)
    }
    if (moved) {
      known.placement = ++this.#placements
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
    this.#doubtful.delete(entry)
  }

  remove(entry: Entry): void {
    const key = keyOf(entry.name, entry.stage)
    if (this.#byName.get(key) !== entry) return
    this.#byName.delete(key)
    this.#byPlacement.delete(entry)
    this.#doubtful.delete(entry)
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
      key: registration.key,
      claim: registration.claim,
      placement: ++this.#placements,
      hint: registration.hint,
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
    this.#doubtful.add(entry)
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
    return this.#doubtful.victim(newcomer) ?? this.#byPlacement.oldest
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
