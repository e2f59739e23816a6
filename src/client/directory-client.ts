// Drives a membership and its peers with a host's sockets and clock. Knows neither real sockets nor a simulation.
import { type Endpoint, type Family, familyOf, parseAddress } from '../endpoint.ts'
import { StageError } from '../errors.ts'
import type { Host, TcpConnection, UdpSocket } from '../host.ts'
import { encodeUtf8 } from '../utf8.ts'
import { createAlarm } from './alarm.ts'
import type { DirectoryEvent, Listed } from './directory-events.ts'
import { createMembership } from './directory-membership.ts'
import { type Sent, createPeers } from './directory-peers.ts'
import { nameRefusal } from './own-name.ts'
import { jittered, retryDelayMs } from './schedule.ts'

export type DirectoryClientOptions = {
  /** Name or IP address of the Stage Manager. */
  server: string
  port?: number
  /** Without one, `nickname-wanted` asks for it. */
  nickname?: string
  /** Gives up when the server does not see us by then. Default: never. */
  timeoutMs?: number
  /** Whoever listens here sees every event, in order and at once. */
  onEvent?: (event: DirectoryEvent) => void
}

export type DirectoryClient = {
  readonly nick: string | undefined
  readonly state: 'away' | 'naming' | 'welcome' | 'bound'
  /** Whom we talk to. */
  readonly peer: Listed | undefined
  /** Why it can't be one, in words. */
  setNickname(nick: string): string | undefined
  /** These two: false while the server is away. */
  list(): boolean
  query(nick: string): boolean
  say(text: string): Sent
  /** Says goodbye to the server. */
  close(): void
}

/** Another address is tried when this one has not answered for so long. */
const connectMs = 3000
const missesUntilLookup = 2
const waitingMs = 5000
const waitingAgainMs = 30_000
const mostServers = 8

export const joinDirectory = (host: Host, options: DirectoryClientOptions): DirectoryClient => {
  const { server, port = 8080, timeoutMs, onEvent = () => {} } = options
  const startedMs = host.now()
  const sockets = new Map<Family, UdpSocket>()
  let servers: readonly Endpoint[] = []
  let next = 0
  let misses = 0
  let connection: TcpConnection | undefined
  let closed = false
  let cancelRetry = (): void => {}
  let cancelAttempt = (): void => {}
  let cancelWaiting = (): void => {}
  let cancelTimeout = (): void => {}

  const emit = (event: DirectoryEvent): void => {
    if (closed) return
    if (event.event === 'welcome') misses = 0
    if (event.event === 'bound') cancelTimeout()
    onEvent(event)
  }

  const membership = createMembership({
    random: () => host.random(),
    say: line => connection?.send(encodeUtf8(`${line}\n`)),
    bind: bytes => connection && sendTo(bytes, connection.remote),
    onEvent: emit,
    onPeer: peer => peers.talkTo(peer, host.now()),
    onQueriedBy: caller => peers.queriedBy(caller, host.now()),
  })
  const peers = createPeers({
    me: () => membership.nick ?? '',
    server: () => connection?.remote,
    send: (bytes, to) => sendTo(bytes, to),
    onEvent: emit,
  })

  /** One socket to the server and to the peers: it is its endpoint that the server shows. */
  const socketFor = (family: Family): UdpSocket => {
    const known = sockets.get(family)
    if (known) return known
    const socket = host.udp({ address: family === 4 ? '0.0.0.0' : '::', port: 0 })
    sockets.set(family, socket)
    socket.onDatagram((bytes, from) => {
      if (closed || from.port === 0) return
      peers.receive(bytes, from, host.now())
      alarm.set()
    })
    socket.onError((error, fatal) => {
      if (fatal && !closed) fail(new StageError('cannot-bind', `No UDP socket can be opened: ${error.message}`))
    })
    return socket
  }

  const sendTo = (bytes: Uint8Array, to: Endpoint): void => {
    if (!closed) socketFor(familyOf(to.address)).send(bytes, to)
  }

  const alarm = createAlarm(
    host,
    () => Math.min(membership.deadline(), peers.deadline()),
    nowMs => {
      membership.tick(nowMs)
      peers.tick(nowMs)
    },
  )

  const dial = (): void => {
    // The server gives whoever connects five seconds to say a name.
    if (closed || connection || membership.nick === undefined) return
    const to = servers[next++ % servers.length]
    if (!to) return lookup()
    const attempt = host.tcpConnect(to)
    connection = attempt
    emit({ event: 'connecting', server: to })
    cancelAttempt = host.after(connectMs, () => attempt.abort())
    attempt.onOpen(() => {
      cancelAttempt()
      if (!closed) membership.opened(to)
    })
    attempt.onData(bytes => {
      if (closed) return
      membership.receive(bytes, host.now())
      alarm.set()
    })
    attempt.onClose(() => {
      cancelAttempt()
      connection = undefined
      if (!closed) lost(to)
    })
  }

  const lost = (to: Endpoint): void => {
    const wasThere = membership.state !== 'away'
    membership.lost(host.now())
    if (wasThere) {
      emit({ event: 'disconnected', server: to })
      watchWaiting(waitingMs)
    }
    if (closed) return
    // Where the name has several addresses, all are tried before there is a pause.
    const isRound = next % Math.max(1, servers.length) === 0
    const delayMs = isRound || wasThere ? jittered(retryDelayMs(misses), host.random()) : 0
    if (isRound || wasThere) misses++
    cancelRetry()
    cancelRetry = host.after(delayMs, misses >= missesUntilLookup ? lookup : dial)
    alarm.set()
  }

  const lookup = (): void => {
    const literal = parseAddress(server)
    if (literal) return found([literal])
    host.resolve(server, (addresses, error) => {
      if (closed) return
      if (addresses.length > 0 || servers.length > 0) return found(addresses)
      const remedy = 'check the spelling of -s, or give an IP address'
      fail(new StageError('unknown-host', `No such host: ${server}: ${remedy}`, { cause: error }))
    })
  }

  const found = (addresses: readonly string[]): void => {
    // IPv4 first, as the other dialects do: two that choose differently can't meet.
    const ordered = [...addresses].sort((a, b) => familyOf(a) - familyOf(b)).slice(0, mostServers)
    if (ordered.length > 0) servers = ordered.map(address => ({ address, port }))
    dial()
  }

  const watchWaiting = (ms: number): void => {
    cancelWaiting()
    cancelWaiting = host.after(ms, () => {
      if (membership.state === 'bound' || membership.nick === undefined) return
      const on = membership.state === 'welcome' ? 'binding' : 'server'
      emit({ event: 'waiting', on, elapsedMs: host.now() - startedMs })
      if (!closed) watchWaiting(waitingAgainMs)
    })
  }

  const fail = (error: StageError): void => {
    emit({ event: 'failed', reason: error.code, error })
    close()
  }

  const giveUp = (): void => {
    const seconds = (timeoutMs ?? 0) / 1000
    const what =
      membership.state === 'welcome' ? `None of our UDP datagrams has arrived at ${server}` : `No answer from ${server}`
    const remedy = `is test-server running there, and is port ${port} open for TCP and UDP?`
    fail(new StageError('server-unreachable', `${what}, port ${port}, in ${seconds} s: ${remedy}`))
  }

  const close = (): void => {
    if (closed) return
    membership.ask({ verb: 'EXIT' })
    emit({ event: 'closed' })
    closed = true
    alarm.stop()
    for (const cancel of [cancelRetry, cancelAttempt, cancelWaiting, cancelTimeout]) cancel()
    connection?.close()
    for (const socket of sockets.values()) socket.close()
  }

  const setNickname = (wanted: string): string | undefined => {
    const nick = wanted.normalize('NFC')
    const refusal = nameRefusal(nick)
    if (refusal) return `The name ${refusal}`
    membership.setNickname(nick, host.now())
    watchWaiting(waitingMs)
    if (!connection) dial()
    alarm.set()
    return undefined
  }

  const refusal = options.nickname === undefined ? undefined : setNickname(options.nickname)
  if (refusal) throw new StageError('name-refused', refusal)
  if (timeoutMs !== undefined) cancelTimeout = host.after(timeoutMs, giveUp)
  if (options.nickname === undefined) host.after(0, () => emit({ event: 'nickname-wanted' }))

  return {
    get nick() {
      return membership.nick
    },
    get state() {
      return membership.state
    },
    get peer() {
      return peers.peer
    },
    setNickname,
    list: () => membership.ask({ verb: 'LIST' }),
    query: nick => membership.ask({ verb: 'QUERY', nick: nick.normalize('NFC') }),
    say(text) {
      const sent = closed ? 'nobody' : peers.say(text, host.now())
      alarm.set()
      return sent
    },
    close,
  }
}
