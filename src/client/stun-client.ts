// Law: never touches a socket or a clock. A client of the stun dialect, docs/dialects.md section 3: asks to be introduced by
// Binding requests, takes indications, and then talks to its peer in plain text.
import { type Endpoint, isLoopback, sameEndpoint } from '../endpoint.ts'
import type { Attribute } from '../dialects/stun/attributes.ts'
import { describe } from '../dialects/stun/describe.ts'
import {
  type Decoded,
  type Message,
  binding,
  decode,
  encode,
  first,
  isStun,
  newTransactionId,
} from '../dialects/stun/message.ts'
import { decodeUtf8 } from '../utf8.ts'
import { Asker } from './asker.ts'
import type { Core, Outside } from './drive.ts'
import { sameBytes } from './peer.ts'
import { jittered, pollDelayMs } from './schedule.ts'
import { TextPeer } from './text-peer.ts'

export type StunClient = Core & {
  readonly me: string
  readonly endpoint: Endpoint | undefined
  say(text: string, nowMs: number): ReturnType<TextPeer['say']>
}

export type StunClientOptions = {
  readonly me: string
  readonly peer: string
  /** Tells the peer our addresses behind the NAT. */
  readonly offerHosts: boolean
  /** Every message that goes or comes, in one line that is safe to print. */
  readonly trace?: ((line: string) => void) | undefined
}

/** RFC 8489 s.6.2.1: RTO, Rc, Rm. */
const rtoMs = 500
const mostRequests = 7
const lastFactor = 16
/** RFC 8489 s.6.2.1: after the n-th request twice as long as after the one before, after the last one 16 times the RTO. */
export const retransmissionMs = (sent: number): number => rtoMs * (sent < mostRequests ? 2 ** (sent - 1) : lastFactor)

const mostHosts = 4

export const createStunClient = (outside: Outside, options: StunClientOptions): StunClient => {
  const { onEvent, random } = outside
  const { me, peer, trace } = options
  const send = (bytes: Uint8Array, to: Endpoint): void => {
    if (isStun(bytes)) note('to', bytes, to)
    outside.send(bytes, to)
  }
  const asker = new Asker({ ...outside, send })
  const talk = new TextPeer({ ...outside, send, denseOpenings: Infinity })
  let transactionId: Uint8Array | undefined
  let mapped: Endpoint | undefined
  let nextMs = Infinity

  const note = (direction: 'to' | 'from', bytes: Uint8Array, where: Endpoint): void => {
    if (!trace) return
    const message = decode(bytes)
    const said = typeof message === 'string' ? message : describe(message)
    trace(`${direction} ${where.address} ${where.port}: ${said}`)
  }

  /** Ours, innermost first. */
  const candidates = (): Endpoint[] => {
    const { server } = asker
    const offered = server && options.offerHosts && !isLoopback(server.address)
    const hosts = offered ? outside.hosts(server).slice(0, mostHosts) : []
    return mapped ? [...hosts, mapped] : hosts
  }

  const introduceMe = (nowMs: number): void => {
    if (asker.question) asker.settle(nowMs)
    transactionId = newTransactionId(outside.randomBytes(12))
    const known = candidates().map((value): Attribute => ({ name: 'XOR-MAPPED-ADDRESS', value }))
    const attributes: Attribute[] = [{ name: 'CLIENT-ID', value: me }, { name: 'PEER-ID', value: peer }, ...known]
    const request: Message = { class: 'request', method: binding, transactionId, attributes }
    const onGivenUp = (givenUpMs: number): void => introduceMe(givenUpMs)
    nextMs = Infinity
    asker.ask({ bytes: encode(request), most: mostRequests, pauseMs: retransmissionMs, onGivenUp }, nowMs)
  }

  const meet = (message: Message, server: Endpoint, nowMs: number): void => {
    const own = first(message, 'XOR-MAPPED-ADDRESS')
    if (own && !(mapped && sameEndpoint(own, mapped))) {
      mapped = own
      onEvent({ event: 'registered', name: me, server, endpoint: own })
    }
    const endpoint = first(message, 'XOR-PEER-ADDRESS')
    if (endpoint) talk.meet(me, peer, endpoint, server, nowMs)
  }

  const plan = (nowMs: number): void => {
    const lookingForMs = nowMs - outside.startedMs
    nextMs = nowMs + jittered(pollDelayMs({ connected: talk.connected, lookingForMs }), random())
  }

  const receiveStun = (message: Decoded, from: Endpoint, nowMs: number): void => {
    if (message.method !== binding || message.unknown.length > 0) return
    if (message.class === 'indication') {
      if (first(message, 'PEER-ID') === peer) meet(message, from, nowMs)
      return
    }
    if (message.class === 'request' || !transactionId || !sameBytes(message.transactionId, transactionId)) return
    transactionId = undefined
    asker.heard(from)
    asker.settle(nowMs)
    plan(nowMs)
    if (message.class === 'success response') return meet(message, from, nowMs)
    const { code, reason } = first(message, 'ERROR-CODE') ?? { code: 500, reason: 'no reason given' }
    onEvent({ event: 'rejected', reason: `${code} ${reason}` })
  }

  return {
    door: 'stun',
    me,
    peer,
    get endpoint() {
      return talk.endpoint
    },
    get progress() {
      if (talk.connected) return 'connected'
      if (talk.endpoint) return 'introduced'
      return asker.answered || mapped ? 'registered' : 'unanswered'
    },
    found(servers, nowMs) {
      const isFirst = !asker.server
      asker.found(servers, nowMs)
      const { server } = asker
      if (!isFirst || !server) return
      onEvent({ event: 'registering', name: me, server })
      introduceMe(nowMs)
    },
    receive(bytes, from, nowMs) {
      if (asker.isServer(from)) {
        if (!isStun(bytes)) return
        note('from', bytes, from)
        const message = decode(bytes)
        if (typeof message !== 'string') receiveStun(message, from, nowMs)
        return
      }
      if (talk.receive(bytes, from, nowMs)) return
      const text = decodeUtf8(bytes)
      if (text !== undefined) onEvent({ event: 'stranger', endpoint: from, text, length: bytes.length })
    },
    say: (text, nowMs) => talk.say(text, nowMs),
    tick(nowMs) {
      asker.tick(nowMs)
      talk.tick(nowMs)
      if (nowMs >= nextMs) introduceMe(nowMs)
    },
    deadline: () => Math.min(asker.deadline(), talk.deadline(), nextMs),
  }
}
