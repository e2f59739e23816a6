// Law: never touches a socket or a clock. One question to one server: does it answer at all?
import type { Endpoint } from '../endpoint.ts'
import type { Core } from './drive.ts'
import { type Outside, createExchanges } from './exchanges.ts'
import { firstPausesMs } from './paces.ts'
import type { Sample } from './samples.ts'

export const createReach = (outside: Outside, to: Endpoint, onDone: (sample: Sample | undefined) => void): Core => {
  const { open, ask, opened, receive, tick, deadline } = createExchanges(outside)
  return {
    start: () =>
      open(0, (socket, nowMs) =>
        socket ? ask({ test: 'binding', socket, to, pausesMs: firstPausesMs }, nowMs, onDone) : onDone(undefined),
      ),
    opened,
    receive: (id, bytes, from, nowMs) => void receive(id, bytes, from, nowMs),
    tick,
    deadline,
  }
}
