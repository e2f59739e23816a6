// Runs a directory client on real sockets: what is typed is a command, or goes to whoever was queried last.
import debug from 'debug'
import colors from 'picocolors'
import { formatEndpoint } from '../endpoint.ts'
import { StageError } from '../errors.ts'
import { createNodeHost } from '../host/node.ts'
import { type DirectoryClient, joinDirectory } from '../client/directory-client.ts'
import type { DirectoryEvent } from '../client/directory-events.ts'
import { visible } from '../visible.ts'
import { eventToJson, lostToJson } from './json.ts'
import { createOutput } from './output.ts'
import { createTerminal } from './terminal.ts'

export type TalkDirectoryOptions = {
  server: string
  port: number
  nickname: string | undefined
  readInput: boolean
  timeoutSeconds: number | undefined
  output: 'transcript' | 'json' | 'quiet'
}

export type Typed =
  | { readonly does: 'list' | 'exit' }
  | { readonly does: 'query'; readonly nick: string }
  | { readonly does: 'say'; readonly text: string }

/** `say` is for a text that would be a command. */
export const readTyped = (line: string): Typed => {
  const [, word = '', rest = ''] = /^\s*(\S+)(?:\s+(.*?))?\s*$/s.exec(line) ?? []
  const verb = word.toLowerCase()
  if ((verb === 'list' || verb === 'exit') && rest === '') return { does: verb }
  if (verb === 'query' && rest !== '' && !/\s/.test(rest)) return { does: 'query', nick: rest }
  return { does: 'say', text: verb === 'say' && rest !== '' ? line.replace(/^\s*\S+\s/, '') : line }
}

/** In a second, of each kind that somebody else can make come. */
const mostInASecond = 4
const flushMs = 500
/** What `list` and `query` lead to. */
const answerEvents: readonly DirectoryEvent['event'][] = ['list', 'peer', 'unknown', 'refused', 'server-error']
const log = debug('stage:client')

/** Resolves with the exit code. */
export const talkDirectory = (options: TalkDirectoryOptions): Promise<number> =>
  new Promise((resolve, reject) => {
    const host = createNodeHost()
    const onClosed = (error: Error | undefined): void =>
      finish(error ? new StageError('internal', `standard output cannot be written: ${error.message}`) : 0)
    const output = createOutput(onClosed, options.output === 'json' ? lostToJson : undefined)
    const terminal = createTerminal({
      output,
      readInput: options.readInput,
      plain: options.output === 'json',
      onInterrupt: () => finish(new StageError('interrupted', 'interrupted').exitCode),
    })
    const startedMs = host.now()
    const asks = options.readInput && process.stdin.isTTY
    let client: DirectoryClient | undefined
    let wantsNickname = false
    let finished = false
    let saidServer = false
    let answers = 0
    let wake = (): void => {}
    const shown = new Map<string, number>()

    const isTooMuch = (kind: string): boolean => {
      const key = `${kind} ${Math.floor(host.now() / 1000)}`
      if (!shown.has(key) && shown.size > 16) shown.clear()
      shown.set(key, (shown.get(key) ?? 0) + 1)
      return (shown.get(key) ?? 0) > mostInASecond
    }

    const show = (event: DirectoryEvent): void => {
      if (event.event === 'queried-by' && isTooMuch(event.event)) return
      const lines = linesFor(event)
      if (event.event === 'connecting') {
        if (saidServer) return
        saidServer = true
      }
      for (const line of lines) terminal.line(line)
      const note = noteFor(event, options.port)
      if (note !== undefined && !isTooMuch(event.event)) terminal.note(note)
    }

    const onEvent = (event: DirectoryEvent): void => {
      if (log.enabled) log(eventToJson(event, host.now() - startedMs))
      if (options.output === 'json') output.line(eventToJson(event, host.now() - startedMs))
      else if (options.output === 'transcript') show(event)
      else if (event.event === 'message') terminal.line(visible(event.text))
      if (event.event === 'failed') return finish(event.error)
      if (event.event === 'nickname-wanted') askNickname(event)
      if (answerEvents.includes(event.event)) answers++
      wake()
    }

    const askNickname = ({ taken, reason }: DirectoryEvent & { event: 'nickname-wanted' }): void => {
      const why = taken === undefined ? reason : `${visible(taken)} is taken`
      if (!asks) {
        return finish(
          new StageError('usage', `${why ?? '-n is missing'}: give ${why ? 'another' : 'a'} nickname with -n`),
        )
      }
      if (why !== undefined) terminal.note(`${visible(why)}.`)
      wantsNickname = true
      terminal.prompt('Nickname: ')
    }

    const finish = (result: number | StageError): void => {
      if (finished) return
      finished = true
      client?.close()
      terminal.close()
      wake()
      void output.flush(flushMs).then(() => (typeof result === 'number' ? resolve(result) : reject(result)))
    }

    const until = async (isSo: () => boolean): Promise<void> => {
      while (!isSo() && !finished) await new Promise<void>(next => (wake = next))
    }

    /** A pipe's next line waits for the answer to this one. */
    const answered = async (client: DirectoryClient, ask: () => boolean): Promise<void> => {
      const before = answers
      if (ask()) await until(() => answers > before || client.state !== 'bound')
    }

    const act = async (client: DirectoryClient, line: string): Promise<void> => {
      if (wantsNickname) {
        wantsNickname = false
        terminal.prompt('')
        const problem = client.setNickname(line.trim())
        if (problem !== undefined) askNickname({ event: 'nickname-wanted', reason: problem })
        return
      }
      await until(() => client.state === 'bound' || wantsNickname)
      const typed = readTyped(line)
      switch (typed.does) {
        case 'list':
          return answered(client, () => client.list())
        case 'query':
          return answered(client, () => client.query(typed.nick))
        case 'exit':
          return finish(0)
        case 'say': {
          if (typed.text === '') return
          const sent = client.say(typed.text)
          if (sent === 'nobody') terminal.note('Please query somebody first: query NICK (list shows who is there)')
          if (sent === 'too-long') terminal.note('This is too long: a text has at most 1000 bytes.')
        }
      }
    }

    const readInput = async (client: DirectoryClient): Promise<void> => {
      for await (const line of terminal.lines()) {
        if (finished) return
        await act(client, line)
      }
      if (asks) finish(0) // Ctrl-D; at the end of a pipe we go on listening
    }

    process.once('SIGINT', () => finish(new StageError('interrupted', 'interrupted').exitCode))
    process.once('SIGTERM', () => finish(0))
    client = joinDirectory(host, {
      server: options.server,
      port: options.port,
      ...(options.nickname !== undefined && { nickname: options.nickname }),
      ...(options.timeoutSeconds !== undefined && { timeoutMs: options.timeoutSeconds * 1000 }),
      onEvent,
    })
    if (options.readInput) readInput(client).catch(finish)
  })

const linesFor = (event: DirectoryEvent): string[] => {
  switch (event.event) {
    case 'connecting':
      return [`Stage Manager Server address: ${event.server.address}`]
    case 'welcome':
      return [`My Name: ${visible(event.nick)}`]
    case 'bound':
      return [
        `Registered; the Stage Manager sees us at ${formatEndpoint(event.endpoint)}.`,
        'Commands: list, query NICK, exit. Anything else goes to the one you have queried; say TEXT too.',
      ]
    case 'list':
      return event.clients.map(({ nick, endpoint }) => `${visible(nick)} ${formatEndpoint(endpoint)}`)
    case 'peer':
      return [`Talking to ${visible(event.nick)} at ${formatEndpoint(event.endpoint)}.`]
    case 'unknown':
      return [`${visible(event.nick)} is not there: list shows who is.`]
    case 'queried-by':
      return [`${visible(event.nick)} wants to talk: query ${visible(event.nick)}`]
    case 'heard':
      return [colors.green(`${visible(event.nick)} is heard from ${formatEndpoint(event.endpoint)}.`)]
    case 'message':
      return [`${visible(event.from)}: ${visible(event.text)}`]
    case 'disconnected':
      return [colors.yellow(`The connection to ${formatEndpoint(event.server)} is lost: trying again.`)]
    default:
      return []
  }
}

/** For attention, where it does not get into a pipe. */
const noteFor = (event: DirectoryEvent, port: number): string | undefined => {
  switch (event.event) {
    case 'refused':
      return `The directory has ${visible(event.nick)} at ${formatEndpoint(event.endpoint)}, which ${event.why}: not tried.`
    case 'stranger':
      return `Text of ${event.length} bytes from a stranger at ${formatEndpoint(event.endpoint)}: ${visible(event.text, 80)}`
    case 'server-error':
      return `The server says: ${visible(event.reason)}`
    case 'waiting': {
      const seconds = Math.round(event.elapsedMs / 1000)
      return event.on === 'server'
        ? `No answer in ${seconds} s, still asking. Does test-server run there, is TCP port ${port} open?`
        : `The server has not seen our UDP in ${seconds} s: is UDP port ${port} open there, and here on the way out?`
    }
    default:
      return undefined
  }
}
