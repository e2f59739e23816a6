// One meeting in the simulated world: the production server, Alice and Bob at their sites, and what came of it.
import type { ClientEvent } from '../client/events.ts'
import { fnv1a64 } from '../sim/hash.ts'
import { seededRandom } from '../sim/random.ts'
import { type Network, drawWays, variedNetwork } from './network.ts'
import type { Place } from './sites.ts'
import { type StageClient, fourSockets, stageIn } from './stage.ts'
import { type Topology, createTopology } from './topology.ts'
import { type Why, whyOf } from './why.ts'

export const peers = ['alice', 'bob'] as const
export type Peer = (typeof peers)[number]

export type MeetingOptions = {
  readonly place: Place
  readonly seed: number | string
  /** Who starts first. */
  readonly first: Peer
  /** How much later the other one starts. */
  readonly offsetMs: number
  readonly network?: Network
  /** From there on, until it counts as failed. */
  readonly limitMs?: number
  /** So long in silence, once connected, before it counts; who has lost the other in it was not connected. */
  readonly stayMs?: number
  /** Sees the world before anything happens in it: to record, or to change something. */
  readonly prepare?: (topology: Topology) => void
  readonly onEvent?: (peer: Peer, event: ClientEvent, atMs: number) => void
}

/** Times since the later one's start, and the later of both sides'. The same from either world. */
export type MeetingResult = {
  /** Both ways. */
  readonly connected: boolean
  /** The only one who heard the other. */
  readonly oneWay?: Peer
  readonly heardMs?: number
  readonly connectedMs?: number
  /** That Alice and Bob sent until then, registrations included. */
  readonly datagrams: number
  /** Of a failed one. */
  readonly why?: Why
  /** Names the whole story; the kernel's can't be told twice. */
  readonly trace?: string
}

export const defaultLimitMs = 25_000

export const meet = (options: MeetingOptions): MeetingResult => meetIn(options).result

/** The same, with the world as it was at the end. */
export const meetIn = (options: MeetingOptions): { readonly result: MeetingResult; readonly topology: Topology } => {
  const { place, seed, first, offsetMs, network = variedNetwork, limitMs = defaultLimitMs, stayMs = 0 } = options
  const ways = drawWays(network, seededRandom(seed, 'ways'))
  const topology = createTopology(place.profileA, place.profileB, { ...place, seed, ways, trace: true })
  const { world } = topology
  options.prepare?.(topology)
  const ip = place.ip ?? '4'
  const stage = stageIn(world, topology.hosts, { ip })
  stage.startServer({ listen: fourSockets(ip) })
  const start = (me: Peer): StageClient =>
    stage.startClient(me, me === 'alice' ? 'bob' : 'alice', {
      onEvent: event => options.onEvent?.(me, event, world.now()),
    })
  const earlier = start(first)
  world.run(offsetMs)
  const later = start(first === 'alice' ? 'bob' : 'alice')
  const [alice, bob] = first === 'alice' ? [earlier, later] : [later, earlier]
  const both = [alice, bob]
  const areConnected = (): boolean => both.every(({ client }) => client.state === 'connected')
  const met = world.runUntil(areConnected, offsetMs + limitMs)
  const { records } = world.trace
  const datagrams = records.filter(({ kind, box }) => kind === 'send' && box !== 'server').length
  if (met && stayMs > 0) world.run(world.now() + stayMs)
  const connected = met && areConnected() && both.every(side => side.of('lost').length === 0)

  const since = (kind: 'heard' | 'connected'): number | undefined => {
    const times = both.map(side => side.of(kind)[0]?.atMs)
    return times.some(time => time === undefined) ? undefined : Math.max(...times.map(Number)) - offsetMs
  }
  const [heardMs, connectedMs] = [since('heard'), since('connected')]
  const heard = peers.filter((_, i) => both[i]?.of('heard').length)
  const result: MeetingResult = {
    connected,
    ...(heard.length === 1 && heard[0] && { oneWay: heard[0] }),
    ...(heardMs !== undefined && { heardMs }),
    ...(connectedMs !== undefined && { connectedMs }),
    datagrams,
    ...(!connected && { why: whyOf(world.trace.records, heard) }),
    trace: world.trace.hash(),
  }
  return { result, topology }
}

/** One name for the stories of many meetings, in their order. */
export const traceOf = (results: readonly MeetingResult[]): string | undefined =>
  results.every(({ trace }) => trace !== undefined) ? fnv1a64(results.map(({ trace }) => trace).join('\n')) : undefined
