// A UDP port of 127.0.0.1 for a program that is about to be started.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'

/** Below those that systems give to whoever asks for any one: such a port could be somebody else's by the time that it is used. */
const [first, count] = [10_240, 20_480]
/** A server takes the next one too, for STUN. */
const apart = 2
/** Processes that run side by side begin at ports of their own. */
let next = (process.pid * 64) % count

export const freePort = async (): Promise<number> => {
  const port = first + next
  next = (next + apart) % count
  const socket = createSocket('udp4')
  try {
    socket.bind(port, '127.0.0.1')
    await once(socket, 'listening')
    return port
  } catch {
    return freePort()
  } finally {
    socket.close()
  }
}
