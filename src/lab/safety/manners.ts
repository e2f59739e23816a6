// S8: rule 5. Whatever is registered and said, an address that never answered gets few datagrams from a client that looks
// for its peer: counted for a day, over all ports, in every window of 10 minutes.
//
// A budget is 20 checks and 2 KiB (3 checks and 3 hellos where the entry is unproven; a check a second for 40 s where it is an older
// one's), and whoever is registered again renews it once a minute: that makes eleven budgets in 10 minutes at most. An answer
// to a check that came from there is no check; of these there are never more than checks that came.
import { claimBytes } from '../../claim.ts'
import { decodeLines, encodeRegistration } from '../../dialects/phonebook/codec.ts'
import { encodePeerMessage, decodePeerMessage, directMessage } from '../../dialects/phonebook/peer.ts'
import type { Endpoint } from '../../endpoint.ts'
import { headerBytes } from '../../headers.ts'
import { hex } from '../../hex.ts'
import { type Identity, identityOf, identitySeedLength } from '../../identity.ts'
import { toBase64url } from '../../rfc4648.ts'
import { type Random, seededRandom } from '../../sim/random.ts'
import { type Forge, createForger, overhear, serverEndpoint, words } from '../forger.ts'
import { type Stage, createStage, serverAddress } from '../stage.ts'
import type { WorldFigure } from './figure.ts'

const windowMs = 600_000
const budgets = 11
const mostAtOnce = 5
const atOnceMs = 30_000
const everyMs = 1000
const client = { address: '198.51.100.1', port: 49_152 }

/** Ours is the smaller key: it is us who begin a private line. */
const [ours, theirs] = [1, 2]
  .map(n => identityOf(new Uint8Array(identitySeedLength).fill(n)))
  .toSorted((a, b) => (hex(a.line.publicKey) < hex(b.line.publicKey) ? -1 : 1)) as [Identity, Identity]

type Rig = { readonly stage: Stage; readonly forge: Forge; readonly random: Random; readonly number: () => number }

type Attack = {
  readonly story: string
  /** Checks that one budget has. */
  readonly checks: number
  /** Begins it; what it returns happens every second. */
  begin(rig: Rig): () => void
}

const newer = words('bob v=2 seek=alice'.padEnd(400))
const victim = (port = 7000, last = 66): Endpoint => ({ address: `192.0.2.${last}`, port })
const below = (random: Random, most: number): number => Math.floor(random.next() * most)

const hostsOf = (numbers: readonly number[]): string => numbers.map(n => ` host=[2001:db8:f::${n}]:7000`).join('')

const check = (random: Random, pair = '', tag: Uint8Array = new Uint8Array(8).fill(7)): Uint8Array =>
  encodePeerMessage({ type: 'check', transaction: random.bytes(12), tag, pair, from: 'bob', to: 'alice' })

/** A host that keeps its registration proven, and never says a word to its peer. */
const mute = ({ stage }: Rig, last: number, more = (): string => ''): (() => void) => {
  const socket = stage.world.host({ address: victim(0, last).address, name: `mute ${last}` }).udp({ port: 7000 })
  let cookie = ''
  socket.onDatagram((bytes, { address }) => {
    if (address === serverAddress) cookie = /,cookie=([\w-]+)/.exec(new TextDecoder().decode(bytes))?.[1] ?? cookie
  })
  return () => socket.send(words(`bob v=2 seek=alice${more()}${cookie && ` cookie=${cookie}`}`), serverEndpoint)
}

/** The same, by somebody with keys of his own and so with the token of the two; he lets others seem to use it. */
const keyedMute = ({ stage }: Rig, last: number): { register(): void; pair(): string } => {
  const socket = stage.world.host({ address: victim(0, last).address, name: `keyed ${last}` }).udp({ port: 7000 })
  const claim = { to: serverEndpoint, stage: '', name: 'bob', key: theirs.key }
  let cookie: string | undefined
  let pair = ''
  socket.onDatagram((bytes, { address }) => {
    if (address !== serverAddress) return
    for (const line of decodeLines(bytes)) {
      if (line.name === 'bob') cookie = line.cookie ?? cookie
      if (line.name === 'alice') pair = line.pair ?? pair
    }
  })
  return {
    register() {
      const sig = cookie === undefined ? undefined : toBase64url(theirs.sign(claimBytes({ ...claim, cookie })))
      const request = { ...claim, newer: true, seek: 'alice', hosts: [], cookie, sig }
      socket.send(encodeRegistration(request, cookie === undefined), serverEndpoint)
    },
    pair: () => pair,
  }
}

const attacks: readonly Attack[] = [
  {
    story: 'silent, registered once and again',
    checks: 3,
    begin:
      ({ forge }) =>
      () =>
        forge(newer, victim()),
  },
  {
    story: 'silent, on another port each time',
    checks: 3,
    begin:
      ({ forge, random }) =>
      () =>
        forge(newer, victim(1024 + below(random, 60_000))),
  },
  {
    story: 'silent, at another address each time',
    checks: 3,
    begin:
      ({ forge, random }) =>
      () =>
        forge(newer, victim(7000, below(random, 200))),
  },
  { story: 'silent, with a proven entry', checks: 20, begin: rig => mute(rig, 66) },
  {
    story: 'two proven ones in turn',
    checks: 20,
    begin(rig) {
      const both = [mute(rig, 66), mute(rig, 67)]
      return () => both[rig.number() % 2]?.()
    },
  },
  {
    story: 'a proven one that names others over IPv6',
    checks: 20,
    begin: rig => mute(rig, 66, () => hostsOf([1, 2, 3, 4])),
  },
  {
    story: 'a proven one that names other ones over IPv6 each time',
    checks: 20,
    begin: rig => mute(rig, 66, () => hostsOf([0, 0, 0, 0].map(() => below(rig.random, 200)))),
  },
  {
    story: 'an unproven one that names others over IPv6',
    checks: 3,
    begin:
      ({ forge }) =>
      () =>
        forge(words(`bob v=2 seek=alice${hostsOf([1, 2, 3, 4])}`.padEnd(400)), victim()),
  },
  {
    story: 'silent, an older program',
    checks: 41,
    begin:
      ({ forge }) =>
      () =>
        forge(words('bob'), victim()),
  },
  {
    story: 'an older one on another port each time',
    checks: 41,
    begin:
      ({ forge, random }) =>
      () =>
        forge(words('bob'), victim(1024 + below(random, 60_000))),
  },
  {
    story: 'hostile: forged checks from there',
    checks: 3,
    begin:
      ({ forge, random }) =>
      () => {
        forge(newer, victim())
        for (let i = 0; i < 5; i++) forge(check(random), victim(), client)
      },
  },
  {
    story: 'hostile: forged checks from its other ports',
    checks: 3,
    begin:
      ({ forge, random }) =>
      () => {
        forge(newer, victim())
        for (let i = 0; i < 5; i++) forge(check(random), victim(1024 + below(random, 60_000)), client)
      },
  },
  {
    story: 'hostile: forged checks from there, with a key that nobody has shown to be his',
    checks: 6, // three of them, and three hellos
    begin:
      ({ forge, random }) =>
      () => {
        forge(words(`bob v=2 seek=alice key=${theirs.key}`.padEnd(400)), victim())
        for (let i = 0; i < 5; i++) forge(check(random, '', random.bytes(8)), victim(), client)
      },
  },
  {
    story: 'hostile: a peer with keys whose checks seem to come from elsewhere',
    checks: 20,
    begin(rig) {
      const { register, pair } = keyedMute(rig, 67)
      return () => {
        register()
        for (let i = 0; i < 5; i++) {
          const port = 7000 + below(rig.random, 100)
          rig.forge(check(rig.random, pair(), rig.random.bytes(8)), victim(port), client)
        }
      }
    },
  },
  {
    story: 'hostile: forged text of an older program',
    checks: 41,
    begin:
      ({ forge }) =>
      () => {
        forge(words('bob'), victim())
        forge(words(directMessage('bob', 'alice')), victim(), client)
      },
  },
]

type Watched = { times: number[]; bytes: number[]; from: number; sum: number; asked: number; answered: number }

/** The most that went to one address in a window, as a share of what may; the most addresses at once. */
const worstOf = (attack: Attack, hours: number): { share: number; atOnce: number; sent: number; excess: boolean } => {
  const stage = createStage({ seed: 1, ip: 'both', trace: false, keepEvents: false, link: { latencyMs: 10 } })
  const { world } = stage
  const watched = new Map<string, Watched>()
  const at = (address: string): Watched => {
    const known = watched.get(address) ?? { times: [], bytes: [], from: 0, sum: 0, asked: 0, answered: 0 }
    watched.set(address, known)
    return known
  }
  let share = 0
  let atOnce = 0
  let sent = 0
  const note = (address: string, length: number): void => {
    const to = at(address)
    const now = world.now()
    sent++
    to.times.push(now)
    to.bytes.push(length)
    to.sum += length
    for (; (to.times[to.from] ?? now) < now - windowMs; to.from++) to.sum -= to.bytes[to.from] ?? 0
    const checks = (to.times.length - to.from) / (budgets * attack.checks)
    const bytes = attack.checks > 20 ? 0 : to.sum / (budgets * 2048)
    share = Math.max(share, checks, bytes)
    atOnce = Math.max(
      atOnce,
      [...watched.values()].filter(({ times }) => (times.at(-1) ?? -Infinity) > now - atOnceMs).length,
    )
  }
  overhear(stage.hostOf('alice'), (bytes, { address }) => {
    if (address === serverAddress) return
    if (decodePeerMessage(bytes)?.type === 'check-response') at(address).answered++
    else note(address, bytes.length + headerBytes(address))
  })
  stage.startServer()
  stage.startClient('alice', 'bob', { identity: ours })
  const forger = createForger(stage)
  const forge: Forge = (bytes, from, to) => {
    if (to === client) at(from.address).asked++
    forger(bytes, from, to)
  }
  let seconds = 0
  const act = attack.begin({ stage, forge, random: seededRandom(1, attack.story), number: () => seconds })
  for (; seconds < hours * 3600; seconds++) {
    act()
    world.run(world.now() + everyMs)
  }
  const excess = [...watched.values()].some(({ asked, answered }) => answered > asked)
  return { share, atOnce, sent, excess }
}

export const goodManners: WorldFigure = {
  id: 'S8',
  promised: 'rule 5: <= 11 budgets to an address in any 10 min, <= 5 addresses at once, no more answers than checks',
  measure(size) {
    const hours = size === 'whole' ? 24 : 1
    const results = attacks.map(attack => ({ attack, ...worstOf(attack, hours) }))
    const [worst] = results.toSorted((a, b) => b.share - a.share)
    const atOnce = Math.max(...results.map(result => result.atOnce))
    const tooMany = results.filter(({ share, excess, sent }) => share > 1 || excess || sent === 0)
    return {
      measured: `${(100 * (worst?.share ?? Infinity)).toFixed(0)} % at most (${worst?.attack.story}), ${atOnce} at once; ${hours} h of ${attacks.length} attacks`,
      pass: tooMany.length === 0 && atOnce <= mostAtOnce,
    }
  },
}
