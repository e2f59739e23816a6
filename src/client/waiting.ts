// Law: reaches time through the host alone. Tells what a client that is not connected waits for: first after a while, then
// now and then.
import type { Host } from '../host.ts'
import type { Waiting } from './events.ts'

const firstMs = 5000
const againMs = 30_000

export type WaitingWatch = {
  /** Begins anew: from now on there is something to wait for. */
  begin(): void
  stop(): void
}

/** `whatFor`: undefined where there is nothing to wait for at the moment. `isOver`: nothing to wait for any more. */
export const watchWaiting = (
  host: Host,
  whatFor: () => Waiting | undefined,
  isOver: () => boolean,
  tell: (waiting: Waiting) => void,
): WaitingWatch => {
  let stop = (): void => {}
  const watch = (ms: number): void => {
    stop()
    stop = host.after(ms, () => {
      if (isOver()) return
      const waiting = whatFor()
      watch(againMs)
      if (waiting) tell(waiting)
    })
  }
  return { begin: () => watch(firstMs), stop: () => stop() }
}
