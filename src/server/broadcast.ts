// `--broadcast SECONDS`: the whole book to every live registrant. Off by default, as the older server only answers; every
// datagram is paid for from the budget of the pushes, and where that is spent a round goes on in the next second.
import type { Host } from '../host.ts'
import type { Entry } from '../entry.ts'
import type { Phonebook } from '../phonebook.ts'

/** As many as an older client reads without getting stuck. */
const mostToOlder = 16
const pauseMs = 1000
/** Lines that are made in one turn of the event loop: about a millisecond, however full the book. */
const linesInATurn = 2000

export type BroadcastOptions = {
  readonly phonebook: Phonebook
  readonly host: Host
  /** 0: never. */
  readonly intervalMs: number
  /** Whether the entry may be sent so many datagrams now; asked before they are made. */
  readonly mayTell: (receiver: Entry, datagrams: number) => 'yes' | 'never' | 'later'
  readonly introduce: (receiver: Entry, entries: readonly Entry[]) => void
}

/** Lines of a packed datagram, at the least. */
const linesInADatagram = 8

export const createBroadcast = (options: BroadcastOptions): { close(): void } => {
  const { phonebook, host, intervalMs, mayTell, introduce } = options
  let cancel = (): void => {}
  let receivers: Entry[] = []

  const round = (): void => {
    phonebook.expire(host.now())
    // To the others an entry means that somebody wants to talk.
    if (receivers.length === 0) receivers = Array.from(phonebook.entries()).filter(({ door }) => door === 'phonebook')
    cancel = host.after(tellSome(), round)
  }

  /** Tells as many as fit into this turn; returns when to go on. */
  const tellSome = (): number => {
    for (let lines = 0; lines < linesInATurn;) {
      const receiver = receivers.pop()
      if (!receiver) return intervalMs
      if (phonebook.find(receiver.name, receiver.stage) !== receiver) continue
      const size = phonebook.stageSize(receiver.stage)
      const count = receiver.newer ? size : Math.min(size, mostToOlder)
      const may = mayTell(receiver, receiver.newer ? Math.ceil(count / linesInADatagram) : count)
      if (may === 'later') receivers.push(receiver)
      if (may === 'later') return pauseMs
      if (may === 'yes') introduce(receiver, phonebook.latest(receiver.stage, count))
      lines += may === 'yes' ? count : 1
    }
    return 0
  }

  if (intervalMs > 0) cancel = host.after(intervalMs, round)
  return { close: () => cancel() }
}
