// Law: pure. Which network namespaces a topology has, how they are wired and what each of them does; and all of it as one
// script for a shell. The names and addresses are those of the simulated topology, so that traces of both read alike.
import type { IpVersions, NatProfile } from '../nat-profile.ts'
import { firewall6Of } from './firewall6.ts'
import { type Rules, forwarding, noRules, together } from './nft.ts'
import { type Box, lossRules, rulesOf } from './rules.ts'

export type PlanOptions = {
  /** Default 4. Over IPv6 the box of a site is a firewall in front of a /64, and a provider only routes. */
  readonly ip?: IpVersions | undefined
  /** Behind each NAT's outside, one more: the provider's. */
  readonly cgnA?: NatProfile | undefined
  readonly cgnB?: NatProfile | undefined
  /** `nat`: Bob is in Alice's LAN. `cgn`: Bob's NAT is a customer of Alice's provider. Bob's other profiles are unused. */
  readonly shared?: 'nat' | 'cgn' | undefined
  /** Of a hundred datagrams on the internet, so many are lost. */
  readonly lossPercent?: number
  /** More public hosts: 203.0.113.20, 2001:db8:5::20 and on. */
  readonly publicHosts?: readonly string[]
  /**
   * Begins the addresses outside of Alice's NAT, in place of `198.51.100.`: some programs of routers (miniupnpd for one) refuse
   * to work with addresses that are kept for documentation.
   */
  readonly wanA?: string
}

/** A network namespace: what `ip` is told in there, and the rules. */
type Space = { readonly name: string; readonly rules: Rules; readonly lines: string[]; readonly hasSix: boolean }

type Member = { readonly name: string; readonly device: 'eth0' | 'wan'; readonly addresses: readonly string[] }

/** A network, named as its gateway's interface. */
type Segment = {
  readonly name: string
  readonly gateway: Space
  readonly prefix: string
  readonly prefix6: string
  readonly members: Member[]
}

export type Plan = {
  readonly spaces: readonly Space[]
  readonly segments: readonly Segment[]
  /** Of each host: the server, Alice, Bob and the public hosts. */
  readonly addresses: ReadonlyMap<string, readonly string[]>
}

const sides = {
  a: { host: 'alice', wan: '198.51.100.', lan: '10.1.0.', customer: 2, six: '2001:db8:a:' },
  b: { host: 'bob', wan: '192.0.2.', lan: '10.2.0.', customer: 3, six: '2001:db8:b:' },
} as const
type Side = keyof typeof sides

export const planTopology = (profileA: NatProfile, profileB: NatProfile, options: PlanOptions = {}): Plan => {
  const { ip = '4', cgnA, cgnB, shared, lossPercent = 0, publicHosts = [], wanA = sides.a.wan } = options
  const [hasFour, hasSix] = [ip !== '6', ip !== '4']
  const spaces: Space[] = []
  const segments: Segment[] = []
  const addresses = new Map<string, readonly string[]>()
  /** Of each box, the network that it is a member of, and its IPv6 address there. */
  const uplinks = new Map<Space, { readonly segment: Segment; readonly address6: string }>()

  const addSpace = (name: string, rules = noRules): Space => {
    const space = { name, rules, lines: ['link set lo up'], hasSix }
    spaces.push(space)
    return space
  }

  const addSegment = (gateway: Space, name: string, prefix: string, prefix6: string): Segment => {
    const segment = { name, gateway, prefix, prefix6, members: [] }
    gateway.lines.push(
      ...(hasFour ? [`addr add ${prefix}1/24 dev ${name}`] : []),
      `link set ${name} up`,
      ...(hasSix ? [`addr add ${prefix6}1/64 dev ${name} nodad`] : []),
    )
    segments.push(segment)
    if (!hasSix) return segment
    for (let up = uplinks.get(gateway); up; up = uplinks.get(up.segment.gateway))
      up.segment.gateway.lines.push(`route add ${prefix6}/64 via ${up.address6}`)
    return segment
  }

  /** `numbers`: of its addresses there, the last ones. */
  const attach = (space: Space, device: Member['device'], segment: Segment, numbers: readonly number[]): string[] => {
    const four = hasFour ? numbers.map(number => `${segment.prefix}${number}`) : []
    const six = hasSix ? numbers.map(number => `${segment.prefix6}${number}`) : []
    segment.members.push({ name: space.name, device, addresses: [...four, ...six] })
    space.lines.push(
      ...four.map(address => `addr add ${address}/24 dev ${device}`),
      `link set ${device} up`,
      ...six.map(address => `addr add ${address}/64 dev ${device} nodad`),
      ...(hasFour ? [`route add default via ${segment.prefix}1`] : []),
      ...(hasSix ? [`route add default via ${segment.prefix6}1`] : []),
    )
    return [...four, ...six]
  }

  const addHost = (name: string, segment: Segment, numbers: readonly number[]): void => {
    addresses.set(name, attach(addSpace(name), 'eth0', segment, numbers))
  }

  const boxRules = (profile: NatProfile, box: Box, isProvider = false): Rules =>
    together([
      ...(hasFour ? [rulesOf(profile, box)] : []),
      ...(hasSix ? [isProvider ? { ...noRules, sysctls: forwarding('6') } : firewall6Of(profile)] : []),
    ])

  /** A NAT with its only external address, and the network behind it. */
  const addNat = (name: string, rules: Rules, outside: Segment, number: number, inside: [string, string]): Segment => {
    const nat = addSpace(name, rules)
    attach(nat, 'wan', outside, [number])
    uplinks.set(nat, { segment: outside, address6: `${outside.prefix6}${number}` })
    return addSegment(nat, 'lan', ...inside)
  }

  /** The host keeps the public address; the box in front of it is in between by routes alone, at an address of its own. */
  const addFirewalled = (side: Side, profile: NatProfile, outside: Segment, number: number): void => {
    const { host, lan } = sides[side]
    const own = `${outside.prefix}${number}`
    const boxNumber = 250 + number
    const rules = boxRules(profile, { wan: own, lan: `${own}/32` })
    const inside = addNat(`nat-${side}`, rules, outside, boxNumber, networkOf(side))
    const space = addSpace(host)
    outside.gateway.lines.push(`route add ${own}/32 via ${outside.prefix}${boxNumber}`)
    inside.gateway.lines.push(`route add ${own}/32 dev lan`)
    const six = hasSix ? [`${inside.prefix6}2`] : []
    inside.members.push({ name: host, device: 'eth0', addresses: [own, ...six] })
    space.lines.push(
      `addr add ${own}/32 dev eth0`,
      'link set eth0 up',
      `route add default via ${lan}1 dev eth0 onlink`,
      ...six.flatMap(address => [`addr add ${address}/64 dev eth0 nodad`, `route add default via ${inside.prefix6}1`]),
    )
    addresses.set(host, [own, ...six])
  }

  /** Inside of a site's box. */
  const networkOf = (side: Side): [string, string] => [sides[side].lan, `${sides[side].six}1::`]

  /** The network that a customer is on, the provider's or the internet, and his number there. */
  const access = (side: Side, cgn: NatProfile | undefined): [Segment, number] => {
    const { wan, customer, six } = { ...sides[side], ...(side === 'a' && { wan: wanA }) }
    const found = cgn && shared === 'cgn' ? segments.find(({ gateway }) => gateway.name === 'cgn-a') : undefined
    if (found) return [found, customer]
    const internet = addSegment(inet, `wan-${side}`, wan, `${six}:`)
    if (!cgn) return [internet, 2]
    const rules = boxRules(cgn, { wan: `${wan}2`, lan: '100.64.0.0/24' }, true)
    return [addNat(`cgn-${side}`, rules, internet, 2, ['100.64.0.', `${six}64::`]), customer]
  }

  const settle = (side: Side, profile: NatProfile, cgn: NatProfile | undefined): void => {
    const { host, lan } = sides[side]
    const [outside, number] = access(side, cgn)
    if (profile.kind === 'public') return addHost(host, outside, [number])
    if (profile.kind === 'firewall' && hasFour) return addFirewalled(side, profile, outside, number)
    const rules = boxRules(profile, { wan: `${outside.prefix}${number}`, lan: `${lan}0/24` })
    addHost(host, addNat(`nat-${side}`, rules, outside, number, networkOf(side)), [2])
  }

  const inet = addSpace('inet', lossRules(lossPercent, ip))
  const open = addSegment(inet, 'open', '203.0.113.', '2001:db8:5::')
  addHost('server', open, [10, 11])
  for (const [i, name] of publicHosts.entries()) addHost(name, open, [20 + i])
  settle('a', profileA, cgnA)
  const home = segments.find(({ gateway }) => gateway.name === 'nat-a')
  if (shared === 'nat' && (!home || profileA.kind === 'firewall')) {
    throw new RangeError(`no NAT to share: Alice is ${profileA.name}`)
  }
  if (shared === 'cgn' && !cgnA) throw new RangeError('no cgnA to share')
  if (home && shared === 'nat') addHost('bob', home, [3])
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

/** Before any interface goes up: nobody else can have its addresses, and to ask takes a second (RFC 4862 s.5.4). */
const noDuplicateDetection = 'for file in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 >$file; done'

const setUp = ({ name, lines, rules, hasSix }: Space, segments: readonly Segment[]): string[] => {
  const bridges = segments.filter(segment => segment.gateway.name === name && isBridge(segment))
  const ports = bridges.flatMap(segment =>
    segment.members.map((_, i) => `link set ${port(segment, i)} master ${segment.name} up`),
  )
  return [
    ...(hasSix ? [noDuplicateDetection] : []),
    ...here('ip -batch -', 'TOLD', [...ports, ...lines]),
    ...(rules.ruleset === '' ? [] : here('nft -f -', 'RULES', [rules.ruleset.trimEnd()])),
    ...Object.entries(rules.sysctls).map(([key, value]) => `echo ${value} >/proc/sys/${key.replaceAll('.', '/')}`),
  ]
}
