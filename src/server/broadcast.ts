// `--broadcast SECONDS`: the whole book to every live registrant. Off by default, as the older server only answers; every
// datagram is paid for from the budget of the pushes, and where that is spent a round goes on in the next second.
import type { Host } from '../host.ts'
import type { Entry, Phonebook } from '../phonebook.ts'

/** As many as an older client reads without getting stuck. */
const mostToOlder = 16
const pauseMs = 1000

export type BroadcastOptions = {
  readonly phonebook: Phonebook
  readonly host: Host
  /** 0: never. */
  readonly intervalMs: number
  /** False: the budget of this second is spent. */
  readonly introduce: (receiver: Entry, entries: readonly Entry[]) => boolean
}

export const createBroadcast = ({ phonebook, host, intervalMs, introduce }: BroadcastOptions): { close(): void } => {
  let cancel = (): void => {}
  let receivers: Entry[] = []
  const round = (): void => {
    phonebook.expire(host.now())
    if (receivers.length === 0) receivers = [...phonebook.entries()]
    for (let receiver = receivers.pop(); receiver; receiver = receivers.pop()) {
      if (phonebook.find(receiver.name, receiver.stage) !== receiver) continue
      const book = phonebook.latest(receiver.stage, receiver.newer ? Infinity : mostToOlder)
      if (!introduce(receiver, book)) break
    }
    cancel = host.after(receivers.length > 0 ? pauseMs : intervalMs, round)
  }
  if (intervalMs > 0) cancel = host.after(intervalMs, round)
  return { close: () => cancel() }
}
