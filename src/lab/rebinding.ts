// A host behind a NAT that forgets: its programs keep their sockets, and the world sees them at other ports.
import type { Endpoint } from '../endpoint.ts'
import { hostAround } from '../host-around.ts'
import type { Host, UdpSocket } from '../host.ts'

export type RebindingHost = {
  readonly host: Host
  /** From now on everything leaves by new ports; what is sent to the ones before is lost. */
  rebind(): void
}

export const behindForgetfulNat = (inner: Host): RebindingHost => {
  const open = new Set<() => void>()
  const udp: Host['udp'] = at => {
    let socket = inner.udp(at)
    let local: Endpoint = socket.local
    let onDatagram: Parameters<UdpSocket['onDatagram']>[0] = () => {}
    let onError: Parameters<UdpSocket['onError']>[0] = () => {}
    const listen = (): void => {
      socket.onDatagram((bytes, from) => onDatagram(bytes, from))
      socket.onError((error, fatal) => onError(error, fatal))
    }
    const rebind = (): void => {
      socket.close()
      socket = inner.udp({ ...at, port: 0 })
      listen()
    }
    listen()
    open.add(rebind)
    return {
      /** As the program knows it. */
      get local() {
        return local
      },
      send: (bytes, to, options) => socket.send(bytes, to, options),
      onDatagram: handler => void (onDatagram = handler),
      onReady: handler =>
        socket.onReady(() => {
          local = socket.local
          handler()
        }),
      onError: handler => void (onError = handler),
      close() {
        open.delete(rebind)
        socket.close()
      },
    }
  }
  return {
    host: hostAround(inner, { udp }),
    rebind: () => open.forEach(rebind => rebind()),
  }
}
