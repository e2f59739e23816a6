// What test-server prints by default. The lines of the older server stand as they always did, for people's scripts look
// for them; what is new stands on lines of its own.
import type { Colors } from 'picocolors/types.js'
import { type Endpoint, formatEndpoint } from '../endpoint.ts'
import type { Counters, ServerEvent } from '../server/events.ts'
import { visible } from '../visible.ts'
import { sentText } from './sent.ts'
import { directoryLine } from './directory-lines.ts'

/** Above so many registrations a second, the rest of the second becomes one line. */
const mostInASecond = 20
const wantedReceiveBuffer = 4 * 1024 * 1024

export type ServerTranscript = {
  show(event: ServerEvent): void
  /** To be called once a second. */
  second(): void
}

/** `line` prints one line, `warn` one for the operator's attention. */
export const createServerTranscript = (
  line: (text: string) => void,
  warn: (text: string) => void,
  colors: Colors,
): ServerTranscript => {
  let thisSecond = 0
  let asksThisSecond = 0
  let skipped = { refreshed: 0, added: 0, moved: 0 }
  let saidFull = false
  let saidElsewhere = false
  let wasReady = false

  const registered = (event: ServerEvent & { event: 'registered' }): void => {
    if (event.door === 'numbered') return // asked says it
    if (++thisSecond > mostInASecond) {
      skipped[event.change]++
      return
    }
    const { endpoint, slot, change, stage, door } = event
    const name = visible(event.name)
    if (door === 'connect') return line(`+ REGISTERED ${host(endpoint)}: ${name}`)
    line(`Client from ${host(endpoint)} : ${endpoint.port} sent: ${name}${stage ? ` (stage ${visible(stage)})` : ''}`)
    line(
      `${change === 'added' ? 'Adding' : 'Updating'} client #${slot} ${change === 'added' ? 'to' : 'in'} table of clients.`,
    )
    for (const bytes of event.sent) for (const row of rows(bytes)) line(row)
  }

  /** The words of the older servers of connect and numbered. */
  const asked = (event: ServerEvent & { event: 'asked' }): void => {
    if (event.door === 'directory') return // a line of its own says it
    if (++asksThisSecond > mostInASecond) return
    const { door, verb, name = '', peer = '', to } = event
    const client = pair(event.from)
    if (door === 'connect') line(`+ CONNECTED ${visible(name)} ${visible(peer)}`)
    if (door !== 'numbered') return
    line(`Received ${verb} Request From Client: ${client}${to ? ` To Client: ${pair(to)}` : ''}`)
  }

  return {
    show(event) {
      const said = directoryLine(event)
      if (said !== undefined && ++asksThisSecond <= mostInASecond) line(said)
      switch (event.event) {
        case 'ready': {
          wasReady = true
          const speaking = event.endpoints.filter(endpoint => !event.forStun.includes(endpoint))
          for (const port of portsOf(speaking)) line(`Connection Server ready to receive on port ${port}.`)
          line('Make sure this is reachable from the internet.')
          const others = portsOf(event.forStun).filter(port => !portsOf(speaking).includes(port))
          for (const port of others) line(`Port ${port} too, for STUN alone: clients learn from it how their NATs map.`)
          return
        }
        case 'listening':
          if (event.receiveBufferBytes !== undefined && event.receiveBufferBytes < wantedReceiveBuffer) {
            warn(bufferWarning(event.receiveBufferBytes))
          }
          return
        case 'registered':
          return registered(event)
        case 'asked':
          return asked(event)
        case 'internal-error':
          return warn(`internal error: ${event.error.message}; the server goes on. Please report this.`)
        case 'unserved':
          return warn(`${event.error.message}. Without it, the ${event.door} dialect is not served there.`)
        case 'dialled-elsewhere':
          if (!saidElsewhere) warn(elsewhere(event.to))
          saidElsewhere = true
          return
        case 'displaced':
          if (!saidFull) line(colors.yellow('**WARNING** TOO MANY CLIENTS, STARTING TO DROP THE OLDEST ONES**'))
          saidFull = true
          return
        case 'closed':
          return wasReady ? line(`Stopped after ${countersText(event.counters)}.`) : undefined
      }
    },
    second() {
      const { refreshed, added, moved } = skipped
      if (thisSecond > mostInASecond) {
        const kinds = `${added} added, ${moved} moved, ${refreshed} refreshed`
        line(`${thisSecond - mostInASecond} more registrations in this second: ${kinds}.`)
      }
      if (asksThisSecond > mostInASecond) line(`${asksThisSecond - mostInASecond} more requests in this second.`)
      thisSecond = 0
      asksThisSecond = 0
      skipped = { refreshed: 0, added: 0, moved: 0 }
    },
  }
}

/** Said once: after that the operator knows. */
const elsewhere = (to: Endpoint): string =>
  `a client has dialled ${formatEndpoint(to)}, which this server does not know to be its own: names can have no owners there. ` +
  `If it is: --public ${formatEndpoint(to)}`

const portsOf = (endpoints: readonly Endpoint[]): number[] => [...new Set(endpoints.map(({ port }) => port))]

const bufferWarning = (bytes: number): string =>
  `the system gave a receive buffer of ${Math.round(bytes / 1024)} KiB instead of 4096: ` +
  'a burst of clients may be lost; as root: sysctl net.core.rmem_max=4194304'

/** All that was counted, in a line. */
export const countersText = (counters: Counters): string => {
  const { answered, ...dropped } = counters.dispositions
  const reasons = Object.entries(dropped).filter(([, count]) => count > 0)
  const why = reasons.map(([reason, count]) => `${count} ${reason}`).join(', ')
  const { accepted, open, parted } = counters.connections
  const usual = ['left', 'dropped', 'closed']
  const sentAway = Object.entries(parted).filter(([parting, count]) => count > 0 && !usual.includes(parting))
  const partings = sentAway.map(([parting, count]) => `${count} ${parting}`).join(', ')
  const held = counters.unpaid + counters.pushesSuppressed
  return (
    `${counters.datagramsIn} datagrams: ${answered} answered, ` +
    `${counters.datagramsIn - answered} dropped${why && ` (${why})`}, ${counters.pushed} pushed` +
    `${held > 0 ? `, ${held} held back by the limits` : ''}; ${counters.entries} in the phonebook` +
    (accepted > 0 ? `; ${accepted} connections, ${open} open${partings && ` (${partings})`}` : '')
  )
}

/** As Python prints an address. */
const pair = ({ address, port }: Endpoint): string => `('${address}', ${port})`

const host = ({ address, port }: Endpoint): string => formatEndpoint({ address, port }).slice(0, -`:${port}`.length)

/** Of each line that was sent the five fields. */
const rows = (bytes: Uint8Array): string[] =>
  sentText(bytes)
    .split('\n')
    .map(row => visible(row.split(',', 5).join(',')))
