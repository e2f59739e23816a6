// Law: never touches a socket or a clock. Whom a directory client talks to, and who has asked for it: text over UDP, the
// datagrams that open a hole, and the few that keep one open.
import { type Endpoint, sameEndpoint } from '../endpoint.ts'
import { headerBytes } from '../headers.ts'
import { directMessage, encodeText, isPeerMessage, longestText } from '../dialects/phonebook/peer.ts'
import { decodeUtf8 } from '../utf8.ts'
import type { DirectoryEvent, Listed } from './directory-events.ts'
import { Manners } from './manners.ts'
import { textEveryMs, textKeepaliveMs } from './schedule.ts'
import { targetProblem } from './targets.ts'

/** Who has queried us is sent so many datagrams unasked, or fewer if it is heard: datagrams get lost. */
const mostOpeners = 3
/** Who says nothing, not even that it is there, is not kept. */
const silentForMs = 3 * textKeepaliveMs
const mostCallers = 64
const strangerEveryMs = 1000
/** A caller that asks again is shown again after this. */
const callEveryMs = 60_000

/** The datagram of somebody whom the server is about to name may come first. */
const earlyMs = 3000
const mostEarly = 8

type Early = { readonly text: string; readonly from: Endpoint; readonly atMs: number; readonly length: number }

type Other = {
  readonly nick: string
  endpoint: Endpoint
  /** Datagrams that are to open a hole, still to be sent. */
  openers: number
  openAtMs: number
  /** It says what we say when there is nothing to say, so it is no older program that would print it. */
  keepsAlive: boolean
  heardMs: number
  sentMs: number
  calledMs: number
}

export type Sent = 'sent' | 'nobody' | 'too-long'

export type PeersOptions = {
  readonly me: () => string
  readonly server: () => Endpoint | undefined
  readonly send: (bytes: Uint8Array, to: Endpoint) => void
  readonly onEvent: (event: DirectoryEvent) => void
}

export type Peers = {
  readonly peer: Listed | undefined
  talkTo(listed: Listed, nowMs: number): void
  queriedBy(listed: Listed, nowMs: number): void
  receive(bytes: Uint8Array, from: Endpoint, nowMs: number): void
  say(text: string, nowMs: number): Sent
  tick(nowMs: number): void
  deadline(): number
}

export const createPeers = ({ me, server, send, onEvent }: PeersOptions): Peers => {
  const others = new Map<string, Other>()
  const manners = new Manners()
  let peer: Other | undefined
  let strangerMs = -Infinity
  let early: Early[] = []

  const isAllowed = ({ nick, endpoint }: Listed): boolean => {
    const at = server()
    const why = at ? targetProblem(endpoint, at) : 'came without a server'
    if (why) onEvent({ event: 'refused', nick, endpoint, why })
    return !why
  }

  const know = ({ nick, endpoint }: Listed, nowMs: number): Other => {
    let other = others.get(nick)
    if (other && !sameEndpoint(other.endpoint, endpoint)) {
      other.endpoint = endpoint
      other.heardMs = -Infinity
      other.keepsAlive = false
      manners.renew(endpoint.address, nowMs)
    }
    other ??= {
      nick,
      endpoint,
      openers: 0,
      openAtMs: Infinity,
      keepsAlive: false,
      heardMs: -Infinity,
      sentMs: -Infinity,
      calledMs: -Infinity,
    }
    others.delete(nick)
    others.set(nick, other)
    for (const oldest of others.values()) {
      if (others.size <= mostCallers) break
      if (oldest !== peer) others.delete(oldest.nick)
    }
    return other
  }

  const sendTo = (other: Other, bytes: Uint8Array, nowMs: number): void => {
    other.sentMs = nowMs
    send(bytes, other.endpoint)
  }

  const opener = (other: Other): Uint8Array => encodeText(directMessage(me(), other.nick))

  const open = (other: Other, nowMs: number): void => {
    const { address } = other.endpoint
    const bytes = opener(other)
    const length = bytes.length + headerBytes(address)
    if (manners.earliest(address, length, 'older', nowMs) <= nowMs) {
      manners.sent(address, length, nowMs)
      sendTo(other, bytes, nowMs)
    }
    other.openers--
    other.openAtMs = other.openers > 0 ? nowMs + textEveryMs : Infinity
  }

  /** When it is to hear from us so that the way to us stays open. */
  const keepAtMs = (other: Other): number =>
    other.keepsAlive && other.sentMs - other.heardMs < silentForMs ? other.sentMs + textKeepaliveMs : Infinity

  const heard = (other: Other, from: Endpoint, nowMs: number): void => {
    const isFirst = other.heardMs === -Infinity
    other.heardMs = nowMs
    other.openers = 0
    other.openAtMs = Infinity
    manners.alive(from.address, nowMs)
    if (isFirst) onEvent({ event: 'heard', nick: other.nick, endpoint: from })
  }

  /** Behind some NATs it speaks from another port than the server saw: then only its opener says who it is. */
  const whoIsAt = (from: Endpoint, text: string): Other | undefined => {
    const candidates = [...(peer ? [peer] : []), ...others.values()]
    const there = candidates.find(({ endpoint }) => sameEndpoint(endpoint, from))
    if (there) return there
    const known = candidates.find(
      ({ nick, endpoint }) => endpoint.address === from.address && text === directMessage(nick, me()),
    )
    if (known) known.endpoint = from
    return known
  }

  const take = (other: Other, text: string, from: Endpoint, nowMs: number): void => {
    heard(other, from, nowMs)
    if (text === directMessage(other.nick, me())) other.keepsAlive = true
    else onEvent({ event: 'message', from: other.nick, endpoint: from, text })
  }

  /** What came before its sender was known. */
  const takeEarly = (nowMs: number): void => {
    const waiting = early
    early = []
    for (const one of waiting) {
      const other = whoIsAt(one.from, one.text)
      if (other) take(other, one.text, one.from, nowMs)
      else early.push(one)
    }
  }

  const giveUpEarly = ({ text, from, length }: Early, nowMs: number): void => {
    if (nowMs - strangerMs < strangerEveryMs) return
    strangerMs = nowMs
    onEvent({ event: 'stranger', endpoint: from, text, length })
  }

  return {
    get peer() {
      return peer && { nick: peer.nick, endpoint: peer.endpoint }
    },
    talkTo(listed, nowMs) {
      if (!isAllowed(listed)) return
      peer = know(listed, nowMs)
      onEvent({ event: 'peer', ...listed })
      takeEarly(nowMs)
    },
    queriedBy(listed, nowMs) {
      if (listed.nick === me() || !isAllowed(listed)) return
      const other = know(listed, nowMs)
      if (nowMs - other.calledMs >= callEveryMs) onEvent({ event: 'queried-by', ...listed })
      other.calledMs = nowMs
      manners.renew(other.endpoint.address, nowMs)
      other.openers = mostOpeners
      open(other, nowMs)
      takeEarly(nowMs)
    },
    receive(bytes, from, nowMs) {
      if (isPeerMessage(bytes) || bytes.length === 0) return
      const text = decodeUtf8(bytes) ?? new TextDecoder().decode(bytes)
      const other = whoIsAt(from, text)
      if (other) return take(other, text, from, nowMs)
      if (early.length >= mostEarly) giveUpEarly(early.shift() as Early, nowMs)
      early.push({ text, from, atMs: nowMs, length: bytes.length })
    },
    say(text, nowMs) {
      if (!peer) return 'nobody'
      const bytes = encodeText(text)
      if (bytes.length > longestText) return 'too-long'
      sendTo(peer, bytes, nowMs)
      return 'sent'
    },
    tick(nowMs) {
      for (let first = early[0]; first && nowMs >= first.atMs + earlyMs; first = early[0]) {
        early.shift()
        giveUpEarly(first, nowMs)
      }
      for (const other of others.values()) {
        if (nowMs >= other.openAtMs) open(other, nowMs)
        if (nowMs >= keepAtMs(other)) sendTo(other, opener(other), nowMs)
      }
    },
    deadline: () =>
      Math.min(
        (early[0]?.atMs ?? Infinity) + earlyMs,
        ...Array.from(others.values(), other => Math.min(other.openAtMs, keepAtMs(other))),
      ),
  }
}
