// Runs a client of the dialects connect, numbered or stun on real sockets, at a terminal or through pipes.
import { setTimeout as sleep } from 'node:timers/promises'
import debug from 'debug'
import { StageError } from '../errors.ts'
import { createNodeHost } from '../host/node.ts'
import type { DoorEvent } from '../client/door-events.ts'
import { type Core, drive } from '../client/drive.ts'
import { visible } from '../visible.ts'
import type { DoorTalk, Screen } from './doors/door.ts'
import { eventToJson, lostToJson } from './json.ts'
import { createOutput } from './output.ts'
import { pacingMs } from './pieces.ts'
import { suspect, suspicion } from './suspect.ts'
import { createTerminal } from './terminal.ts'

export type ChatOptions = {
  server: string
  port: number
  readInput: boolean
  exitOnConnect: boolean
  timeoutSeconds: number | undefined
  output: 'transcript' | 'json' | 'quiet'
}

const lingerMs = 1000
const flushMs = 500
/** How often a pipe asks whether it may go on. */
const busyMs = 20
/** In a second, of each kind that somebody else can make come. */
const mostInASecond = { stranger: 1, refused: 1, rejected: 1 }
const mostFromAnybody = 50
const log = debug('stage:client')

/** Resolves with the exit code. */
export const chat = <C extends Core>(options: ChatOptions, door: DoorTalk<C>): Promise<number> =>
  new Promise((resolve, reject) => {
    const host = createNodeHost()
    const startedMs = host.now()
    const interrupt = (): void => finish(new StageError('interrupted', 'interrupted').exitCode)
    const onClosed = (error: Error | undefined): void =>
      finish(error ? new StageError('internal', `standard output cannot be written: ${error.message}`) : 0)
    const output = createOutput(onClosed, options.output === 'json' ? lostToJson : undefined)
    const { readInput } = options
    const terminal = createTerminal({ output, readInput, plain: options.output === 'json', onInterrupt: interrupt })
    const isTranscript = options.output === 'transcript'
    const screen: Screen = {
      line: text => (isTranscript ? terminal.line(text) : undefined),
      note: text => (isTranscript ? terminal.note(text) : undefined),
      prompt: text => (isTranscript ? terminal.prompt(text) : undefined),
    }
    let finished = false
    let begun = false
    let second = -1
    let said: Record<string, number> = {}

    const isTooMuch = (kind: string): boolean => {
      const most: Readonly<Record<string, number>> = {
        ...mostInASecond,
        ...(door.isOpen && { message: mostFromAnybody }),
      }
      const now = Math.floor(host.now() / 1000)
      if (now !== second) said = {}
      second = now
      said[kind] = (said[kind] ?? 0) + 1
      return (said[kind] ?? 0) > (most[kind] ?? Infinity)
    }

    const show = (event: DoorEvent): void => {
      if (isTooMuch(event.event)) return
      if (options.output === 'json') output.line(eventToJson(event, host.now() - startedMs))
      else if (isTranscript) door.show(event, screen, client.core)
      else if (event.event === 'message') terminal.line(visible(event.text))
    }

    const suggest = async (event: DoorEvent & { event: 'unanswered' }): Promise<void> => {
      const looksLike = await suspect(client.core.door, event)
      if (finished) return
      if (options.output === 'json') return show({ ...event, ...(looksLike && { looksLike }) })
      if (looksLike) return terminal.note(suspicion(looksLike))
      const where = event.servers.map(({ address }) => address).join(' or ') || 'the resolver'
      const question = `Does test-server run there, is UDP port ${options.port} open?`
      screen.note(`No answer from ${where} in 3 s, still asking. ${question}`)
    }

    const onEvent = (event: DoorEvent): void => {
      if (log.enabled) log(eventToJson(event, host.now() - startedMs))
      if (event.event === 'unanswered') return void suggest(event)
      show(event)
      if (event.event === 'failed') return finish(event.error)
      if (event.event === 'registered' && !begun) {
        begun = true
        if (readInput) door.begin?.(screen)
      }
      if (event.event === 'rejected' && !begun && client.core.door === 'connect' && !terminal.isInteractive) {
        // Nobody sits there who could choose another id.
        finish(new StageError('name-refused', `The server refuses the id: ${visible(event.reason, 200)}`))
      }
      if (event.event === 'connected' && options.exitOnConnect) host.after(lingerMs, () => finish(0))
      if (event.event === 'left' || (event.event === 'given-up' && event.verb === 'EXIT')) finish(0)
    }

    const finish = (result: number | StageError): void => {
      if (finished) return
      finished = true
      client.close()
      terminal.close()
      void output.flush(flushMs).then(() => (typeof result === 'number' ? resolve(result) : reject(result)))
    }

    /** On a pipe a line waits until what came before it is done: nobody looks at the screen in between. */
    const ready = async (): Promise<void> => {
      while (!terminal.isInteractive && !finished && door.isBusy(client.core)) await sleep(busyMs)
    }

    const takeInput = async (): Promise<void> => {
      for await (const line of terminal.lines()) {
        await ready()
        if (finished) return
        if (door.typed(line, client, screen) === 'end') return finish(0)
        await sleep(pacingMs)
      }
    }

    process.once('SIGINT', interrupt)
    process.once('SIGTERM', () => finish(0))
    const { server, port, timeoutSeconds } = options
    const client = drive(
      host,
      { server, port, timeoutMs: timeoutSeconds === undefined ? undefined : timeoutSeconds * 1000, onEvent },
      outside => door.create(outside),
    )
    if (readInput) takeInput().catch(finish)
  })
