// A flood from many sources on loopback, at a steady rate.
import { type Socket, createSocket } from 'node:dgram'
import { setTimeout as sleep } from 'node:timers/promises'

const sourceCount = 256
const tickMs = 5
/** In a flood of fresh sources, so many are closed and opened again in a tick. */
const freshPerTick = 2

export type Flood = {
  /** Resolves with the datagrams a second that it managed to send. */
  run(perSecond: number, seconds: number): Promise<number>
  /** As many as that at once. */
  burst(count: number): void
  close(): void
}

/** 127.1.0.1 and so on: each one a source of its own. */
const open = async (index: number): Promise<Socket> => {
  const socket = createSocket({ type: 'udp4', lookup: (name, _options, callback) => callback(null, name, 4) })
  socket.on('error', () => {}) // what a full buffer refuses is lost, like on any network
  // With a synchronous lookup it may listen before `bind` returns.
  await new Promise<void>(resolve => socket.bind(0, `127.1.${(index >> 8) & 255}.${index & 255 || 1}`, resolve))
  return socket
}

/** Every datagram has a name that was never there; with `fresh` the sources keep changing too. */
export const openFlood = async (port: number, fresh = false): Promise<Flood> => {
  const sockets = await Promise.all(Array.from({ length: sourceCount }, (_, i) => open(i)))
  let sent = 0
  let opened = sourceCount
  const send = (): void => {
    const bytes = sent % 2 === 0 ? `flood${sent}` : `flood${sent} v=2 seek=flood${sent - 1}`
    sockets[sent++ % sourceCount]?.send(bytes, port, '127.0.0.1')
  }
  const refresh = async (): Promise<void> => {
    for (let i = 0; i < freshPerTick; i++) {
      const slot = opened++ % sourceCount
      const next = await open(opened)
      sockets[slot]?.close()
      sockets[slot] = next
    }
  }
  return {
    async run(perSecond, seconds) {
      const startedMs = performance.now()
      const first = sent
      for (let elapsed = 0; elapsed < seconds; elapsed = (performance.now() - startedMs) / 1000) {
        const due = Math.min(perSecond * elapsed - (sent - first), (perSecond * tickMs * 4) / 1000)
        for (let i = 0; i < due; i++) send()
        if (fresh) await refresh()
        await sleep(tickMs)
      }
      return (sent - first) / ((performance.now() - startedMs) / 1000)
    },
    burst(count) {
      for (let i = 0; i < count; i++) send()
    },
    close: () => sockets.forEach(socket => socket.close()),
  }
}
