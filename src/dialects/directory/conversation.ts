// Law: pure, but for the members. The half of the directory dialect that is lines over a connection: docs/dialects.md section 4.
import type { Endpoint } from '../../endpoint.ts'
import { canReach } from '../../endpoint.ts'
import { hex } from '../../hex.ts'
import { nameProblem } from '../../name.ts'
import type { Entry } from '../../entry.ts'
import { encodeUtf8 } from '../../utf8.ts'
import type { Conversation, Desk, Reply } from '../dialect.ts'
import {
  type DirectoryAnswer,
  type DirectoryRequest,
  decodeRequest,
  encodeAnswer,
  isServersLine,
  longestLine,
} from './codec.ts'
import type { Listing } from './listing.ts'

/** Who has been welcomed, for as long as the connection holds. */
export type Member = {
  readonly nick: string
  readonly token: string
  takesQueries: boolean
  /** Who queried it before it said that it wants to know: BIND may overtake HELLO. */
  readonly missed: Set<string>
  /** Who was told of its queries, and when. */
  readonly told: Map<string, number>
}

/** 128 bits. */
const tokenBytes = 16
export const mostMissed = 16
/** Somebody is told of a query at most once in this time, and so many are: an older client sleeps a second over each. */
const toldMs = 1000
const mostTold = 16

/** Whether that one is to be told now. */
const mayTell = ({ told }: Member, nick: string, nowMs: number): boolean => {
  for (const [other, atMs] of told) if (nowMs - atMs >= toldMs) told.delete(other)
  if (told.has(nick) || told.size >= mostTold) return false
  told.set(nick, nowMs)
  return true
}

export type Members = { readonly byNick: Map<string, Member>; readonly byToken: Map<string, Member> }

export const createMembers = (): Members => ({ byNick: new Map(), byToken: new Map() })

/** Lines as they go over the wire. */
export const linesOf = (...answers: readonly DirectoryAnswer[]): Uint8Array =>
  encodeUtf8(answers.map(answer => `${encodeAnswer(answer)}\n`).join(''))

const says = (...answers: readonly DirectoryAnswer[]): Reply => ({ bytes: linesOf(...answers) })

const reasons = {
  'not-utf8': 'a line has to be UTF-8',
  'too-long': `a line has at most ${longestLine} bytes`,
  empty: 'a nickname has 1 to 64 bytes',
  'name-too-long': 'a nickname has 1 to 64 bytes',
  'forbidden-character': 'a nickname has no blank, comma or invisible character',
  reserved: 'this is a word of the protocol',
  unknown: 'say LIST, QUERY <nick> or EXIT',
} as const

const error = (reason: keyof typeof reasons): DirectoryAnswer => ({ verb: 'ERROR', reason: reasons[reason] })
const ask: DirectoryAnswer = { verb: 'NICKNAME?' }

export const converse = (from: Endpoint, members: Members, listing: Listing): Conversation => {
  let member: Member | undefined

  const named = (nick: string, desk: Desk): Reply => {
    const { phonebook: book } = desk
    const nowMs = desk.now()
    const problem = nameProblem(nick)
    if (problem) return says(error(problem === 'too-long' ? 'name-too-long' : problem), ask)
    book.expire(nowMs)
    if (members.byNick.has(nick) || book.find(nick)) return says({ verb: 'TAKEN', nick }, ask)
    member = {
      nick,
      token: hex(desk.randomBytes(tokenBytes)),
      takesQueries: false,
      missed: new Set<string>(),
      told: new Map<string, number>(),
    }
    members.byNick.set(nick, member)
    members.byToken.set(member.token, member)
    book.promise(nick)
    return { ...says({ verb: 'WELCOME', nick, token: member.token }), asked: { verb: 'WELCOME', name: nick } }
  }

  const queried = (nick: string, own: Entry | undefined, { phonebook: book, now }: Desk): Reply => {
    const nowMs = now()
    book.expire(nowMs)
    const peer = book.find(nick)
    if (!peer || !canReach(own?.endpoint ?? from, peer.endpoint)) return says({ verb: 'UNKNOWN', nick })
    const { endpoint } = peer
    const answer = says({ verb: 'PEER', nick, endpoint })
    const isNews = member && own && own !== peer && mayTell(member, nick, nowMs)
    return isNews ? { ...answer, introductions: [[peer, own]] } : answer
  }

  const answers: {
    [V in DirectoryRequest['verb']]: (
      request: Extract<DirectoryRequest, { verb: V }>,
      own: Entry | undefined,
      desk: Desk,
    ) => Reply
  } = {
    LIST: (_, own, desk) => ({ bytes: listing.for(own?.endpoint ?? from, desk) }),
    QUERY: ({ nick }, own, desk) => queried(nick, own, desk),
    EXIT: () => ({ ...says({ verb: 'BYE' }), ends: 'left' }),
    HELLO({ newer }, own, { phonebook: book }) {
      if (member) member.takesQueries = newer
      if (!member || !newer || !own) return {}
      const callers = [...member.missed].map(nick => book.find(nick)).filter(caller => caller !== undefined)
      member.missed.clear()
      return { introductions: callers.map(caller => [own, caller]) }
    },
  }

  return {
    get name() {
      return member?.nick
    },
    greeting: () => linesOf(ask),
    receive(line, desk) {
      if (typeof line !== 'string') return member ? says(error(line.problem)) : says(error(line.problem), ask)
      if (isServersLine(line)) return { ends: 'own-words' }
      if (!member) return named(line.trim(), desk)
      const request = decodeRequest(line)
      if (!request) return says(error('unknown'))
      const own = desk.phonebook.find(member.nick)
      const answer = answers[request.verb] as (request: DirectoryRequest, own: Entry | undefined, desk: Desk) => Reply
      const reply = answer(request, own, desk)
      if (request.verb === 'HELLO') return reply
      const peer = request.verb === 'QUERY' ? { peer: request.nick } : {}
      return { ...reply, asked: { verb: request.verb, name: member.nick, ...peer } }
    },
    close({ phonebook: book }) {
      if (!member) return
      members.byNick.delete(member.nick)
      members.byToken.delete(member.token)
      book.release(member.nick)
      const own = book.find(member.nick)
      if (own?.door === 'directory') book.remove(own)
      member = undefined
    },
  }
}
