// The dialects that test-client speaks beside the phonebook's own.
import debug from 'debug'
import { type ChatOptions, chat } from '../chat.ts'
import { connectDoor } from './connect.ts'
import { numberedDoor } from './numbered.ts'
import { stunDoor } from './stun.ts'

export type Who = { readonly name: string; readonly peer: string | undefined; readonly offerHosts: boolean }

export const chatIn = (dialect: 'connect' | 'stun' | 'numbered', options: ChatOptions, who: Who): Promise<number> => {
  switch (dialect) {
    case 'connect':
      return chat(options, connectDoor(who.name, who.peer))
    case 'stun': {
      const { name: me, peer = '', offerHosts } = who
      const log = debug('stage:stun')
      return chat(options, stunDoor({ me, peer, offerHosts, trace: log.enabled ? text => log('%s', text) : undefined }))
    }
    case 'numbered':
      return chat(options, numberedDoor())
  }
}
