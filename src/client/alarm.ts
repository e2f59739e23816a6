// One timer of a host for whatever is due next.
import type { Host } from '../host.ts'

export type Alarm = {
  /** To be called after everything that may have changed what is due. */
  set(): void
  stop(): void
}

/** `deadline`: when `ring` wants to be called next; Infinity: never. After each ring it is set again. */
export const createAlarm = (host: Host, deadline: () => number, ring: (nowMs: number) => void): Alarm => {
  let stopped = false
  let cancel = (): void => {}
  const set = (): void => {
    cancel()
    if (stopped) return
    const dueMs = deadline()
    if (dueMs === Infinity) return
    cancel = host.after(Math.max(0, dueMs - host.now()), () => {
      ring(host.now())
      set()
    })
  }
  return {
    set,
    stop() {
      stopped = true
      cancel()
    },
  }
}
