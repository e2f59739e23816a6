// The dialects that test-client speaks beside the phonebook's own.
import debug from 'debug'
import { type ChatOptions, chat } from '../chat.ts'
import { connectDoor } from './connect.ts'
import { numberedDoor } from './numbered.ts'
import { stunDoor } from './stun.ts'

export type Who = { readonly name: string | undefined; readonly peer: string | undefined; readonly offerHosts: boolean }

export const chatIn = (dialect: 'connect' | 'stun' | 'numbered', options: ChatOptions, who: Who): Promise<number> => {
  const [me, peer] = [who.name?.normalize('NFC') ?? '', who.peer?.normalize('NFC')]
  switch (dialect) {
    case 'connect':
      return chat(options, connectDoor(me, peer))
    case 'stun': {
      const log = debug('stage:stun')
      return chat(
        options,
        stunDoor({
          me,
          peer: peer ?? '',
          offerHosts: who.offerHosts,
          trace: log.enabled ? text => log('%s', text) : undefined,
        }),
      )
    }
    case 'numbered':
      return chat(options, numberedDoor())
  }
}
