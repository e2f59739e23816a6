// Runs a client on real sockets: what is typed or piped goes to the peer, what the peer says is printed.
import { setTimeout as sleep } from 'node:timers/promises'
import debug from 'debug'
import colors from 'picocolors'
import { StageError, codeOf } from '../errors.ts'
import { type Identity, fingerprintOf } from '../identity.ts'
import { createNodeHost } from '../host/node.ts'
import { privateStage } from '../stage-secret.ts'
import { directMessage } from '../dialects/phonebook/peer.ts'
import { type Client, connect } from '../client/client.ts'
import type { ClientEvent } from '../client/events.ts'
import { type StrategyName, ourParameters } from '../client/strategy.ts'
import { visible } from '../visible.ts'
import { createClientTranscript } from './client-transcript.ts'
import { eventToJson, lostToJson } from './json.ts'
import { openKnownPeers } from './known-peers.ts'
import { createOutput } from './output.ts'
import { pacingMs, pieces } from './pieces.ts'
import { refused } from './state-files.ts'
import { suspect, suspicion } from './suspect.ts'
import { createTerminal } from './terminal.ts'
import { openTrace } from './trace-file.ts'

export type TalkOptions = {
  server: string
  port: number
  name: string
  peer: string
  stage: string
  stageSecret: string | undefined
  requireEncryption: boolean
  identity: Identity | undefined
  offerHosts: boolean
  map: boolean
  readInput: boolean
  exitOnConnect: boolean
  timeoutSeconds: number | undefined
  intervalSeconds: number | undefined
  keepTrying: boolean
  /** Prints plans and attempts too. */
  explain: boolean
  strategy: StrategyName | undefined
  pacingMs: number | undefined
  tracePath: string | undefined
  output: 'transcript' | 'json' | 'quiet'
}

const directMs = 1000
/** After `--exit-on-connect` the other side still has to be answered, so that it is confirmed too. */
const lingerMs = 1000
const flushMs = 500
const log = debug('stage:client')

const keylessText = (peer: string, key: string): string =>
  `${peer} was met with the key ${fingerprintOf(key)}, and without one of ours the line can't be private: ` +
  `leave out --anonymous, give --identity FILE, or forget its key: test-client --forget ${peer}`

/** Resolves with the exit code. */
export const talk = (options: TalkOptions): Promise<number> =>
  new Promise((resolve, reject) => {
    const machine = createNodeHost()
    const { tracePath: path } = options
    const trace = path === undefined ? undefined : openTrace(path, machine, { name: options.name, peer: options.peer })
    const host = trace?.host ?? machine
    const onClosed = (error: Error | undefined): void =>
      finish(error ? new StageError('internal', `standard output cannot be written: ${error.message}`) : 0)
    const output = createOutput(onClosed, options.output === 'json' ? lostToJson : undefined)
    const { name, port, readInput } = options
    const terminal = createTerminal({
      output,
      readInput,
      plain: options.output === 'json',
      onInterrupt: () => finish(new StageError('interrupted', 'interrupted').exitCode),
    })
    const transcript = createClientTranscript({
      name,
      port,
      ownKey: options.identity?.key,
      isKnown: () => met,
      line: terminal.line,
      note: terminal.note,
      colors,
      explain: options.explain,
      now: () => host.now(),
    })
    const peers = openKnownPeers()
    const wireStage =
      options.stageSecret === undefined ? options.stage : privateStage(options.stageSecret, options.stage).wireName
    const place = { server: `${options.server}:${port}`, stage: wireStage, peer: options.peer.normalize('NFC') }
    const knownKey = peers.keyOf(place)
    if (knownKey !== undefined && !options.identity) throw refused(keylessText(visible(place.peer), knownKey))
    let met = knownKey !== undefined
    const startedMs = host.now()
    let client: Client | undefined
    let typed = false
    let finished = false
    let cancelDirect = (): void => {}
    let wake = (): void => {}
    let closed = (): void => {}
    const ended = new Promise<void>(resolve => (closed = resolve))

    const show = (event: ClientEvent): void => {
      if (options.output === 'json') return output.line(eventToJson(event, host.now() - startedMs))
      // However quiet: a peer with another key is not passed over in silence.
      if (options.output === 'transcript' || event.event === 'key-refused') return transcript(event)
      if (event.event === 'message') terminal.line(visible(event.text))
    }

    const suggest = async (event: ClientEvent & { event: 'unanswered' }): Promise<void> => {
      const looksLike = await suspect('phonebook', event)
      if (finished) return
      if (options.output === 'json') show({ ...event, ...(looksLike && { looksLike }) })
      else if (looksLike) terminal.note(suspicion(looksLike))
    }

    const sayDirectly = (): void => {
      if (typed || finished) return
      client?.send(directMessage(options.name.normalize('NFC'), options.peer.normalize('NFC')))
      cancelDirect = host.after(directMs, sayDirectly)
    }

    const onEvent = (event: ClientEvent): void => {
      trace?.event(event)
      if (log.enabled) log(eventToJson(event, host.now() - startedMs))
      if (event.event === 'unanswered') return void suggest(event)
      show(event)
      if (event.event === 'failed') return finish(event.error)
      if (event.event === 'closed') return closed()
      if (event.event === 'lost') cancelDirect()
      if (event.event !== 'connected') return
      if (!met && event.key !== undefined) remember(event.key)
      cancelDirect()
      // To an older peer one has just gone out: it is what tells that peer where we are.
      cancelDirect = host.after(event.form === 'text' ? directMs : 0, sayDirectly)
      wake()
      if (options.exitOnConnect) host.after(lingerMs, () => finish(0))
    }

    const remember = (key: string): void => {
      met = true
      try {
        peers.remember(place, key)
      } catch (error) {
        terminal.note(`The key of ${visible(options.peer)} can't be remembered (${codeOf(error)}).`)
      }
    }

    const finish = (result: number | StageError): void => {
      if (finished) return
      finished = true
      cancelDirect()
      client?.close()
      terminal.close()
      void ended
        .then(() => output.flush(flushMs))
        .then(() => (typeof result === 'number' ? resolve(result) : reject(result)))
    }

    const connected = async (): Promise<void> => {
      while (client?.state !== 'connected' && !finished) await new Promise<void>(next => (wake = next))
    }

    const sendInput = async (): Promise<void> => {
      for await (const line of terminal.lines()) {
        await connected()
        typed = true
        for (const piece of pieces(line, client?.longest ?? 0)) {
          client?.send(piece)
          await sleep(pacingMs)
        }
      }
    }

    process.once('SIGINT', () => finish(new StageError('interrupted', 'interrupted').exitCode))
    process.once('SIGTERM', () => finish(0))
    client = connect(host, {
      server: options.server,
      port,
      name,
      peer: options.peer,
      stage: options.stage,
      stageSecret: options.stageSecret,
      identity: options.identity,
      requireEncryption: options.requireEncryption,
      knownKey,
      offerHosts: options.offerHosts,
      keepTrying: options.keepTrying,
      map: options.map,
      ...(options.strategy && { strategy: options.strategy }),
      ...(options.pacingMs !== undefined && { parameters: { ...ourParameters, pacingMs: options.pacingMs } }),
      ...(options.timeoutSeconds !== undefined && { timeoutMs: options.timeoutSeconds * 1000 }),
      ...(options.intervalSeconds !== undefined && { intervalMs: options.intervalSeconds * 1000 }),
      onEvent,
    })
    if (readInput) sendInput().catch(finish)
  })
