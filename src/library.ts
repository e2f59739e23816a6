// The promises of the library: what the programs do, for programs. Built on the same server and client.
import { type Client, type ClientOptions, connect as startClient } from './client/client.ts'
import type { ClientEvent } from './client/events.ts'
import { type Endpoint, parseAddress } from './endpoint.ts'
import { StageError } from './errors.ts'
import type { Host } from './host.ts'
import { createNodeHost } from './host/node.ts'
import { everywhere } from './server/listeners.ts'
import { type Server, type ServerOptions, createServer as startServer } from './server/server.ts'

export type LibraryServerOptions = Omit<ServerOptions, 'listen'> & {
  /** UDP port; 0: any free one. Default: 8080. */
  port?: number
  /** IP addresses to listen on. Default: every IPv4 and, where there is IPv6, every IPv6 address. */
  hosts?: readonly string[]
  /** Default: this machine. */
  host?: Host
}

/** Resolves when every socket is bound; rejects with a StageError `cannot-bind`. */
export const createServer = ({
  port = 8080,
  hosts,
  host = createNodeHost(),
  onEvent,
  ...rest
}: LibraryServerOptions = {}) =>
  new Promise<Server>((resolve, reject) => {
    checkPort(port, 0)
    checkCount('capacity', rest.capacity)
    checkDuration('expiryMs', rest.expiryMs)
    for (const address of hosts ?? []) {
      if (!parseAddress(address)) throw usage(`hosts: ${JSON.stringify(address)} is not an IP address`)
    }
    const listen = (hosts?.map(address => ({ address })) ?? everywhere).map(at => ({ ...at, port }))
    const server = startServer(host, {
      ...rest,
      listen,
      onEvent(event) {
        onEvent?.(event)
        if (event.event === 'ready') queueMicrotask(() => resolve(server))
        if (event.event === 'error') reject(event.error)
      },
    })
  })

export type ConnectOptions = ClientOptions & {
  /** Ends the attempt, and later the session. */
  signal?: AbortSignal
  /** Default: this machine. */
  host?: Host
}

export type Message = { readonly text: string; readonly bytes: Uint8Array }

export type Session = {
  readonly peer: string
  /** Whether what is said can be read and forged by nobody else; and the key of the peer, then: worth keeping as its `knownKey`. */
  readonly private: boolean
  readonly key: string | undefined
  /** Where the peer is now; it may move. */
  readonly endpoint: Endpoint
  /** Throws a StageError where the peer is lost at the moment, or the message is too long (1,200 bytes) or no text for an older peer. */
  send(message: string | Uint8Array): void
  /** Ends when the session is closed or the peer says goodbye. For one reader. */
  readonly messages: AsyncIterableIterator<Message>
  close(): void
}

/** What nobody reads is kept up to here, the latest messages. */
const mostUnread = 1024

/**
 * Resolves when the two talk directly. Rejects with a StageError: `name-refused`, `unknown-host`, `server-unreachable`,
 * `peer-absent`, `peer-unreached` or `identity-refused` (these after `timeoutMs`), or `interrupted` by the signal.
 */
export const connect = ({ signal, host = createNodeHost(), onEvent, ...options }: ConnectOptions): Promise<Session> =>
  new Promise((resolve, reject) => {
    for (const key of ['server', 'name', 'peer'] as const) {
      if (typeof options[key] !== 'string' || options[key] === '') throw usage(`${key}: a text is needed`)
    }
    checkPort(options.port ?? 8080, 1)
    checkDuration('timeoutMs', options.timeoutMs)
    checkDuration('intervalMs', options.intervalMs)
    if (signal?.aborted) throw interrupted(signal)
    const inbox = createInbox(() => close())
    let client: Client | undefined
    let endpoint: Endpoint | undefined
    let key: string | undefined
    let isPrivate = false

    const close = (): void => {
      signal?.removeEventListener('abort', abort)
      client?.close()
      inbox.end()
    }
    const abort = (): void => {
      close()
      reject(interrupted(signal))
    }

    const receive = (event: ClientEvent): void => {
      onEvent?.(event)
      switch (event.event) {
        case 'connected':
          endpoint = event.endpoint
          isPrivate = event.private
          key = event.key
          return resolve(session)
        case 'moved':
          endpoint = event.endpoint
          return
        case 'message':
          return inbox.push({ text: event.text, bytes: event.bytes })
        case 'lost':
          return event.reason === 'left' ? close() : undefined
        case 'failed':
          close()
          return reject(event.error)
      }
    }

    const session: Session = {
      peer: options.peer,
      get private() {
        return isPrivate
      },
      get key() {
        return key
      },
      get endpoint() {
        return endpoint as Endpoint
      },
      send(message) {
        if (typeof message !== 'string' && !(message instanceof Uint8Array))
          throw usage('a message is a text or a Uint8Array')
        const sent = client?.send(message) ?? 'not-connected'
        if (sent === 'not-connected') throw new StageError('peer-unreached', `${options.peer} is not connected now`)
        if (sent === 'too-long')
          throw new StageError('usage', `a message to ${options.peer} may have ${client?.longest} bytes`)
        if (sent === 'not-text')
          throw new StageError('usage', `${options.peer} runs an older program, which takes UTF-8 text only`)
      },
      messages: inbox.messages,
      close,
    }

    signal?.addEventListener('abort', abort)
    client = startClient(host, { ...options, onEvent: receive })
  })

const usage = (message: string): StageError => new StageError('usage', message)

const checkPort = (port: number, least: 0 | 1): void => {
  if (!Number.isInteger(port) || port < least || port > 65535)
    throw usage(`port: a whole number from ${least} to 65535, not ${port}`)
}

const checkCount = (key: string, value: number | undefined): void => {
  const isGood = value === undefined || (Number.isInteger(value) && value > 0 && value <= 1_000_000)
  if (!isGood) throw usage(`${key}: a whole number from 1 to 1000000, not ${value}`)
}

const checkDuration = (key: string, value: number | undefined): void => {
  if (value !== undefined && !(value > 0)) throw usage(`${key}: milliseconds above 0, not ${value}`)
}

const interrupted = (signal: AbortSignal | undefined): StageError =>
  new StageError('interrupted', 'interrupted', { cause: signal?.reason })

type Inbox = { push(message: Message): void; end(): void; readonly messages: AsyncIterableIterator<Message> }

const createInbox = (onReturn: () => void): Inbox => {
  const unread: Message[] = []
  const readers: ((result: IteratorResult<Message>) => void)[] = []
  let ended = false
  const done: IteratorResult<Message> = { done: true, value: undefined }
  const end = (): void => {
    ended = true
    for (const reader of readers.splice(0)) reader(done)
  }
  const messages: AsyncIterableIterator<Message> = {
    next() {
      const value = unread.shift()
      if (value) return Promise.resolve({ value })
      return ended ? Promise.resolve(done) : new Promise(resolve => readers.push(resolve))
    },
    return() {
      onReturn()
      end()
      return Promise.resolve(done)
    },
    [Symbol.asyncIterator]: () => messages,
  }
  return {
    messages,
    end,
    push(value) {
      const reader = readers.shift()
      if (reader) return reader({ value })
      unread.push(value)
      if (unread.length > mostUnread) unread.shift()
    },
  }
}
