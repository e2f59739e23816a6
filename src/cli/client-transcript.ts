// What test-client prints by default. The lines of the older client stand as they always did, for people's scripts look
// for them; what is new stands on lines of its own.
import type { Colors } from 'picocolors/types.js'
import { type Endpoint, formatEndpoint } from '../endpoint.ts'
import type { ClientEvent } from '../client/events.ts'
import { keyProblemText } from '../client/trust.ts'
import { fingerprintOf } from '../identity.ts'
import { visible } from '../visible.ts'

/** In a second, of each kind that somebody else can make come: a hostile server, strangers, who has our name. */
const mostInASecond = {
  entry: 40,
  stranger: 1,
  refused: 1,
  'name-conflict': 1,
  'name-taken': 1,
  owned: 1,
  'key-refused': 1,
  'line-stuck': 1,
  plan: 4,
  attempt: 4,
  registered: 4,
  moved: 4,
  located: 4,
}
const mostNames = 8
const mostLocated = 64

export type ClientTranscriptOptions = {
  readonly name: string
  readonly port: number
  readonly ownKey?: string | undefined
  /** Whether the peer was met with this key before. */
  readonly isKnown: () => boolean
  /** Prints one line. */
  readonly line: (text: string) => void
  /** Prints one line for attention, where it does not get into a pipe. */
  readonly note: (text: string) => void
  readonly colors: Colors
  /** Plans and attempts too. */
  readonly explain?: boolean
  readonly now: () => number
}

export const createClientTranscript = (options: ClientTranscriptOptions): ((event: ClientEvent) => void) => {
  const { name, line, note, colors } = options
  const located = new Set<string>()
  let asked = false
  let peer: string | undefined
  let second = -1
  let said: Record<string, number> = {}

  const isTooMuch = (kind: string): boolean => {
    const most: Readonly<Record<string, number>> = mostInASecond
    const now = Math.floor(options.now() / 1000)
    if (now !== second) said = {}
    second = now
    said[kind] = (said[kind] ?? 0) + 1
    return (said[kind] ?? 0) > (most[kind] ?? Infinity)
  }

  return event => {
    if (isTooMuch(event.event)) return
    switch (event.event) {
      case 'registering':
        if (!asked) {
          line(`Stage Manager Server address: ${event.server.address}`)
          line(`My Name: ${visible(name)}`)
          line('Registering with Stage Manager.')
          line('Retrieving incoming messages.')
        }
        asked = true
        return
      case 'registered':
        return line(`Registered; the Stage Manager sees us at ${where(event.endpoint)}.`)
      case 'entry': {
        // Once two talk, who else comes and goes is no business of theirs.
        if (peer !== undefined && event.name !== peer && event.name !== name) return
        const { slot, count, endpoint } = event
        const fields = [slot, count, event.name, endpoint.address, endpoint.port].join(',')
        line(`Stage Manager sent us a Phonebook entry: ${visible(fields)}`)
        return line(`Peer: ${slot}/${count} ${visible(event.name)}@${where(endpoint)}`)
      }
      case 'located':
        if (!located.has(where(event.endpoint))) line(`Located ${visible(event.peer)}!`)
        if (located.size < mostLocated) located.add(where(event.endpoint))
        return
      case 'refused':
        return note(
          `The phonebook has ${visible(event.peer)} at ${where(event.endpoint)}, which ${event.why}: not tried.`,
        )
      case 'connected': {
        peer = event.peer
        const form = event.form === 'text' ? ', in plain text as the older programs do' : ''
        const time = `${event.elapsedMs < 100 ? event.elapsedMs.toFixed(1) : Math.round(event.elapsedMs)} ms`
        line(colors.green(`Connected to ${visible(event.peer)} at ${where(event.endpoint)} after ${time}${form}.`))
        line(privacyText(event, options.isKnown()))
        // To be compared by whoever wants to be sure; where the server knows no owners, nothing else says ours.
        if (event.private && options.ownKey !== undefined && !options.isKnown())
          line(`${visible(event.peer)} knows us by the key ${fingerprintOf(options.ownKey)}.`)
        return
      }
      case 'key-refused':
        return note(colors.red(keyProblemText(event, visible(event.peer))))
      case 'line-stuck':
        return note(
          `${visible(event.peer)} answers, but not by the key that the phonebook shows for it: the line can't be made private.`,
        )
      case 'plan':
        return options.explain ? note(planText(event)) : undefined
      case 'attempt':
        return options.explain && event.strategy !== 'direct'
          ? note(`Attempt ${event.attempt}: ${event.strategy}.`)
          : undefined
      case 'verdict':
        for (const text of verdictLines(event)) note(text)
        return
      case 'moved':
        return line(`${visible(event.peer)} is at ${where(event.endpoint)} now.`)
      case 'message': {
        line(`We received a peer message of len ${event.bytes.length} from ${where(event.endpoint)} ->>`)
        return line(visible(event.text))
      }
      case 'stranger':
        return note(
          `Text of ${event.length} bytes from a stranger at ${where(event.endpoint)}: ${visible(event.text, 80)}`,
        )
      case 'lost':
        peer = undefined
        return line(
          colors.yellow(`${lostText(event.reason, visible(event.peer))} Looking for ${visible(event.peer)} again.`),
        )
      case 'owned':
        return line(`The name ${visible(event.name)} is ours there, by the key ${event.fingerprint}.`)
      case 'name-taken':
        return note(
          `The name ${visible(event.name)} is owned by somebody with another key: nobody will find us. Choose another name (-n), or give the identity that owns it (--identity FILE).`,
        )
      case 'name-conflict':
        return note(
          `Somebody at ${where(event.endpoint)} has registered as ${visible(event.name)} too: choose another name.`,
        )
      case 'port-mapped':
        return line(forwardedText(event))
      case 'port-mapping-failed':
        return note(visible(event.problem))
      case 'waiting':
        return note(waitingText(event, options.port))
    }
  }
}

const where = (endpoint: Endpoint): string => formatEndpoint(endpoint)

const privacyText = (
  { private: isPrivate, key, peer }: ClientEvent & { event: 'connected' },
  isKnown: boolean,
): string => {
  if (!isPrivate || key === undefined) return `The line to ${visible(peer)} is not encrypted.`
  const first = isKnown ? '' : ', seen for the first time'
  return `The line to ${visible(peer)} is private, by the key ${fingerprintOf(key)}${first}.`
}

const lostText = (reason: (ClientEvent & { event: 'lost' })['reason'], peer: string): string =>
  ({
    left: `${peer} has left.`,
    silent: `Nothing was heard from ${peer} for 15 s.`,
    'no-consent': `${peer} has not answered for 30 s.`,
  })[reason]

const partWords = { both: '', open: ' (we open)', probe: ' (we probe)' }

const planText = ({ strategy, part, odds, because }: ClientEvent & { event: 'plan' }): string =>
  `Plan: ${strategy}${partWords[part]}, as ${because}. Odds: ${oddsText(odds)}.`

const oddsText = (odds: number | undefined): string => {
  if (odds === undefined) return 'not known'
  return odds > 0.001 && odds < 0.1 ? `${(100 * odds).toFixed(1)} %` : `${Math.floor(1000 * odds) / 10} %`
}

const verdictLines = (verdict: ClientEvent & { event: 'verdict' }): string[] => [
  `${visible(verdict.text)} (${verdict.confidence})`,
  ...verdict.evidence.map(text => `  seen: ${visible(text)}`),
  ...(verdict.odds === undefined ? [] : [`  odds of another try: ${oddsText(verdict.odds)}`]),
  ...verdict.helps.map(text => `  would help: ${visible(text)}`),
]

const forwardedText = ({ endpoint, seen }: ClientEvent & { event: 'port-mapped' }): string => {
  const forwards = `The router forwards ${where(endpoint)} to us`
  if (!seen || seen.address === endpoint.address) return `${forwards}.`
  return `${forwards}, but the Stage Manager sees us at ${seen.address}: another NAT in front of it may let nothing in.`
}

const waitingText = (event: ClientEvent & { event: 'waiting' }, port: number): string => {
  const seconds = Math.round(event.elapsedMs / 1000)
  if (event.on === 'server') {
    const where = event.servers.map(({ address }) => address).join(' or ') || 'the resolver'
    return `No answer from ${where} in ${seconds} s, still asking. Does test-server run there, is UDP port ${port} open?`
  }
  if (event.on === 'punch') {
    const way = event.heard ? 'its packets arrive, ours are not confirmed' : 'nothing has come back'
    return `Still punching towards ${event.endpoints.map(where).join(', ')} after ${seconds} s: ${way}.`
  }
  const names = event.there.slice(0, mostNames).map(name => visible(name))
  const more = event.there.length - names.length + event.others
  const there = names.length > 0 ? `; there: ${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}` : ''
  const near = event.near === undefined ? '' : ` (did you mean ${visible(event.near)}?)`
  return `${visible(event.peer)} is not in the phonebook yet${there}.${near}`
}
