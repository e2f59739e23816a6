// Law: never touches a socket or a clock. A client of the numbered dialect, docs/dialects.md section 5: gets its number, asks who
// is there and where, and sends messages one by one to whom it asked for.
import type { Endpoint } from '../endpoint.ts'
import {
  type NumberedAnswer,
  type NumberedRequest,
  decodeNumberedAnswer,
  encodeNumberedRequest,
} from '../dialects/numbered/codec.ts'
import { decodeUtf8 } from '../utf8.ts'
import { Asker } from './asker.ts'
import { Deliveries } from './deliveries.ts'
import type { Core, Outside } from './drive.ts'
import { jittered } from './schedule.ts'

export type NumberedClient = Core & {
  /** The number that the server gave us. */
  readonly id: string | undefined
  /** Questions and messages under way. */
  readonly isBusy: boolean
  list(nowMs: number): void
  /** Asks where that client is, and sends it the message. */
  say(id: string, message: string, nowMs: number): void
  exit(nowMs: number): void
}

const mostRequests = 8
const mostGoodbyes = 4
/** Keeps the number, and the way from the server and through our NAT, alive. */
const refreshMs = 20_000

export const createNumberedClient = (outside: Outside): NumberedClient => {
  const { onEvent, random } = outside
  const asker = new Asker(outside)
  const deliveries = new Deliveries(outside)
  let asking: { request: NumberedRequest; message: string }[] = []
  let id: string | undefined
  let nextMs = Infinity

  const ask = (request: NumberedRequest, nowMs: number, message = ''): void => {
    const most = { REGISTER: undefined, LIST: mostRequests, CONNECT: mostRequests, EXIT: mostGoodbyes }[request.verb]
    const question = {
      bytes: encodeNumberedRequest(request),
      ...(most !== undefined && { most }),
      onGivenUp() {
        asking.shift()
        onEvent({ event: 'given-up', verb: request.verb })
      },
    }
    if (asker.ask(question, nowMs)) asking.push({ request, message })
  }

  /** Takes the question that the answer is for: what comes late or twice is for none. */
  const settled = (verb: NumberedRequest['verb'], nowMs: number): string | undefined => {
    const [first] = asking
    if (first?.request.verb !== verb) return undefined
    asking.shift()
    asker.settle(nowMs)
    return first.message
  }

  const registered = (given: string, server: Endpoint, nowMs: number): void => {
    if (settled('REGISTER', nowMs) === undefined) return
    nextMs = nowMs + jittered(refreshMs, random())
    if (given === id) return
    id = given
    onEvent({ event: 'registered', name: given, server })
  }

  const answered = (answer: NumberedAnswer, from: Endpoint, nowMs: number): void => {
    asker.heard(from)
    const verb = asking[0]?.request.verb
    switch (answer.verb) {
      case 'REGISTER_ACK':
        return registered(answer.id, from, nowMs)
      case 'LIST_ACK':
        if (settled('LIST', nowMs) !== undefined) onEvent({ event: 'listed', rows: answer.rows })
        return
      case 'CONNECT_ACK': {
        const peer = asking[0]?.request.verb === 'CONNECT' ? asking[0].request.id : ''
        const message = settled('CONNECT', nowMs)
        if (message !== undefined) deliveries.add(peer, message, answer.endpoint, from, nowMs)
        return
      }
      case 'CONNECT_NAK':
        if (settled('CONNECT', nowMs) !== undefined) onEvent({ event: 'unknown', peer: answer.id })
        return
      case 'EXIT_ACK':
        if (settled('EXIT', nowMs) !== undefined) onEvent({ event: 'left' })
        return
      case 'ERROR':
        if (verb === undefined) return
        if (answer.reason !== 'not registered' || verb === 'EXIT') {
          settled(verb, nowMs)
          onEvent(verb === 'EXIT' ? { event: 'left' } : { event: 'rejected', reason: answer.reason })
          return
        }
        return registerFirst(nowMs)
    }
  }

  /** The server was started anew, and does not know us: then what was asked is asked again. */
  const registerFirst = (nowMs: number): void => {
    const pending = asking.filter(({ request }) => request.verb !== 'REGISTER')
    asking = []
    while (asker.question) asker.settle(nowMs)
    ask({ verb: 'REGISTER' }, nowMs)
    for (const { request, message } of pending) ask(request, nowMs, message)
  }

  ask({ verb: 'REGISTER' }, outside.startedMs)

  return {
    door: 'numbered',
    peer: undefined,
    get id() {
      return id
    },
    get isBusy() {
      return asking.some(({ request }) => request.verb !== 'REGISTER') || deliveries.size > 0
    },
    get progress() {
      return id === undefined ? 'unanswered' : 'registered'
    },
    found(servers, nowMs) {
      const isFirst = !asker.server
      asker.found(servers, nowMs)
      const { server } = asker
      if (isFirst && server) onEvent({ event: 'registering', name: '', server })
    },
    receive(bytes, from, nowMs) {
      if (asker.isServer(from)) {
        const answer = decodeNumberedAnswer(bytes)
        if (answer) answered(answer, from, nowMs)
        return
      }
      const isRepeated = deliveries.heard(bytes, from, nowMs)
      const text = decodeUtf8(bytes)
      if (!isRepeated && text !== undefined) onEvent({ event: 'message', from: '', endpoint: from, text, bytes })
    },
    list: nowMs => ask({ verb: 'LIST' }, nowMs),
    say: (to, message, nowMs) => ask({ verb: 'CONNECT', id: to }, nowMs, message),
    exit: nowMs => ask({ verb: 'EXIT' }, nowMs),
    goodbye() {
      const { server } = asker
      if (server && id !== undefined) outside.send(encodeNumberedRequest({ verb: 'EXIT' }), server)
    },
    tick(nowMs) {
      asker.tick(nowMs)
      deliveries.tick(nowMs)
      if (nowMs < nextMs) return
      nextMs = Infinity
      ask({ verb: 'REGISTER' }, nowMs)
    },
    deadline: () => Math.min(asker.deadline(), deliveries.deadline(), nextMs),
  }
}
