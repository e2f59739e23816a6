// Fresh sockets beside the one that is registered, each by its number: for samples of our NAT and for attempts.
import { type Endpoint, familyOf } from '../endpoint.ts'
import type { Host, UdpSocket } from '../host.ts'
import { type Exchanges, type Outside, createExchanges } from '../behavior/exchanges.ts'
import { mainSocket } from './paths.ts'

export type ExtrasOptions = {
  readonly host: Host
  /** By the registered socket. */
  readonly sendByMain: (bytes: Uint8Array, to: Endpoint) => void
  /** What came to a fresh socket and was no answer to an exchange. */
  readonly onDatagram: (bytes: Uint8Array, from: Endpoint, via: number) => void
  /** Something was done: it may want to be woken at another time. */
  readonly onActive: () => void
}

export type Extras = {
  readonly exchanges: Exchanges
  /** Opens so many; `done` with those that could be had. */
  open(count: number, done: (vias: readonly number[], nowMs: number) => void): void
  send(bytes: Uint8Array, to: Endpoint, via: number, ttl?: number): void
  close(via: number): void
  /** All but this one. */
  keepOnly(via: number | undefined): void
}

/** Their family is that of the server. */
export const createExtras = (
  { host, sendByMain, onDatagram, onActive }: ExtrasOptions,
  family: () => 4 | 6,
): Extras => {
  const sockets = new Map<number, UdpSocket>()

  const outside: Outside = {
    open(id, port) {
      const socket = host.udp({ address: family() === 4 ? '0.0.0.0' : '::', port })
      sockets.set(id, socket)
      socket.onReady(() => {
        if (sockets.get(id) !== socket) return
        exchanges.opened(id, socket.local.port, host.now())
        onActive()
      })
      socket.onError((_error, fatal) => {
        if (!fatal) return // what can't be sent is as good as lost
        sockets.delete(id)
        exchanges.opened(id, undefined, host.now())
        onActive()
      })
      socket.onDatagram((bytes, from) => {
        if (sockets.get(id) !== socket || from.port === 0) return
        if (!exchanges.receive(id, bytes, from, host.now())) onDatagram(bytes, from, id)
        onActive()
      })
    },
    send: (id, bytes, to) => (id === mainSocket ? sendByMain(bytes, to) : sockets.get(id)?.send(bytes, to)),
    randomBytes: count => host.randomBytes(count),
  }
  const exchanges = createExchanges(outside)

  const close = (via: number): void => {
    sockets.get(via)?.close()
    sockets.delete(via)
  }

  return {
    exchanges,
    open(count, done) {
      const vias: number[] = []
      let pending = count
      for (let i = 0; i < count; i++) {
        exchanges.open(0, (socket, nowMs) => {
          if (socket) vias.push(socket.id)
          if (--pending === 0) done(vias, nowMs)
        })
      }
    },
    send(bytes, to, via, ttl) {
      const socket = sockets.get(via)
      if (socket && familyOf(to.address) === family()) socket.send(bytes, to, ttl === undefined ? undefined : { ttl })
    },
    close,
    keepOnly(via) {
      for (const each of sockets.keys()) if (each !== via) close(each)
    },
  }
}
