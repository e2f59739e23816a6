// Law: pure. What the dialects say alike.
import { formatEndpoint } from '../../endpoint.ts'
import type { DoorEvent } from '../../client/door-events.ts'
import { longestText } from '../../dialects/phonebook/peer.ts'
import { visible } from '../../visible.ts'
import { pieces } from '../pieces.ts'
import type { Screen } from './door.ts'

/** Says what has the same words in every dialect; false where it has none. */
export const showCommon = (event: DoorEvent, { note }: Screen): void => {
  switch (event.event) {
    case 'stranger': {
      const where = formatEndpoint(event.endpoint)
      return note(`Text of ${event.length} bytes from a stranger at ${where}: ${visible(event.text, 80)}`)
    }
    case 'refused': {
      const where = formatEndpoint(event.endpoint)
      return note(`The server has ${visible(event.peer)} at ${where}, which ${event.why}: not tried.`)
    }
    case 'unsent':
      return note(`Not sent to ${visible(event.peer)}, as ${event.why}: ${visible(event.text, 80)}`)
    case 'given-up':
      return note(`The server did not answer to ${event.verb}.`)
    case 'rejected':
      return note(`The server refuses: ${visible(event.reason, 200)}`)
  }
}

type Said = 'sent' | 'held' | 'too-long' | 'not-connected' | 'too-many'

/** Says a typed line, in as many datagrams as it needs. */
export const sayLine = (line: string, say: (text: string) => Said, { note }: Screen): void => {
  for (const piece of pieces(line, longestText - 1)) {
    const said = say(piece)
    if (said === 'too-many') return note('Not sent: too much is waiting for a sign of life from the peer.')
  }
}
