// A host that can be put to sleep. Some clocks go on meanwhile and some stand still; the network hears nothing either way.
import { hostAround } from '../host-around.ts'
import type { Host } from '../host.ts'
import type { SimHost } from '../sim/host.ts'

export type Sleeper = {
  readonly host: Host
  /** Returns what wakes it up again. */
  sleep(clock: 'goes on' | 'stands still'): () => void
}

export const sleeper = (inner: SimHost): Sleeper => {
  type Timer = { readonly dueMs: number; readonly run: () => void; cancel: () => void }
  const timers = new Set<Timer>()
  let behindMs = 0
  let latestMs = -Infinity
  // A timer is never early, not by a rounding either: whoever compares its deadline with the clock would spin.
  const now = (): number => Math.max(latestMs, inner.now() - behindMs)
  const arm = (timer: Timer): void => {
    timer.cancel = inner.after(Math.max(0, timer.dueMs - now()), () => {
      timers.delete(timer)
      latestMs = Math.max(latestMs, timer.dueMs)
      timer.run()
    })
  }
  return {
    host: hostAround(inner, {
      now,
      after(ms, run) {
        const timer: Timer = { dueMs: now() + ms, run, cancel() {} }
        timers.add(timer)
        arm(timer)
        return () => {
          timers.delete(timer)
          timer.cancel()
        }
      },
    }),
    sleep(clock) {
      const sinceMs = inner.now()
      inner.online = false
      for (const timer of timers) timer.cancel()
      return () => {
        if (clock === 'stands still') behindMs += inner.now() - sinceMs
        inner.online = true
        for (const timer of timers) arm(timer)
      }
    },
  }
}
