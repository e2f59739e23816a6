// S8, with all strategies: rule 5 for attempts. Whoever is registered, proves that it hears us and seeks us has agreed to
// thousands of datagrams; so many and no more, half a minute at a time and then half a minute nothing, and at that address only.
// Who has not agreed gets none, whatever NAT and ports it or somebody in its name claims. The peer never answers a check.
import { mostShots } from '../../client/manners.ts'
import { type Random, seededRandom } from '../../sim/random.ts'
import { createWorld } from '../../sim/world.ts'
import { type Forge, createForger, overhear, serverEndpoint, words } from '../forger.ts'
import { serverAddresses } from '../../server-addresses.ts'
import { type Stage, fourSockets, serverAddress, stageIn } from '../stage.ts'
import type { WorldFigure } from './figure.ts'

/** Of what may go to an address beside attempts, in any minute: checks, and those after something came back. */
const budget = 40
const attemptMs = 30_000
const mostAtOnce = 5
const everyMs = 1000

type Rig = { readonly stage: Stage; readonly forge: Forge; readonly random: Random; readonly seconds: () => number }

type Attack = {
  readonly story: string
  /** False: nobody has agreed to an attempt. */
  readonly agreed: boolean
  /** Begins it; what it returns happens every second. */
  begin(rig: Rig): () => void
}

const address = (last: number): string => `192.0.2.${last}`
const below = (random: Random, most: number): number => Math.floor(random.next() * most)
const randomPorts = (random: Random): string => Array.from({ length: 6 }, () => 1024 + below(random, 64_000)).join('/')
const counting = 'apd/apd/40000/40001/40002/40003'

/** A host that keeps its registration proven, and never says a word to its peer. `rest`: what it says of itself. */
const mute = ({ stage }: Rig, last: number, rest: () => string): (() => void) => {
  const socket = stage.world.host({ address: address(last), name: `mute ${last}` }).udp({ port: 7000 })
  let cookie = ''
  socket.onDatagram((bytes, from) => {
    if (from.address === serverAddress) cookie = /,cookie=([\w-]+)/.exec(new TextDecoder().decode(bytes))?.[1] ?? cookie
  })
  return () => socket.send(words(`bob v=2 ${rest()}${cookie && ` cookie=${cookie}`}`), serverEndpoint)
}

const seeking = (hint: string): string => `seek=alice nat=${hint}`

const attacks: readonly Attack[] = [
  {
    story: 'random ports, and silent',
    agreed: true,
    begin: rig => mute(rig, 66, () => seeking(`apd/apd/${randomPorts(seededRandom(1, 'same'))}`)),
  },
  {
    story: 'other random ports each second',
    agreed: true,
    begin: rig => mute(rig, 66, () => seeking(`apd/apd/${randomPorts(rig.random)}`)),
  },
  { story: 'counting ports, and silent', agreed: true, begin: rig => mute(rig, 66, () => seeking(counting)) },
  {
    story: 'another kind of NAT each second',
    agreed: true,
    begin: rig =>
      mute(rig, 66, () =>
        seeking([counting, 'ei/apd', `ad/ad/${randomPorts(rig.random)}`, 'apd/-/9/9999/555'][rig.seconds() % 4] ?? ''),
      ),
  },
  {
    story: 'offers other addresses',
    agreed: true,
    begin: rig =>
      mute(rig, 66, () => `${seeking('ei/apd')} host=${address(99)}:7000 host=${address(66)}:${2000 + rig.seconds()}`),
  },
  {
    story: 'two proven ones in turn',
    agreed: true,
    begin(rig) {
      const both = [66, 67].map(last => mute(rig, last, () => seeking(`apd/apd/${randomPorts(rig.random)}`)))
      return () => both[rig.seconds() % 2]?.()
    },
  },
  {
    story: 'six proven ones in turn',
    agreed: true,
    begin(rig) {
      const all = [60, 61, 62, 63, 64, 65].map(last =>
        mute(rig, last, () => seeking(`apd/apd/${randomPorts(rig.random)}`)),
      )
      return () => all[Math.floor(rig.seconds() / 7) % all.length]?.()
    },
  },
  {
    story: 'unproven: forged, with random ports',
    agreed: false,
    begin:
      ({ forge, random }) =>
      () =>
        forge(words(`bob v=2 ${seeking(`apd/apd/${randomPorts(random)}`)}`.padEnd(400)), {
          address: address(66),
          port: 7000,
        }),
  },
  {
    story: 'proven, but seeks somebody else',
    agreed: false,
    begin: rig => mute(rig, 66, () => `seek=carol nat=${counting}`),
  },
  {
    story: 'proven, then forged from elsewhere',
    agreed: false,
    begin(rig) {
      const own = mute(rig, 77, () => seeking(`apd/apd/${randomPorts(rig.random)}`))
      return () => {
        if (rig.seconds() % 3 === 0) own()
        else
          rig.forge(words(`bob v=2 ${seeking(counting)}`.padEnd(400)), {
            address: address(66),
            port: 7000 + rig.seconds(),
          })
      }
    },
  },
]

/** Where nobody has agreed to anything. */
const victims = new Set([66, 99].map(address))

type Found = { readonly most: number; readonly atOnce: number; readonly sent: number; readonly uninvited: number }

const worstOf = ({ story, agreed, begin }: Attack, seconds: number): Found => {
  const world = createWorld({ seed: 1, trace: false, link: { latencyMs: 10 } })
  const server = world.host({ name: 'server', addresses: [...serverAddresses['4']] })
  const stage = stageIn(world, [server], { keepEvents: false })
  const sent = new Map<string, number[]>()
  let atOnce = 0
  overhear(stage.hostOf('alice'), (_bytes, to) => {
    if (serverAddresses['4'].includes(to.address)) return
    const times = sent.get(to.address)
    if (times) times.push(world.now())
    else sent.set(to.address, [world.now()])
    const isRecent = (times: number[]): boolean => (times.at(-1) ?? -Infinity) > world.now() - attemptMs
    atOnce = Math.max(atOnce, [...sent.values()].filter(isRecent).length)
  })
  stage.startServer({ listen: fourSockets('4') })
  stage.startClient('alice', 'bob')
  let passed = 0
  const act = begin({ stage, forge: createForger(stage), random: seededRandom(1, story), seconds: () => passed })
  for (; passed < seconds; passed++) {
    act()
    world.run(world.now() + everyMs)
  }
  const all = [...sent].filter(([to]) => agreed && !(to === address(99)))
  const notAgreed = [...sent].filter(([to]) => victims.has(to) && (!agreed || to === address(99)))
  return {
    most: Math.max(0, ...all.map(([, times]) => mostWithin(times, attemptMs))),
    atOnce,
    sent: [...sent.values()].reduce((sum, { length }) => sum + length, 0),
    uninvited: Math.max(0, ...notAgreed.map(([, times]) => mostWithin(times, attemptMs))),
  }
}

/** The most in any window of so long. */
const mostWithin = (times: readonly number[], windowMs: number): number => {
  let [from, most] = [0, 0]
  for (const [i, time] of times.entries()) {
    while ((times[from] ?? time) < time - windowMs) from++
    most = Math.max(most, i - from + 1)
  }
  return most
}

export const agreedAttempts: WorldFigure = {
  id: 'S8',
  promised: `rule 5, attempts: <= ${mostShots} datagrams in 30 s, then as long none; only to whom agreed; <= ${mostAtOnce} addresses at once`,
  measure(size) {
    const seconds = size === 'whole' ? 7200 : 150
    const results = attacks.map(attack => ({ ...attack, ...worstOf(attack, seconds) }))
    const most = Math.max(...results.map(result => result.most))
    const uninvited = Math.max(...results.map(result => result.uninvited))
    const atOnce = Math.max(...results.map(result => result.atOnce))
    const worst = results.find(result => result.most === most)
    return {
      measured: `${most} in 30 s at most (${worst?.story}), ${uninvited} to whom has not agreed, ${atOnce} addresses at once; ${seconds} s of ${attacks.length} attacks`,
      pass:
        most > 1000 &&
        most <= mostShots + budget &&
        uninvited <= budget &&
        atOnce <= mostAtOnce &&
        results.every(({ sent }) => sent > 0),
    }
  },
}
