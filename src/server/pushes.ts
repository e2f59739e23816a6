// What the Stage Manager sends unasked: an entry that appeared or moved, to whoever waits for it, and never in a flood.
import type { Host } from '../host.ts'
import type { Entry } from '../entry.ts'
import type { Phonebook } from '../phonebook.ts'

/** One entry is announced at most this often; the last state wins. */
const announceMs = 1000
/** A seeker's line is pushed to the one it seeks at most twice in this time: pushes get lost. */
const remindMs = 1000
export const mostPushesPerSecond = 1000
const mostOlder = 16

export type PushesOptions = {
  readonly phonebook: Phonebook
  readonly clock: Pick<Host, 'now' | 'after'>
  /** Sends `receiver` what its dialect has for such news, paying with `spend`. */
  readonly introduce: (receiver: Entry, entries: readonly Entry[]) => void
}

export class Pushes {
  readonly #options: PushesOptions
  readonly #announced = new WeakMap<Entry, number>()
  readonly #waiting = new Map<Entry, () => void>()
  #second = -1
  #sentThisSecond = 0
  /** Pushes that the limit for all of them kept back. */
  suppressed = 0

  constructor(options: PushesOptions) {
    this.#options = options
  }

  /** How many more datagrams may be pushed in this second. */
  get left(): number {
    return this.isSpent() ? 0 : mostPushesPerSecond - this.#sentThisSecond
  }

  /** Announcements that wait for their second to be over; one for an entry at most. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** The entry appeared or moved: tells its seekers and the latest older clients of its stage. */
  announce(entry: Entry): void {
    const { clock } = this.#options
    if (this.#waiting.has(entry)) return
    const dueInMs = (this.#announced.get(entry) ?? -Infinity) + announceMs - clock.now()
    if (dueInMs <= 0) return this.#announceNow(entry)
    this.#waiting.set(
      entry,
      clock.after(dueInMs, () => {
        this.#waiting.delete(entry)
        if (this.#options.phonebook.find(entry.name, entry.stage) === entry) this.#announceNow(entry)
      }),
    )
  }

  /** A registration that seeks somebody: shows it to the one it seeks once more. */
  remind(entry: Entry): void {
    const sought = this.#soughtBy(entry)
    if (!sought) return
    const now = this.#options.clock.now()
    if (now - entry.remindedBeforeMs < remindMs) return
    entry.remindedBeforeMs = entry.remindedMs
    entry.remindedMs = now
    this.#options.introduce(sought, [entry])
  }

  close(): void {
    for (const cancel of this.#waiting.values()) cancel()
    this.#waiting.clear()
  }

  /** Whether nothing more may be pushed or broadcast in this second; whoever asks wanted to. */
  isSpent(): boolean {
    const second = Math.floor(this.#options.clock.now() / 1000)
    if (second !== this.#second) this.#sentThisSecond = 0
    this.#second = second
    if (this.#sentThisSecond < mostPushesPerSecond) return false
    this.suppressed++
    return true
  }

  /** One datagram of the budget for all pushes and broadcasts; false where this second's is spent. */
  spend(): boolean {
    if (this.isSpent()) return false
    this.#sentThisSecond++
    return true
  }

  #announceNow(entry: Entry): void {
    const { phonebook, clock, introduce } = this.#options
    this.#announced.set(entry, clock.now())
    const told = new Set<Entry>([entry])
    const older = phonebook.latestOlder(entry.stage, mostOlder, other => other !== entry)
    for (const receivers of [phonebook.seekers(entry.name, entry.stage), older]) {
      for (const receiver of receivers) {
        if (told.has(receiver)) continue
        told.add(receiver)
        introduce(receiver, [entry])
      }
    }
    const sought = this.#soughtBy(entry)
    if (sought && !told.has(sought)) introduce(sought, [entry])
    // A phonebook client's answer says whom it seeks. The others wait to be told, of whoever seeks them.
    if (entry.door !== 'phonebook')
      for (const seeker of phonebook.seekers(entry.name, entry.stage)) introduce(entry, [seeker])
  }

  #soughtBy(entry: Entry): Entry | undefined {
    const sought = entry.seek === undefined ? undefined : this.#options.phonebook.find(entry.seek, entry.stage)
    return sought === entry ? undefined : sought
  }
}
