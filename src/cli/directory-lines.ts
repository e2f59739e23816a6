// What test-server prints of the directory: who came, who asked for whom, who left.
import type { ServerEvent } from '../server/events.ts'
import { visible } from '../visible.ts'

/** One line, or none; not for every connection, as most of those that are refused or silent are of no interest. */
export const directoryLine = (event: ServerEvent): string | undefined => {
  if (event.event === 'asked' && event.door === 'directory') {
    const words = [event.verb, event.name, event.peer].filter(word => word !== undefined)
    return event.verb === 'EXIT' ? undefined : `+ ${visible(words.join(' '))}`
  }
  if (event.event !== 'parted' || event.name === undefined) return undefined
  return `- ${visible(event.name)} (${event.parting})`
}
