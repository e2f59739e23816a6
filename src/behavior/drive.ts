// Runs a core of this room on a host: sockets, the clock and one timer for whatever is due next.
import type { Endpoint, Family } from '../endpoint.ts'
import type { Host, UdpSocket } from '../host.ts'
import type { Outside } from './exchanges.ts'

export type Core = {
  start(nowMs: number): void
  opened(id: number, localPort: number | undefined, nowMs: number): void
  receive(id: number, bytes: Uint8Array, from: Endpoint, nowMs: number): void
  tick(nowMs: number): void
  deadline(): number
}

export type Drive = {
  /** Closes its sockets; nothing comes of it any more. */
  stop(): void
}

/** `make`: the core, for an outside. It is over when `stop` is called. */
export const drive = (host: Host, family: Family, make: (outside: Outside) => Core): Drive => {
  const sockets = new Map<number, UdpSocket>()
  let isOver = false
  let cancel = (): void => {}

  const plan = (): void => {
    cancel()
    if (isOver) return
    const waitMs = core.deadline() - host.now()
    if (waitMs === Infinity) return
    cancel = host.after(Math.max(0, waitMs), () => act(() => core.tick(host.now())))
  }

  const act = (what: () => void): void => {
    if (isOver) return
    what()
    plan()
  }

  const open = (id: number, port: number): void => {
    const socket = host.udp({ address: family === 4 ? '0.0.0.0' : '::', port })
    sockets.set(id, socket)
    socket.onReady(() => act(() => core.opened(id, socket.local.port, host.now())))
    // What can't be sent is as good as lost.
    socket.onError((_error, fatal) => fatal && act(() => core.opened(id, undefined, host.now())))
    socket.onDatagram((bytes, from) => act(() => core.receive(id, bytes, from, host.now())))
  }

  const core = make({
    open,
    send: (id, bytes, to) => sockets.get(id)?.send(bytes, to),
    randomBytes: count => host.randomBytes(count),
  })
  act(() => core.start(host.now()))
  return {
    stop() {
      isOver = true
      cancel()
      for (const socket of sockets.values()) socket.close()
    },
  }
}
