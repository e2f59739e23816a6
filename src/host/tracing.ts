// Law: types only from outside. A host like the one it wraps, that tells of every datagram in and out.
import { type Endpoint, familyOf, isLoopback, isWildcard } from '../endpoint.ts'
import { hostAround } from '../host-around.ts'
import type { Host, UdpSocket } from '../host.ts'

export type Seen = {
  readonly direction: 'sent' | 'received'
  readonly timeMs: number
  readonly local: Endpoint
  readonly remote: Endpoint
  /** Only for the moment: they belong to others. */
  readonly bytes: Uint8Array
}

export const createTracingHost = (host: Host, onSeen: (seen: Seen) => void): Host => {
  /** Of a socket that is bound to all addresses: the one it most likely sends from. */
  const localOf = ({ local }: UdpSocket, remote: Endpoint): Endpoint => {
    if (!isWildcard(local.address)) return local
    const family = familyOf(remote.address)
    const loopback = family === 4 ? '127.0.0.1' : '::1'
    const own = host.addresses().find(address => familyOf(address) === family)
    return { address: isLoopback(remote.address) ? loopback : (own ?? local.address), port: local.port }
  }
  const tell = (direction: Seen['direction'], socket: UdpSocket, remote: Endpoint, bytes: Uint8Array): void =>
    onSeen({ direction, timeMs: host.now(), local: localOf(socket, remote), remote, bytes })

  const udp = (at?: Partial<Endpoint>): UdpSocket => {
    const socket = host.udp(at)
    return {
      get local() {
        return socket.local
      },
      get receiveBufferBytes() {
        return socket.receiveBufferBytes
      },
      send(bytes, to, options) {
        tell('sent', socket, to, bytes)
        socket.send(bytes, to, options)
      },
      onDatagram: handler =>
        socket.onDatagram((bytes, from) => {
          tell('received', socket, from, bytes)
          handler(bytes, from)
        }),
      onReady: handler => socket.onReady(handler),
      onError: handler => socket.onError(handler),
      close: () => socket.close(),
    }
  }
  return hostAround(host, { udp })
}
