// What would have let the two meet: one thing changed at a time, and the meeting held again in the same world. Only what
// really connected is said.
import { type Family, familyOf } from '../endpoint.ts'
import { type Behavior, type NatProfile, behaviors, withoutTranslation } from '../nat-profile.ts'
import type { SimHost } from '../sim/host.ts'
import { type MeetingOptions, type Peer, meet, peers } from './meeting.ts'
import type { Place } from './sites.ts'
import { serverAddresses } from '../server-addresses.ts'
import type { Topology } from './topology.ts'

/** `isTheirs`: the two can do it by themselves, whatever boxes and networks are like. */
export type Remedy = { readonly text: string; readonly options: MeetingOptions; readonly isTheirs?: true }
export type Worked = Remedy & { readonly connectedMs: number }
export type Tried = { readonly tried: number; readonly worked: readonly Worked[] }

/** Of the steps towards an easier behavior only the first that works is said. */
export const whatWorks = (options: MeetingOptions): Tried => {
  let tried = 0
  const worked = remediesOf(options).flatMap(steps => {
    for (const remedy of steps) {
      tried++
      const { connected, connectedMs } = meet(remedy.options)
      if (connected && connectedMs !== undefined) return [{ ...remedy, connectedMs }]
    }
    return []
  })
  return { tried, worked }
}

const boxes = { profileA: 'nat-a', profileB: 'nat-b', cgnA: 'cgn-a', cgnB: 'cgn-b' } as const
type Field = keyof typeof boxes

const remediesOf = (options: MeetingOptions): Remedy[][] => {
  const { place, first, offsetMs, network, strategy, parameters, ...rest } = options
  const isTheirs = true as const
  const second: Peer = first === 'alice' ? 'bob' : 'alice'
  return [
    ...(strategy || parameters
      ? [
          [
            {
              text: 'they choose for themselves what to try',
              options: { ...rest, place, first, offsetMs, ...(network && { network }) },
              isTheirs,
            } as const,
          ],
        ]
      : []),
    ...(offsetMs > 0
      ? [
          [{ text: `${second} starts first`, options: { ...options, first: second }, isTheirs }],
          [{ text: 'both start at the same time', options: { ...options, offsetMs: 0 }, isTheirs }],
        ]
      : []),
    ...peers.map(peer => [
      { text: `${peer}'s first packets to an endpoint die under way`, options: opened(options, peer), isTheirs },
    ]),
    ...(Object.keys(boxes) as Field[]).flatMap(field => relaxations(options, place, field)),
    ...(network && network.loss[1] > 0
      ? [[{ text: 'nothing is lost', options: { ...options, network: { ...network, loss: [0, 0] as const } } }]]
      : []),
    [{ text: 'they have a minute', options: { ...options, limitMs: 60_000 }, isTheirs }],
  ]
}

const relaxations = (options: MeetingOptions, place: Place, field: Field): Remedy[][] => {
  const isSix = place.ip === '6'
  const given = place[field]
  const profile = given && isSix ? withoutTranslation(given) : given
  const box = isSix ? boxes[field].replace('nat', 'fw') : boxes[field]
  // Who shares a box with the other one has none of his own.
  const isThere = profile && profile.kind !== 'public' && !(field === 'profileB' && place.shared === 'nat')
  if (!isThere || (field === 'cgnB' && place.shared === 'cgn') || (isSix && field.startsWith('cgn'))) return []
  const relaxed = (change: Partial<NatProfile>, text: string): Remedy => ({
    text: `${box} ${text}`,
    options: { ...options, place: { ...place, [field]: { ...profile, ...change } } },
  })
  if (profile.kind === 'blocked') return [[relaxed({ kind: 'nat' }, 'lets UDP through')]]
  return [
    easier(profile.filtering).map(filtering =>
      relaxed({ filtering, ports: { ...profile.ports, overloading: false } }, `has ${filtering} filtering`),
    ),
    profile.kind === 'nat'
      ? easier(profile.mapping).map(mapping => relaxed({ mapping }, `has ${mapping} mapping`))
      : [],
    profile.early === 'naive' ? [relaxed({ early: 'drop' }, 'takes no early packet for its own')] : [],
    profile.hairpinning || !place.shared
      ? []
      : [relaxed({ hairpinning: true }, 'turns back what is for its own outside')],
  ].filter(steps => steps.length > 0)
}

/** Step by step, the next one first. */
const easier = (behavior: Behavior): Behavior[] => behaviors.slice(0, behaviors.indexOf(behavior)).toReversed()

/** How often the first packets to an endpoint get only as far as out of one's own boxes. */
const openers = 2

const opened = (options: MeetingOptions, peer: Peer): MeetingOptions => ({
  ...options,
  prepare(topology) {
    options.prepare?.(topology)
    shortenFirst(topology[peer], address => boxesOf(topology, peer, familyOf(address)) + 1)
  },
})

const boxesOf = ({ nats }: Topology, peer: Peer, family: Family): number =>
  [...nats.keys()].filter(
    name => name.endsWith(peer === 'alice' ? '-a' : '-b') && name.startsWith('fw-') === (family === 6),
  ).length

const shortenFirst = (host: SimHost, ttlTo: (address: string) => number): void => {
  const udp = host.udp.bind(host)
  host.udp = at => {
    const socket = udp(at)
    const send = socket.send.bind(socket)
    const counts = new Map<string, number>()
    socket.send = (bytes, to, sendOptions) => {
      const key = `${to.address} ${to.port}`
      const count = (counts.get(key) ?? 0) + 1
      counts.set(key, count)
      const isOpener = count <= openers && !serverAddresses.both.includes(to.address)
      send(bytes, to, isOpener ? { ttl: ttlTo(to.address) } : sendOptions)
    }
    return socket
  }
}
