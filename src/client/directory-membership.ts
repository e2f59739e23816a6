// Law: never touches a socket or a clock. Our side of the connection to a directory: lines in, lines out, the nickname, and
// when the next BIND is due.
import { type Endpoint, sameEndpoint } from '../endpoint.ts'
import {
  type DirectoryAnswer,
  type DirectoryRequest,
  decodeAnswer,
  encodeBind,
  encodeRequest,
  longestLine,
} from '../dialects/directory/codec.ts'
import { createLineReader } from '../dialects/lines.ts'
import type { DirectoryEvent, Listed } from './directory-events.ts'
import { jittered, retryDelayMs } from './schedule.ts'

const bindEveryMs = 20_000
/** After a lost connection the server may hold our name until it notices: 40 s, and then some. */
const reclaimForMs = 60_000
const reclaimEveryMs = 1000
/** Rows of a list that are kept: five times what our own server sends. */
const mostListed = 5000

export type MembershipOptions = {
  readonly random: () => number
  readonly say: (line: string) => void
  /** Sends a datagram to the server. */
  readonly bind: (bytes: Uint8Array) => void
  readonly onEvent: (event: DirectoryEvent) => void
  readonly onPeer: (peer: Listed) => void
  readonly onQueriedBy: (caller: Listed) => void
}

export type Membership = {
  readonly nick: string | undefined
  readonly state: 'away' | 'naming' | 'welcome' | 'bound'
  setNickname(nick: string, nowMs: number): void
  opened(server: Endpoint): void
  lost(nowMs: number): void
  receive(bytes: Uint8Array, nowMs: number): void
  /** False while there is nobody to ask. */
  ask(request: DirectoryRequest): boolean
  tick(nowMs: number): void
  deadline(): number
}

export const createMembership = (options: MembershipOptions): Membership => {
  const { random, say, onEvent } = options
  let reader = createLineReader(longestLine)
  let server: Endpoint | undefined
  let state: Membership['state'] = 'away'
  let nick: string | undefined
  let held = false
  let lostMs = -Infinity
  let refused: { taken?: string; reason?: string } = {}
  /** The server waits for a nickname. */
  let asked = false
  /** A nickname has gone out, and has not been judged. */
  let said = false
  let nameAtMs = -Infinity
  let bindAtMs = Infinity
  let unanswered = 0
  let token = ''
  let mapped: Endpoint | undefined
  let listed: Listed[] | undefined
  let queried: string | undefined
  /** Undefined until it has had the chance to complain of HELLO. */
  let takesHello: boolean | undefined

  const giveName = (nowMs: number): void => {
    if (!asked || nowMs < nameAtMs) return
    if (nick === undefined) return onEvent({ event: 'nickname-wanted', ...refused })
    asked = false
    said = true
    say(nick)
  }

  const answers: {
    [V in DirectoryAnswer['verb']]: (answer: Extract<DirectoryAnswer, { verb: V }>, nowMs: number) => void
  } = {
    'NICKNAME?'(_, nowMs) {
      if (state === 'welcome' || state === 'bound') return
      asked = true
      giveName(nowMs)
    },
    TAKEN({ nick: taken }, nowMs) {
      if (!said || taken !== nick) return
      said = false
      const isOurs = held && nowMs - lostMs < reclaimForMs
      nameAtMs = isOurs ? nowMs + reclaimEveryMs : -Infinity
      if (isOurs) return
      nick = undefined
      refused = { taken }
    },
    WELCOME(answer, nowMs) {
      if (!said || answer.nick !== nick || !server) return
      said = false
      state = 'welcome'
      held = true
      token = answer.token
      bindAtMs = nowMs
      unanswered = 0
      takesHello = undefined
      onEvent({ event: 'welcome', nick, server })
      say(encodeRequest({ verb: 'HELLO', newer: true }))
    },
    BOUND({ endpoint }, nowMs) {
      if (state !== 'welcome' && state !== 'bound') return
      const isNews = state === 'welcome' || !mapped || !sameEndpoint(mapped, endpoint)
      state = 'bound'
      mapped = endpoint
      bindAtMs = nowMs + jittered(bindEveryMs, random())
      if (isNews) onEvent({ event: 'bound', endpoint })
    },
    CLIENT({ nick: other, endpoint }) {
      if (listed && listed.length < mostListed) listed.push({ nick: other, endpoint })
    },
    END() {
      if (listed) onEvent({ event: 'list', clients: listed })
      listed = undefined
    },
    PEER({ nick: peer, endpoint }) {
      if (peer !== queried) return // a server does not choose whom we talk to
      queried = undefined
      options.onPeer({ nick: peer, endpoint })
    },
    UNKNOWN: ({ nick: other }) => onEvent({ event: 'unknown', nick: other }),
    'QUERIED-BY': ({ nick: caller, endpoint }) => options.onQueriedBy({ nick: caller, endpoint }),
    BYE: () => {},
    ERROR({ reason }) {
      if (!said && state !== 'naming' && takesHello === undefined) {
        takesHello = false // an older server
        return
      }
      if (!said) return onEvent({ event: 'server-error', reason })
      said = false
      nick = undefined
      refused = { reason }
    },
  }

  return {
    get nick() {
      return nick
    },
    get state() {
      return state
    },
    setNickname(wanted, nowMs) {
      if (state === 'welcome' || state === 'bound') return
      nick = wanted
      held = false
      nameAtMs = -Infinity
      giveName(nowMs)
    },
    opened(at) {
      server = at
      state = 'naming'
      reader = createLineReader(longestLine)
      asked = said = false
      nameAtMs = -Infinity
    },
    lost(nowMs) {
      if (state === 'welcome' || state === 'bound') lostMs = nowMs
      state = 'away'
      asked = said = false
      listed = undefined
      queried = undefined
      bindAtMs = Infinity
    },
    receive(bytes, nowMs) {
      for (const line of reader.read(bytes)) {
        const answer = typeof line === 'string' ? decodeAnswer(line) : undefined
        const act = answer && (answers[answer.verb] as (answer: DirectoryAnswer, nowMs: number) => void)
        if (answer && act && state !== 'away') act(answer, nowMs)
      }
    },
    ask(request) {
      if (state !== 'welcome' && state !== 'bound') return false
      takesHello ??= true
      if (request.verb === 'LIST') listed = []
      if (request.verb === 'QUERY') queried = request.nick
      say(encodeRequest(request))
      return true
    },
    tick(nowMs) {
      if (asked && nick !== undefined) giveName(nowMs)
      if (nowMs < bindAtMs) return
      options.bind(encodeBind(token))
      // A server that was started anew has forgotten the connection, and says so only to who says something.
      if (state === 'bound' && takesHello !== false) say(encodeRequest({ verb: 'HELLO', newer: true }))
      bindAtMs = nowMs + jittered(state === 'bound' ? bindEveryMs : retryDelayMs(unanswered++), random())
    },
    deadline: () => Math.min(bindAtMs, asked && nick !== undefined ? nameAtMs : Infinity),
  }
}
