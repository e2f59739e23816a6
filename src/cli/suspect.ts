// Which dialect a silent server may speak: from what did come back, from what a TCP connection to its port says by itself (a
// directory server asks for a nickname), from its port. No datagram is sent for it: the older servers die of strange ones.
import { connect } from 'node:net'
import type { Endpoint } from '../endpoint.ts'
import type { Door } from '../entry.ts'

/** Where the programs of a dialect are usually found. */
const usualPorts: Readonly<Record<number, Door>> = { 3478: 'stun', 9999: 'connect' }
const greetingWithinMs = 1000
const greeting = 'NICKNAME?'

export type Silence = { readonly servers: readonly Endpoint[]; readonly looksLike?: Door }

/** Undefined where nothing speaks for another dialect than the one that got no answer. */
export const suspect = async (spoken: Door, { servers, looksLike }: Silence): Promise<Door | undefined> => {
  const [server] = servers
  const found = looksLike ?? (server && ((await asksForNickname(server)) ? 'directory' : usualPorts[server.port]))
  return found === spoken ? undefined : found
}

export const suspicion = (dialect: Door): string =>
  `No answer in 3 s: the server seems to speak ${dialect}: try --dialect ${dialect}`

const asksForNickname = ({ address, port }: Endpoint): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect({ host: address, port })
    let said = ''
    const done = (): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(said.startsWith(greeting))
    }
    const timer = setTimeout(done, greetingWithinMs)
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      said += text
      if (said.length >= greeting.length) done()
    })
    socket.on('error', done)
    socket.on('close', done)
  })
