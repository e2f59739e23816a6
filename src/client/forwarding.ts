// A port of the gateway that is forwarded to us, where that is wanted: which one, and until when.
import { type Endpoint, isLoopback } from '../endpoint.ts'
import type { Host, PortMappingNews } from '../host.ts'
import type { ClientEvent } from './events.ts'

export type ForwardingOptions = {
  readonly host: Host
  /** Where the server sees us. */
  readonly seen: () => Endpoint | undefined
  readonly onEvent: (event: ClientEvent) => void
  /** Another endpoint is to be offered, or none any more. */
  readonly onChanged: () => void
}

export type Forwarding = {
  /** What the gateway forwards now. */
  readonly endpoint: Endpoint | undefined
  /** Once: `port` is our IPv4 socket's, if there is one. */
  begin(server: Endpoint | undefined, port: number | undefined): void
  /** Takes it back; `done` comes at once where there is nothing to be taken back. */
  end(done: () => void): void
}

export const createForwarding = ({ host, seen, onEvent, onChanged }: ForwardingOptions): Forwarding => {
  let endpoint: Endpoint | undefined
  let begun = false
  let takeBack = (done: () => void): void => done()

  const hear = (news: PortMappingNews): void => {
    endpoint = 'endpoint' in news ? news.endpoint : undefined
    const now = seen()
    if ('problem' in news) onEvent({ event: 'port-mapping-failed', problem: news.problem })
    else onEvent({ event: 'port-mapped', ...news, ...(now && { seen: now }) })
    onChanged()
  }

  return {
    get endpoint() {
      return endpoint
    },
    begin(server, port) {
      if (begun || !server) return
      begun = true
      const problem = isLoopback(server.address)
        ? 'No port is forwarded: the Stage Manager is on this very machine, and no router in between.'
        : port === undefined
          ? 'No port is forwarded: the Stage Manager is reached over IPv6, which needs none.'
          : 'No port is forwarded: this host has no router to ask.'
      if (port === undefined || isLoopback(server.address) || !host.mapPort) return hear({ problem })
      takeBack = host.mapPort(port, hear)
    },
    end: done => takeBack(done),
  }
}
