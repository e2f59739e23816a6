// Law: pure. Why two did not get through to each other, out of what one of them can know by itself: what the server told, what
// came, and what both say of their NATs. In the lab, where the truth is known, test/verdict.test.ts counts how often it is right.
import type { NatHint } from '../dialects/phonebook/hint.ts'
import { type Endpoint, formatEndpoint } from '../endpoint.ts'
import { behaviors } from '../nat-profile.ts'
import type { PeerStanding } from './manners.ts'
import type { Plan } from './strategy.ts'

export const causes = [
  'server-silent',
  'name-taken',
  'peer-gone',
  'not-sought',
  'both-dependent',
  'same-nat',
  'no-path',
  'one-way',
  'unlucky',
  'unknown',
] as const
export type Cause = (typeof causes)[number]

export type Verdict = {
  readonly cause: Cause
  /** `certain`: it follows from what is known. `likely`: nothing speaks against it. `guess`: too little is known. */
  readonly confidence: 'certain' | 'likely' | 'guess'
  /** Whose NAT or network stands in the way. */
  readonly hard: 'ours' | "the peer's" | 'both' | 'neither' | 'unknown'
  /** One sentence. */
  readonly text: string
  readonly evidence: readonly string[]
  /** Of another try in the same places, 0 to 1; undefined where that can't be said. */
  readonly odds: number | undefined
  readonly helps: readonly string[]
}

export type Evidence = {
  readonly peer: string
  readonly serverAnswered: boolean
  readonly mapped: Endpoint | undefined
  readonly endpoint: Endpoint | undefined
  readonly mine: NatHint | undefined
  readonly theirs: NatHint | undefined
  readonly plan: Plan | undefined
  readonly standing: PeerStanding
  /** The server says that each of us seeks the other. */
  readonly mutual: boolean
  /** Since the server last said, unasked, that the peer has registered. */
  readonly peerSilentMs: number
  readonly heard: boolean
  /** Somebody else has registered our name. */
  readonly nameTaken: boolean
}

/** A peer that looks for us registers every three seconds at most, and the server says so each time: that may be lost, twice. */
const goneAfterMs = 9500

/** For whom to wait is all that helps: who gets one of these goes on. */
export const isWorthWaiting = ({ cause }: Verdict): boolean => cause === 'peer-gone' || cause === 'not-sought'

export const verdictFrom = (evidence: Evidence): Verdict => {
  const { serverAnswered, nameTaken, mutual, standing, peerSilentMs, heard, plan, mapped, endpoint } = evidence
  if (!serverAnswered) return serverSilent
  if (nameTaken) return theNameIsTaken
  if (!mutual && standing === 'proven') return notSought(evidence)
  if (!mutual || peerSilentMs > goneAfterMs) return gone(evidence)
  if (heard) return oneWay(evidence)
  if (mapped && endpoint && mapped.address === endpoint.address) return sameNat(evidence)
  if (plan?.strategy === 'relay') return bothDependent(evidence, plan)
  if (plan?.strategy === 'predict' || plan?.strategy === 'spray') return unlucky(evidence, plan)
  return evidence.mine && evidence.theirs ? noPath(evidence) : tooLittle(evidence)
}

const relay = 'a relay (TURN), which this program is not'
const mapping = 'a port forwarding on the router of one of you: --map asks for one'
const ipv6 = 'IPv6 on both sides: a firewall is easier to get through than a NAT'
const elsewhere = 'another network for one of you'

const serverSilent: Verdict = {
  cause: 'server-silent',
  confidence: 'likely',
  hard: 'ours',
  text: 'The Stage Manager never answered: it does not run there, or UDP does not get through to it.',
  evidence: ['no datagram of the server has come back'],
  odds: undefined,
  helps: ['a look whether test-server runs there and its UDP port is open', elsewhere],
}

const theNameIsTaken: Verdict = {
  cause: 'name-taken',
  confidence: 'certain',
  hard: 'neither',
  text: 'Somebody else has registered our name: whoever looks for us finds them.',
  evidence: ['the server shows our name at an endpoint that is not ours'],
  odds: undefined,
  helps: ['another name, on a stage of your own (--stage)'],
}

const notSought = ({ peer }: Evidence): Verdict => ({
  cause: 'not-sought',
  confidence: 'likely',
  hard: 'neither',
  text: `${peer} is there, but does not look for us.`,
  evidence: [`the server has ${peer}, and has heard from it, but does not say that it seeks our name`],
  odds: undefined,
  helps: [`that ${peer} gives our name with -c, spelled as we spell it`],
})

const gone = ({ peer, peerSilentMs, mutual }: Evidence): Verdict => ({
  cause: 'peer-gone',
  confidence: mutual ? 'likely' : 'guess',
  hard: 'neither',
  text: `${peer} is in the phonebook, but seems to be gone.`,
  evidence: [
    peerSilentMs === Infinity
      ? `${peer} has not registered again while we looked for it`
      : `${peer} registered for the last time ${Math.round(peerSilentMs / 1000)} s ago`,
  ],
  odds: undefined,
  helps: [`that ${peer} is started again`],
})

const oneWay = ({ peer, plan }: Evidence): Verdict => ({
  cause: 'one-way',
  confidence: 'likely',
  hard: "the peer's",
  text: `Packets of ${peer} arrive here, but none of ours are answered: something lets them through one way only.`,
  evidence: [`a check of ${peer} was received, and no check of ours was answered`],
  odds: plan?.odds,
  helps: [`that the firewall on the side of ${peer} lets UDP in`, relay],
})

const sameNat = ({ endpoint, mine, theirs }: Evidence): Verdict => ({
  cause: 'same-nat',
  confidence: 'likely',
  hard: 'both',
  text: 'Both of us are behind the same NAT, which does not let us meet at its outside (no hairpinning), and there is no way inside.',
  evidence: [
    `the server sees both of us at ${endpoint?.address ?? 'one address'}`,
    'the addresses inside did not answer',
    ...natsOf(mine, theirs),
  ],
  odds: 0,
  helps: [
    'that both offer their own addresses (no --no-host), in networks that reach each other (guest networks often do not)',
    elsewhere,
    relay,
  ],
})

const bothDependent = ({ mine, theirs }: Evidence, { odds, because }: Plan): Verdict => ({
  cause: 'both-dependent',
  confidence: mine?.filtering && theirs?.filtering ? 'certain' : 'likely',
  hard: 'both',
  text: `No way through: ${because}. It needs a relay.`,
  evidence: natsOf(mine, theirs),
  odds,
  helps: [relay, mapping, ipv6, elsewhere],
})

const unlucky = ({ mine, theirs }: Evidence, { strategy, odds, part, because }: Plan): Verdict => ({
  cause: 'unlucky',
  confidence: 'likely',
  hard: part === 'both' ? 'both' : part === 'open' ? 'ours' : "the peer's",
  text:
    strategy === 'spray'
      ? `No probe has hit: ${because}.`
      : `The predicted ports were not the ones: ${because}, and other flows may have come between.`,
  evidence: natsOf(mine, theirs),
  odds,
  helps: ['to try it again (--keep-trying does)', mapping, relay],
})

const noPath = ({ mine, theirs, mapped, endpoint }: Evidence): Verdict => ({
  cause: 'no-path',
  confidence: 'likely',
  hard: 'unknown',
  text: 'Both NATs would let us meet, and both of us reach the server, but nothing gets from one to the other.',
  evidence: [
    ...(mapped && endpoint ? [`nothing came from ${formatEndpoint(endpoint)} to ${formatEndpoint(mapped)}`] : []),
    ...natsOf(mine, theirs),
  ],
  odds: undefined,
  helps: ['that no firewall of one of you blocks UDP between home and peer', elsewhere, relay],
})

const tooLittle = ({ mine, theirs }: Evidence): Verdict => ({
  cause: 'unknown',
  confidence: 'guess',
  hard: 'unknown',
  text: 'Not reached, and it is not known why: what kind of NATs these are could not be found out.',
  evidence: natsOf(mine, theirs),
  odds: undefined,
  helps: ['nat-lab check on both sides, which says what kind of NAT each is behind', relay],
})

const [EI] = behaviors

const natsOf = (mine: NatHint | undefined, theirs: NatHint | undefined): string[] => [
  `our NAT: ${inWords(mine)}`,
  `the peer's: ${inWords(theirs)}`,
]

const inWords = (hint: NatHint | undefined): string => {
  if (!hint) return 'not known (the server may have no second port)'
  if (hint.mapping === EI) return 'endpoint-independent mapping'
  const filter = hint.filtering ? `, ${hint.filtering} filtering` : ''
  return `${hint.mapping} mapping${filter}, latest ports ${hint.ports.slice(-4).join(', ')}`
}
