// Law: never touches a socket or a clock. A client of the connect dialect, docs/dialects.md section 2: registers until the
// server says so, is introduced to its peer, and then talks to it in plain text.
import type { Endpoint } from '../endpoint.ts'
import { type ConnectAnswer, decodeConnectAnswer, encodeConnectRequest } from '../dialects/connect/codec.ts'
import { decodeUtf8 } from '../utf8.ts'
import { Asker } from './asker.ts'
import type { Core, Outside } from './drive.ts'
import { jittered, pollDelayMs } from './schedule.ts'
import { TextPeer } from './text-peer.ts'

export type ConnectClient = Core & {
  /** Our own id. */
  readonly me: string
  /** Where the peer is, once we were introduced. */
  readonly endpoint: Endpoint | undefined
  /** Whether an introduction is under way. */
  readonly isConnecting: boolean
  register(id: string, nowMs: number): void
  connect(id: string, peer: string, nowMs: number): void
  say(text: string, nowMs: number): ReturnType<TextPeer['say']>
}

const denseOpenings = 5
const mostRequests = 5
/** Who waits to be introduced keeps the way from the server open. */
const refreshMs = 20_000
/** Introduced, but not heard: the other side's introduction may be lost. */
const unheardMs = 3000
const unheardForMs = 30_000

export const createConnectClient = (
  outside: Outside,
  options: { readonly me: string; readonly peer?: string | undefined },
): ConnectClient => {
  const { onEvent, random } = outside
  const asker = new Asker(outside)
  const talk = new TextPeer({ ...outside, denseOpenings })
  let { me } = options
  let registeredAs: string | undefined
  let address: string | undefined
  let asking: { verb: 'REGISTER' | 'CONNECT'; id: string; peer: string } | undefined
  /** Whom to ask for again and again. */
  const wanted = options.peer
  /** It objects in words where the older server ends: only then a question may be asked again. */
  let isNewer = false
  /** It was not asked yet, or did not answer. */
  let isUnasked = true
  let nextMs = Infinity
  let metMs = 0

  const ask = (verb: 'REGISTER' | 'CONNECT', id: string, peer: string, nowMs: number): void => {
    const bytes = encodeConnectRequest(verb === 'REGISTER' ? { verb, id } : { verb, id, peer })
    asker.ask(
      {
        bytes,
        ...(verb === 'CONNECT' && { most: mostRequests, pauseMs: () => 1000 }),
        onGivenUp(givenUpMs) {
          asking = undefined
          isUnasked = true
          onEvent({ event: 'given-up', verb })
          plan(givenUpMs)
        },
      },
      nowMs,
    )
    asking = { verb, id, peer }
  }

  const register = (id: string, nowMs: number): void => {
    // A new id, or a repetition by hand, takes the place of what is being asked.
    while (asker.question) asker.settle(nowMs)
    me = id
    ask('REGISTER', id, '', nowMs)
    const { server } = asker
    if (server) onEvent({ event: 'registering', name: id, server })
  }

  const connect = (id: string, peer: string, nowMs: number): void => {
    while (asker.question) asker.settle(nowMs)
    ask('CONNECT', id, peer, nowMs)
    isUnasked = false
  }

  /** When to do something without being told to, if nothing happens until then. */
  const plan = (nowMs: number): void => {
    nextMs = nowMs + jittered(delayMs(nowMs), random())
  }

  const delayMs = (nowMs: number): number => {
    if (talk.connected) return Infinity
    if (talk.endpoint) return wanted !== undefined && nowMs < metMs + unheardForMs ? unheardMs : Infinity
    const looking = wanted !== undefined && isNewer
    return looking ? pollDelayMs({ connected: false, lookingForMs: nowMs - outside.startedMs }) : refreshMs
  }

  const answered = (answer: ConnectAnswer, from: Endpoint, nowMs: number): void => {
    asker.heard(from)
    switch (answer.verb) {
      case 'REGISTERED': {
        if (asking?.verb !== 'REGISTER') return
        const news = registeredAs !== asking.id || address !== answer.address
        registeredAs = asking.id
        address = answer.address
        asking = undefined
        asker.settle(nowMs)
        if (news) onEvent({ event: 'registered', name: registeredAs, server: from, address })
        plan(nowMs)
        if (wanted !== undefined && (isUnasked || isNewer) && !talk.connected) connect(me, wanted, nowMs)
        return
      }
      case 'CONNECT': {
        const isAnswer = asking?.verb === 'CONNECT' && asking.peer === answer.id
        if (isAnswer) {
          asking = undefined
          asker.settle(nowMs)
        }
        if (talk.meet(me, answer.id, answer.endpoint, from, nowMs, isAnswer)) metMs = nowMs
        return plan(nowMs)
      }
      case 'ERROR':
        return objected(answer.reason, nowMs)
    }
  }

  const objected = (reason: string, nowMs: number): void => {
    const was = asking
    isNewer = true
    asking = undefined
    asker.settle(nowMs)
    // The server forgets whom it has introduced.
    if (was?.verb === 'CONNECT' && reason === `unknown id ${was.id}` && was.id === registeredAs) {
      return register(was.id, nowMs)
    }
    plan(nowMs)
    if (was?.verb === 'REGISTER') nextMs = Infinity // somebody else's: asking again would not help
    if (was?.verb === 'CONNECT' && was.peer === wanted) return
    if (was?.verb === 'CONNECT' && reason === `unknown id ${was.peer}`) onEvent({ event: 'unknown', peer: was.peer })
    else if (was) onEvent({ event: 'rejected', reason })
  }

  ask('REGISTER', me, '', outside.startedMs)

  return {
    door: 'connect',
    peer: wanted,
    get me() {
      return me
    },
    get endpoint() {
      return talk.endpoint
    },
    get isConnecting() {
      return asking !== undefined || (wanted !== undefined && !talk.endpoint)
    },
    get progress() {
      if (talk.connected) return 'connected'
      if (talk.endpoint) return 'introduced'
      return asker.answered || registeredAs !== undefined ? 'registered' : 'unanswered'
    },
    found(servers, nowMs) {
      const isFirst = !asker.server
      asker.found(servers, nowMs)
      const { server } = asker
      if (isFirst && server) onEvent({ event: 'registering', name: me, server })
    },
    receive(bytes, from, nowMs) {
      if (asker.isServer(from)) {
        const answer = decodeConnectAnswer(bytes)
        if (answer) answered(answer, from, nowMs)
        return
      }
      if (talk.receive(bytes, from, nowMs)) return
      const text = decodeUtf8(bytes)
      if (text !== undefined) onEvent({ event: 'stranger', endpoint: from, text, length: bytes.length })
    },
    register,
    connect,
    say: (text, nowMs) => talk.say(text, nowMs),
    tick(nowMs) {
      asker.tick(nowMs)
      talk.tick(nowMs)
      if (nowMs < nextMs) return
      plan(nowMs)
      if (asking) return
      if (isNewer && wanted !== undefined && !talk.connected) connect(me, wanted, nowMs)
      else if (registeredAs !== undefined) ask('REGISTER', registeredAs, '', nowMs)
    },
    deadline: () => Math.min(asker.deadline(), talk.deadline(), nextMs),
  }
}
