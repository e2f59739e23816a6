// Law: never touches a socket or a clock. Asks a server how long mappings live: many are made and left alone, and at each
// age one of them is asked about from another socket, by RESPONSE-PORT (RFC 5780 s.4.6), so that the question itself does
// not refresh it.
import type { Endpoint } from '../endpoint.ts'
import type { Core } from './drive.ts'
import { type Outside, type Socket, createExchanges } from './exchanges.ts'
import { type Habit, type Rung, agesMs, habits, isOver } from './lifetime.ts'
import { firstPausesMs, pacesFor } from './paces.ts'
import { mappedOf } from './samples.ts'

export type LifetimeEvidence = {
  /** Undefined where it was tried; else why it could not be. */
  readonly problem: string | undefined
  readonly rungs: readonly Rung[]
}

/** Between two sockets: a NAT is not to be flooded. */
const spacingMs = 20
/** Linux takes a flow for a stream when it is older than two seconds. */
const streamAfterMs = 2500
/** Silence is asked about often enough for a way of half a second. */
const pausesMs = pacesFor(500).silent

export const createLifetimeProbe = (
  outside: Outside,
  server: Endpoint,
  longestMs: number,
  onDone: (evidence: LifetimeEvidence, nowMs: number) => void,
): Core => {
  const exchanges = createExchanges(outside)
  const rungs: Rung[] = []
  let open = 0
  let isDone = false

  const finish = (problem: string | undefined, nowMs: number): void => {
    if (isDone) return
    isDone = true
    onDone({ problem, rungs }, nowMs)
  }

  const bind = (done: (socket: Socket, mapped: Endpoint, nowMs: number) => void): void => {
    exchanges.open(0, (socket, openedMs) => {
      if (!socket) return finish('no more sockets', openedMs)
      exchanges.ask({ test: 'lifetime', socket, to: server, pausesMs: firstPausesMs }, openedMs, (sample, atMs) => {
        const mapped = mappedOf(sample)
        if (mapped) return done(socket, mapped, atMs)
        end(atMs)
      })
    })
  }

  const end = (nowMs: number): void => {
    const isKnown = habits.every(habit => isOver(rungs.filter(rung => rung.habit === habit)))
    if (--open === 0 || isKnown) finish(undefined, nowMs)
  }

  /** Whether the socket of that mapping hears what the server answers to another one's question. */
  const isAlive = (
    asker: Socket,
    socket: Socket,
    mapped: Endpoint,
    nowMs: number,
    done: (alive: boolean, sent: number, nowMs: number) => void,
  ): void =>
    exchanges.ask(
      { test: 'lifetime', socket: asker, to: server, response: { socket, port: mapped.port }, pausesMs },
      nowMs,
      ({ answer, sent }, atMs) => done(answer?.errorCode === undefined && answer !== undefined, sent, atMs),
    )

  const climb = (asker: Socket, habit: Habit, ageMs: number): void =>
    bind((socket, mapped, boundMs) => {
      const rest = (restMs: number): void =>
        exchanges.after(ageMs, restMs, askedMs => {
          if (isOver(rungs.filter(rung => rung.habit === habit))) return end(askedMs)
          isAlive(asker, socket, mapped, askedMs, (alive, sent, atMs) => {
            rungs.push({ habit, ageMs, alive, sent })
            end(atMs)
          })
        })
      if (habit === 'exchange') return rest(boundMs)
      exchanges.after(streamAfterMs, boundMs, againMs => {
        const again = { test: 'lifetime', socket, to: server, pausesMs: firstPausesMs }
        exchanges.ask(again, againMs, (_sample, atMs) => rest(atMs))
      })
    })

  /** A server that can't answer to another port, or comes to another address of ours, would make all mappings look dead. */
  const begin = (asker: Socket): void =>
    bind((socket, mapped, boundMs) =>
      isAlive(asker, socket, mapped, boundMs, (alive, _sent, atMs) => {
        if (!alive) return finish('the server does not answer to a RESPONSE-PORT', atMs)
        const plan = agesMs(longestMs).flatMap(ageMs => habits.map(habit => ({ habit, ageMs })))
        open = plan.length
        for (const [i, { habit, ageMs }] of plan.entries()) {
          exchanges.after(i * spacingMs, atMs, () => climb(asker, habit, ageMs))
        }
      }),
    )

  return {
    start() {
      open = 1
      bind(asker => begin(asker))
    },
    opened: exchanges.opened,
    receive: (id, bytes, from, nowMs) => void exchanges.receive(id, bytes, from, nowMs),
    tick: exchanges.tick,
    deadline: exchanges.deadline,
  }
}
