// Drives a client of the dialects connect, numbered or stun with a host's sockets and clock. Knows neither real sockets nor a
// simulation, and no dialect.
import type { Endpoint } from '../endpoint.ts'
import { StageError } from '../errors.ts'
import type { Host } from '../host.ts'
import type { Door } from '../entry.ts'
import { createAlarm } from './alarm.ts'
import type { DoorEvent } from './door-events.ts'
import { dialectOf, unansweredMs } from './other-dialect.ts'
import { createSockets } from './sockets.ts'

/** What every such client is: the server's addresses, datagrams and the time go in. */
export type Core = {
  readonly door: Door
  /** How far it got: what `--timeout` reports. */
  readonly progress: 'unanswered' | 'registered' | 'introduced' | 'connected'
  /** The peer that it wants to meet, if that is known. */
  readonly peer: string | undefined
  found(servers: readonly Endpoint[], nowMs: number): void
  receive(bytes: Uint8Array, from: Endpoint, nowMs: number): void
  tick(nowMs: number): void
  deadline(): number
  /** A last word, where the dialect has one. */
  goodbye?(): void
}

/** What a core is given of the outside world. */
export type Outside = {
  readonly startedMs: number
  random(): number
  randomBytes(count: number): Uint8Array
  send(bytes: Uint8Array, to: Endpoint): void
  lookup(): void
  /** Our own addresses, with the port that we are bound to. */
  hosts(server: Endpoint): Endpoint[]
  onEvent(event: DoorEvent): void
}

export type DriveOptions = {
  /** Name or IP address of the Stage Manager. */
  readonly server: string
  readonly port?: number
  readonly timeoutMs?: number | undefined
  readonly onEvent: (event: DoorEvent) => void
}

export type Driven<C extends Core> = {
  readonly core: C
  /** Whatever the core is asked to do: it may want to be woken at another time after that. */
  act<T>(run: (core: C, nowMs: number) => T): T
  close(): void
}

export const drive = <C extends Core>(
  host: Host,
  options: DriveOptions,
  createCore: (outside: Outside) => C,
): Driven<C> => {
  const { server, port = 8080, timeoutMs } = options
  const startedMs = host.now()
  let closed = false
  let looksLike: Door | undefined

  const emit = (event: DoorEvent): void => {
    if (!closed) options.onEvent(event)
  }

  const isUnanswered = (): boolean => core.progress === 'unanswered'

  const alarm = createAlarm(
    host,
    () => core.deadline(),
    nowMs => core.tick(nowMs),
  )

  const receive = (bytes: Uint8Array, from: Endpoint): void => {
    const fromServer = sockets.servers.some(({ address, port: its }) => address === from.address && its === from.port)
    core.receive(bytes, from, host.now())
    if (isUnanswered() && fromServer) looksLike ??= dialectOf(bytes)
    alarm.set()
  }

  const close = (): void => {
    if (closed) return
    core.goodbye?.()
    emit({ event: 'closed' })
    closed = true
    alarm.stop()
    cancelUnanswered()
    cancelTimeout()
    sockets.close()
  }

  const fail = (error: StageError): void => {
    emit({ event: 'failed', reason: error.code, error })
    close()
  }

  const sockets = createSockets({
    host,
    server,
    port,
    onDatagram: receive,
    onFound(servers) {
      core.found(servers, host.now())
      alarm.set()
    },
    hasAnswered: () => !isUnanswered(),
    onFailed: fail,
  })

  const core = createCore({
    startedMs,
    random: () => host.random(),
    randomBytes: count => host.randomBytes(count),
    send: (bytes, to) => sockets.send(bytes, to),
    lookup: () => sockets.lookup(),
    hosts(to) {
      const family = to.address.includes(':') ? 6 : 4
      const local = sockets.local(family)
      const own = host.addresses().filter(address => address.includes(':') === (family === 6))
      return local && local.port > 0 ? own.map(address => ({ address, port: local.port })) : []
    },
    onEvent: emit,
  })

  const cancelUnanswered = host.after(unansweredMs, () => {
    if (!isUnanswered()) return
    const servers = sockets.servers
    emit({ event: 'unanswered', elapsedMs: host.now() - startedMs, servers, ...(looksLike && { looksLike }) })
  })

  const giveUp = (): void => {
    if (core.progress === 'connected' || (core.peer === undefined && !isUnanswered())) return
    const seconds = (timeoutMs ?? 0) / 1000
    const where = `${server}, port ${port}`
    const remedy = `is test-server running there, and is UDP port ${port} open?`
    const errors = {
      unanswered: new StageError('server-unreachable', `No answer from ${where}, in ${seconds} s: ${remedy}`),
      registered: new StageError('peer-absent', `${core.peer} did not appear at the Stage Manager in ${seconds} s`),
      introduced: new StageError('peer-unreached', `${core.peer} was introduced, but not reached in ${seconds} s`),
    }
    fail(errors[core.progress])
  }

  const cancelTimeout = timeoutMs === undefined ? () => {} : host.after(timeoutMs, giveUp)
  sockets.lookup()
  alarm.set()

  return {
    core,
    act(run) {
      const result = run(core, host.now())
      alarm.set()
      return result
    },
    close,
  }
}
