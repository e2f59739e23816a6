// The connect dialect at the terminal: docs/dialects.md section 2. The words are the older program's.
import { formatEndpoint } from '../../endpoint.ts'
import { nameProblem } from '../../name.ts'
import { type ConnectClient, createConnectClient } from '../../client/connect-client.ts'
import { visible } from '../../visible.ts'
import type { DoorTalk } from './door.ts'
import { sayLine, showCommon } from './words.ts'

export const connectDoor = (me: string, peer: string | undefined): DoorTalk<ConnectClient> => ({
  create: outside => createConnectClient(outside, { me, peer }),
  isBusy: client => client.isConnecting,

  show(event, screen) {
    switch (event.event) {
      case 'registered':
        return screen.line(`REGISTERED ${event.address}`)
      case 'introduced':
        return screen.line(`CONNECTED to ${formatEndpoint(event.endpoint)}`)
      case 'message':
        return screen.line(visible(event.text))
      case 'unknown':
        return screen.line(`ERROR unknown id ${visible(event.peer)}`)
      case 'rejected':
        return screen.line(`ERROR ${visible(event.reason, 200)}`)
      default:
        return showCommon(event, screen)
    }
  },

  typed(line, { core, act }, screen) {
    const [verb, id = '', other = '', ...more] = line.trim().normalize('NFC').split(/\s+/)
    if (line.trim() === 'end') return 'end'
    if (verb === 'REGISTER' && id !== '' && other === '') {
      if (isRefused(id)) screen.note(`${JSON.stringify(id)} can be no id.`)
      else act((client, nowMs) => client.register(id, nowMs))
      return undefined
    }
    if (verb === 'CONNECT' && other !== '' && more.length === 0) {
      if (id !== core.me) screen.note(`Your id is ${visible(core.me)}: CONNECT ${visible(core.me)} [dest_id]`)
      else if (isRefused(other)) screen.note(`${JSON.stringify(other)} can be no id.`)
      else act((client, nowMs) => client.connect(id, other, nowMs))
      return undefined
    }
    if (core.endpoint) sayLine(line, text => act((client, nowMs) => client.say(text, nowMs)), screen)
    else screen.line('Please connect first: CONNECT [your_id] [dest_id]')
    return undefined
  },
})

const isRefused = (id: string): boolean => nameProblem(id) !== undefined || id.includes('=')
