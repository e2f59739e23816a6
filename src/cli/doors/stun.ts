// The stun dialect at the terminal: docs/dialects.md section 3.
import { formatEndpoint } from '../../endpoint.ts'
import { type StunClient, type StunClientOptions, createStunClient } from '../../client/stun-client.ts'
import { visible } from '../../visible.ts'
import type { DoorTalk } from './door.ts'
import { sayLine, showCommon } from './words.ts'

export const stunDoor = (options: StunClientOptions): DoorTalk<StunClient> => ({
  create: outside => createStunClient(outside, options),
  isBusy: client => client.endpoint === undefined,

  show(event, screen) {
    switch (event.event) {
      case 'registered':
        return screen.line(
          `Registered; the server sees us at ${event.endpoint ? formatEndpoint(event.endpoint) : '?'}.`,
        )
      case 'introduced':
        return screen.line(`${visible(event.peer)} is at ${formatEndpoint(event.endpoint)}.`)
      case 'connected': {
        const after = `${Math.round(event.elapsedMs)} ms`
        return screen.line(`Connected to ${visible(event.peer)} at ${formatEndpoint(event.endpoint)} after ${after}.`)
      }
      case 'message':
        return screen.line(visible(event.text))
      default:
        return showCommon(event, screen)
    }
  },

  typed(line, { core, act }, screen) {
    if (core.endpoint) sayLine(line, text => act((client, nowMs) => client.say(text, nowMs)), screen)
    else screen.note(`Not sent: the server has not said yet where ${visible(options.peer)} is.`)
    return undefined
  },
})
