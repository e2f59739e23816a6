// The numbered dialect at the terminal: docs/dialects.md section 5. The words are the older program's.
import type { Endpoint } from '../../endpoint.ts'
import { nameProblem } from '../../name.ts'
import { type NumberedClient, createNumberedClient } from '../../client/numbered-client.ts'
import { rowOf } from '../../dialects/numbered/codec.ts'
import { longestText } from '../../dialects/phonebook/peer.ts'
import { utf8Length } from '../../utf8.ts'
import { visible } from '../../visible.ts'
import type { DoorTalk, Screen } from './door.ts'
import { showCommon } from './words.ts'

const menu = ['Choose:', '1.MY ID', '2.LIST', '3.CONNECT', '4.EXIT']
const askId = 'Enter the id of client you want to connect: '
const askMessage = 'Enter the message you want to send: '

export const numberedDoor = (): DoorTalk<NumberedClient> => {
  /** What the next line is. */
  let wanted: 'choice' | 'id' | 'message' = 'choice'
  let to = ''

  const choose = (screen: Screen): void => {
    wanted = 'choice'
    screen.prompt('')
    for (const row of menu) screen.line(row)
  }

  return {
    create: createNumberedClient,
    isOpen: true,
    begin: choose,
    isBusy: client => client.id === undefined || client.isBusy,

    show(event, screen) {
      switch (event.event) {
        case 'registered':
          return screen.line(`You Have Been Registered Successfully. Your Id is: ${visible(event.name)}`)
        case 'listed':
          for (const row of event.rows) screen.line(visible(rowOf(row)))
          return event.rows.length === 0 ? screen.note('Nobody else is there.') : undefined
        case 'message':
          return screen.line(`Received Incoming Message From ${pair(event.endpoint)}: ${visible(event.text)}`)
        case 'unknown':
          return screen.note(`The server knows no client ${visible(event.peer)}.`)
        default:
          return showCommon(event, screen)
      }
    },

    typed(line, { core, act }, screen) {
      if (wanted === 'id') {
        to = line.trim().normalize('NFC')
        if (nameProblem(to) === undefined) {
          wanted = 'message'
          screen.prompt(askMessage)
          return undefined
        }
        screen.note(`${JSON.stringify(to)} can be no id.`)
      } else if (wanted === 'message') {
        if (utf8Length(line) < longestText) act((client, nowMs) => client.say(to, line, nowMs))
        else screen.note(`Not sent: a message has less than ${longestText} bytes.`)
      } else {
        switch (line.trim()) {
          case '1':
          case 'MY ID':
            screen.line(`Your ID is: ${core.id ?? 'not known yet'}`)
            break
          case '2':
          case 'LIST':
            act((client, nowMs) => client.list(nowMs))
            break
          case '3':
          case 'CONNECT':
            wanted = 'id'
            screen.prompt(askId)
            return undefined
          case '4':
          case 'EXIT':
            act((client, nowMs) => client.exit(nowMs))
            return undefined
        }
      }
      choose(screen)
      return undefined
    },
  }
}

/** As Python prints an address. */
const pair = ({ address, port }: Endpoint): string => `('${address}', ${port})`
