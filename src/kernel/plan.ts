// Law: pure. Which network namespaces a topology has, how they are wired and what each of them does; and all of it as one
// script for a shell. The names and addresses are those of the simulated topology, so that traces of both read alike.
import type { NatProfile } from '../nat-profile.ts'
import { type Rules, lossRules, rulesOf } from './rules.ts'

export type PlanOptions = {
  /** Behind each NAT's outside, one more: the provider's. */
  readonly cgnA?: NatProfile | undefined
  readonly cgnB?: NatProfile | undefined
  /** `nat`: Bob is in Alice's LAN. `cgn`: Bob's NAT is a customer of Alice's provider. Bob's other profiles are unused. */
  readonly shared?: 'nat' | 'cgn' | undefined
  /** Of a hundred datagrams on the internet, so many are lost. */
  readonly lossPercent?: number
  /** More public hosts: 203.0.113.20 and on. */
  readonly publicHosts?: readonly string[]
  /**
   * Begins the addresses outside of Alice's NAT, in place of `198.51.100.`: some programs of routers (miniupnpd for one) refuse
   * to work with addresses that are kept for documentation.
   */
  readonly wanA?: string
}

/** A network namespace: what `ip` is told in there, and the rules. */
type Space = { readonly name: string; readonly rules: Rules; readonly lines: string[] }

type Member = { readonly name: string; readonly device: 'eth0' | 'wan'; readonly addresses: readonly string[] }

/** A network, named as its gateway's interface. */
type Segment = {
  readonly name: string
  readonly gateway: Space
  readonly prefix: string
  readonly members: Member[]
}

export type Plan = {
  readonly spaces: readonly Space[]
  readonly segments: readonly Segment[]
  /** Of each host: the server, Alice, Bob and the public hosts. */
  readonly addresses: ReadonlyMap<string, readonly string[]>
}

export const serverAddresses = ['203.0.113.10', '203.0.113.11'] as const

const sides = {
  a: { host: 'alice', wan: '198.51.100.', lan: '10.1.0.', customer: '100.64.0.2' },
  b: { host: 'bob', wan: '192.0.2.', lan: '10.2.0.', customer: '100.64.0.3' },
} as const
type Side = keyof typeof sides

const noRules: Rules = { ruleset: '', sysctls: {} }

export const planTopology = (profileA: NatProfile, profileB: NatProfile, options: PlanOptions = {}): Plan => {
  const { cgnA, cgnB, shared, lossPercent = 0, publicHosts = [], wanA = sides.a.wan } = options
  const spaces: Space[] = []
  const segments: Segment[] = []
  const addresses = new Map<string, readonly string[]>()

  const addSpace = (name: string, rules = noRules): Space => {
    const space = { name, rules, lines: ['link set lo up'] }
    spaces.push(space)
    return space
  }

  const addSegment = (gateway: Space, name: string, prefix: string): Segment => {
    const segment = { name, gateway, prefix, members: [] }
    gateway.lines.push(`addr add ${prefix}1/24 dev ${name}`, `link set ${name} up`)
    segments.push(segment)
    return segment
  }

  const attach = (space: Space, device: Member['device'], segment: Segment, own: readonly string[]): void => {
    segment.members.push({ name: space.name, device, addresses: own })
    space.lines.push(
      ...own.map(address => `addr add ${address}/24 dev ${device}`),
      `link set ${device} up`,
      `route add default via ${segment.prefix}1`,
    )
  }

  const addHost = (name: string, segment: Segment, own: readonly string[]): void => {
    attach(addSpace(name), 'eth0', segment, own)
    addresses.set(name, own)
  }

  /** A NAT with its only external address, and the network behind it. */
  const addNat = (name: string, profile: NatProfile, outside: Segment, wan: string, prefix: string): Segment => {
    const nat = addSpace(name, rulesOf(profile, { wan, lan: `${prefix}0/24` }))
    attach(nat, 'wan', outside, [wan])
    return addSegment(nat, 'lan', prefix)
  }

  /** The host keeps the public address; the box in front of it is in between by routes alone, at an address of its own. */
  const addFirewalled = (side: Side, profile: NatProfile, outside: Segment, own: string): void => {
    const { host, lan } = sides[side]
    const box = addSpace(`nat-${side}`, rulesOf(profile, { wan: own, lan: `${own}/32` }))
    const boxAddress = own.replace(/(\d+)$/, last => String(250 + Number(last)))
    attach(box, 'wan', outside, [boxAddress])
    const inside = addSegment(box, 'lan', lan)
    const space = addSpace(host)
    outside.gateway.lines.push(`route add ${own}/32 via ${boxAddress}`)
    box.lines.push(`route add ${own}/32 dev lan`)
    inside.members.push({ name: host, device: 'eth0', addresses: [own] })
    space.lines.push(`addr add ${own}/32 dev eth0`, 'link set eth0 up', `route add default via ${lan}1 dev eth0 onlink`)
    addresses.set(host, [own])
  }

  /** The network that a customer is on, the provider's or the internet, and his address there. */
  const access = (side: Side, cgn: NatProfile | undefined): [Segment, string] => {
    const { wan, customer } = { ...sides[side], ...(side === 'a' && { wan: wanA }) }
    const found = cgn && shared === 'cgn' ? segments.find(({ gateway }) => gateway.name === 'cgn-a') : undefined
    if (found) return [found, customer]
    const internet = addSegment(inet, `wan-${side}`, wan)
    return cgn ? [addNat(`cgn-${side}`, cgn, internet, `${wan}2`, '100.64.0.'), customer] : [internet, `${wan}2`]
  }

  const settle = (side: Side, profile: NatProfile, cgn: NatProfile | undefined): void => {
    const { host, lan } = sides[side]
    const [outside, own] = access(side, cgn)
    if (profile.kind === 'public') addHost(host, outside, [own])
    else if (profile.kind === 'firewall') addFirewalled(side, profile, outside, own)
    else addHost(host, addNat(`nat-${side}`, profile, outside, own, lan), [`${lan}2`])
  }

  const inet = addSpace('inet', lossRules(lossPercent))
  const open = addSegment(inet, 'open', '203.0.113.')
  addHost('server', open, serverAddresses)
  for (const [i, name] of publicHosts.entries()) addHost(name, open, [`203.0.113.${20 + i}`])
  settle('a', profileA, cgnA)
  const home = segments.find(({ gateway }) => gateway.name === 'nat-a')
  if (shared === 'nat' && (!home || profileA.kind === 'firewall')) {
    throw new RangeError(`no NAT to share: Alice is ${profileA.name}`)
  }
  if (shared === 'cgn' && !cgnA) throw new RangeError('no cgnA to share')
  if (home && shared === 'nat') addHost('bob', home, [`${home.prefix}3`])
  else settle('b', profileB, shared === 'cgn' ? cgnA : cgnB)
  return { spaces, segments, addresses }
}

/** For `sh -e`: raises everything in namespaces of the shell's own, says `ready`, and leaves the shell reading on. */
export const scriptOf = ({ spaces, segments }: Plan): string =>
  [
    'mount -t tmpfs lab /run',
    'mkdir /run/netns',
    ...here('ip -batch -', 'MADE', [...spaces.map(({ name }) => `netns add ${name}`), ...segments.flatMap(wiring)]),
    ...spaces.flatMap(space => [
      ...here(`nsenter --net=/run/netns/${space.name} sh -e`, 'SPACE', setUp(space, segments), ' &'),
      'pids="$pids $!"',
    ]),
    'for pid in $pids; do wait $pid; done',
    'echo ready',
    '',
  ].join('\n')

const here = (command: string, mark: string, lines: readonly string[], then = ''): string[] => [
  `${command} <<'${mark}'${then}`,
  ...lines,
  mark,
]

/** Where more than one is to be connected, the gateway's interface is a bridge. */
const isBridge = ({ members }: Segment): boolean => members.length > 1

const port = ({ name }: Segment, i: number): string => `${name}-${i}`

const wiring = (segment: Segment): string[] => {
  const { name, gateway, members } = segment
  const cables = members.map(({ name: host, device }, i) => {
    const far = isBridge(segment) ? port(segment, i) : name
    return `link add name ${device} netns ${host} type veth peer name ${far} netns ${gateway.name}`
  })
  return isBridge(segment) ? [...cables, `link add name ${name} netns ${gateway.name} type bridge`] : cables
}

const setUp = ({ name, lines, rules }: Space, segments: readonly Segment[]): string[] => {
  const bridges = segments.filter(segment => segment.gateway.name === name && isBridge(segment))
  const ports = bridges.flatMap(segment =>
    segment.members.map((_, i) => `link set ${port(segment, i)} master ${segment.name} up`),
  )
  return [
    ...here('ip -batch -', 'TOLD', [...ports, ...lines]),
    ...(rules.ruleset === '' ? [] : here('nft -f -', 'RULES', [rules.ruleset.trimEnd()])),
    ...Object.entries(rules.sysctls).map(([key, value]) => `echo ${value} >/proc/sys/${key.replaceAll('.', '/')}`),
  ]
}
