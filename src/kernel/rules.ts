// Law: pure. A NAT profile as what Linux needs to behave so: the text of an nftables ruleset, and sysctls. The interfaces
// of the box are called `wan` and `lan`. What the kernel can't do is refused by its field, never approximated.
import { StageError } from '../errors.ts'
import { type Behavior, type NatProfile, type PortAssignment, behaviors } from '../nat-profile.ts'

export type Rules = { readonly ruleset: string; readonly sysctls: Readonly<Record<string, number>> }

export type Box = {
  /** The external address; of a firewall, that of the host behind it. */
  readonly wan: string
  /** The network inside, as `10.1.0.0/24`. */
  readonly lan: string
}

const [EI, AD, APD] = behaviors

/** The box of a profile; `public` has none. */
export const rulesOf = (profile: NatProfile, box: Box): Rules => {
  const { kind, name, lifetime } = profile
  const refused = refusals.find(([is]) => is(profile))
  if (refused) throw new StageError('usage', `NAT profile ${name}: ${refused[1]} in the kernel lab`)
  const conntrack = 'net.netfilter.nf_conntrack_udp_timeout'
  return {
    ruleset: table([...(kind === 'nat' ? natChains(profile, box) : []), ...filterChains(profile)]),
    sysctls: {
      'net.ipv4.ip_forward': 1,
      // Else a hairpinning router tells its hosts to speak to each other directly.
      'net.ipv4.conf.all.send_redirects': 0,
      'net.ipv4.conf.lan.send_redirects': 0,
      [conntrack]: lifetime.unrepliedMs / 1000,
      [`${conntrack}_stream`]: lifetime.streamMs / 1000,
    },
  }
}

/** A router that translates nothing, and loses so many of a hundred datagrams. */
export const lossRules = (percent: number): Rules => ({
  ruleset:
    percent === 0
      ? ''
      : table([
          chain('forward', 'filter hook forward priority 0', [
            `meta l4proto udp numgen random mod 1000 < ${Math.round(10 * percent)} drop`,
          ]),
        ]),
  sysctls: { 'net.ipv4.ip_forward': 1 },
})

const table = (parts: readonly string[]): string => `table ip lab {\n${parts.join('\n')}\n}\n`

const chain = (name: string, hook: string, rules: readonly string[], policy = 'accept'): string =>
  [`  chain ${name} {`, `    type ${hook}; policy ${policy};`, ...rules.map(rule => `    ${rule}`), '  }'].join('\n')

const filterChains = ({ kind, early }: NatProfile): string[] => {
  const ours = ['ct state established,related accept', 'iifname "lan" accept']
  const unasked = early === 'reject' ? ['iifname "wan" meta l4proto udp reject'] : []
  const blocked = kind === 'blocked' ? ['meta l4proto udp drop'] : []
  const forward = [...blocked, ...ours, 'ct status dnat accept', ...unasked]
  // A naive router lets in what nobody asked for, though it has no such port: conntrack then has an entry that holds
  // the port towards that peer.
  const inputPolicy = early === 'naive' ? 'accept' : 'drop'
  return [
    chain('input', 'filter hook input priority 0', [...ours, ...unasked], inputPolicy),
    chain('forward', 'filter hook forward priority 0', forward, 'drop'),
  ]
}

const toHolder = 'dnat to udp dport map @fc'

const natChains = (profile: NatProfile, { wan, lan }: Box): string[] => {
  const { filtering, hairpinning, mapping, ports } = profile
  const snat = `meta l4proto udp snat to ${wan}${translations[mapping][ports.assignment]?.(ports) ?? ''}`
  const enter = {
    [EI]: [`iifname "wan" ip daddr ${wan} ${toHolder}`],
    [AD]: [`iifname "wan" ip daddr ${wan} udp dport . ip saddr @seen ${toHolder}`],
    [APD]: [], // conntrack lets in nothing else
  }[filtering]
  // Whatever the filtering: by what address the host inside knows the other one is not to be seen here.
  const turn = hairpinning ? [`iifname "lan" ip daddr ${wan} ${toHolder}`] : []
  const turned = hairpinning ? [`oifname "lan" ip saddr ${lan} ct status dnat ${snat}`] : []
  const pre = [...enter, ...turn]
  return [
    ...(pre.length > 0 ? [...learning(profile, wan), chain('pre', 'nat hook prerouting priority -100', pre)] : []),
    chain('post', 'nat hook postrouting priority 100', [`oifname "wan" ${snat}`, ...turned]),
  ]
}

/**
 * Who holds an external port (`fc`) and to whom it has sent from there (`seen`): learned behind the source translation,
 * where the source is the external one, and kept up by what comes in, before it is translated back. Who is inside stands
 * in the original direction of a flow that began inside, and in the reply direction of one that came in by `fc`.
 */
const learning = ({ filtering, lifetime }: NatProfile, wan: string): string[] => {
  const [unreplied, stream] = [`timeout ${lifetime.unrepliedMs / 1000}s`, `timeout ${lifetime.streamMs / 1000}s`]
  const keep = (when: string, port: 'sport' | 'dport', inside: 'original' | 'reply'): string[] =>
    [`${when} update`, `${when} ct status assured update`].flatMap((update, isStream) => {
      const timeout = isStream ? stream : unreplied
      const peer = port === 'sport' ? 'daddr' : 'saddr'
      return [
        `${update} @fc { udp ${port} ${timeout} : ct ${inside} ip saddr . ct ${inside} proto-src }`,
        ...(filtering === AD ? [`${update} @seen { udp ${port} . ip ${peer} ${timeout} }`] : []),
      ]
    })
  const [leaving, entering] = [`ip saddr ${wan} ct direction`, `ip daddr ${wan} ct state established ct direction`]
  return [
    `  map fc { type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; ${stream}; }`,
    ...(filtering === AD ? [`  set seen { type inet_service . ipv4_addr; flags dynamic,timeout; ${stream}; }`] : []),
    chain('left', 'filter hook postrouting priority 110', [
      ...keep(`${leaving} original`, 'sport', 'original'),
      ...keep(`${leaving} reply`, 'sport', 'reply'),
    ]),
    chain('entered', 'filter hook prerouting priority -150', [
      ...keep(`${entering} reply`, 'dport', 'original'),
      ...keep(`${entering} original ct status dnat`, 'dport', 'reply'),
    ]),
  ]
}

type Translation = (ports: PortAssignment) => string

const range: Translation = ({ first, last }) => `:${first}-${last}`

/** Always the same port for the same flow: `of` is what the mapping depends on. */
const hash =
  (of: string): Translation =>
  ({ first, last }) =>
    ` : jhash ${of} mod ${last - first + 1} seed 0x5eed offset ${first}`

/** By a map: an `offset` to numgen loads but yields ports with their bytes swapped (nftables 1.0.6). */
const sequence: Translation = ports => {
  const all = sequenceOf(ports).map((port, i) => `${i} : ${port}`)
  return ` : numgen inc mod ${all.length} map { ${all.join(', ')} }`
}

const sequenceOf = ({ first, last, step }: PortAssignment): number[] => {
  const size = last - first + 1
  const found = [first]
  for (let port = first; ; found.push(port)) {
    port = first + ((((port - first + step) % size) + size) % size)
    if (port === first) return found
  }
}

const flow = 'ip saddr . udp sport'

/**
 * What follows the external address. An endpoint-independent mapping is Linux's default: it reuses a mapping of the same
 * source where the rule permits its port.
 */
const translations: Record<Behavior, Partial<Record<PortAssignment['assignment'], Translation>>> = {
  [EI]: { preserving: () => '', random: range, hashed: hash(flow) },
  [AD]: { hashed: hash(`${flow} . ip daddr`) },
  [APD]: {
    sequential: sequence,
    random: ports => `${range(ports)} fully-random`,
    hashed: hash(`${flow} . ip daddr . udp dport`),
  },
}

/** Linux's own source ports, of which it keeps one that lies in the range to map to. */
const ephemeral = { first: 32_768, last: 60_999 }
const longestSequence = 4096

const isNat = ({ kind }: NatProfile): boolean => kind === 'nat'
const isWhole = (ms: number): boolean => ms % 1000 === 0

const refusals: readonly (readonly [(profile: NatProfile) => boolean, string])[] = [
  [({ kind }) => kind === 'public', 'kind must not be public: such a host has no box'],
  [({ kind, filtering }) => kind === 'firewall' && filtering !== APD, `filtering of a firewall must be ${APD}`],
  [({ lifetime }) => !isWhole(lifetime.unrepliedMs), 'lifetime.unrepliedMs must be whole seconds'],
  [({ lifetime }) => !isWhole(lifetime.streamMs), 'lifetime.streamMs must be whole seconds'],
  [({ lifetime }) => lifetime.refresh !== 'both', 'lifetime.refresh must be both'],
  [({ addresses }) => addresses !== 1, 'addresses must be 1'],
  [p => isNat(p) && p.ports.parity, 'ports.parity must be false'],
  [p => isNat(p) && p.ports.contiguity, 'ports.contiguity must be false'],
  [p => isNat(p) && p.ports.overloading !== (p.filtering === APD), `ports.overloading must be as the filtering is`],
  ...behaviors.map(mapping => {
    const possible = Object.keys(translations[mapping])
    const wrong = (p: NatProfile): boolean =>
      isNat(p) && p.mapping === mapping && !possible.includes(p.ports.assignment)
    return [wrong, `ports.assignment of an ${mapping} mapping must be one of ${possible.join(', ')}`] as const
  }),
  [
    ({ kind, ports }) =>
      kind === 'nat' && ports.assignment === 'preserving' && (ports.first !== 1024 || ports.last !== 65_535),
    'ports.first and ports.last must be 1024 and 65535 where ports are preserved',
  ],
  [
    ({ kind, mapping, ports }) =>
      kind === 'nat' &&
      mapping === EI &&
      ports.assignment === 'random' &&
      ports.first <= ephemeral.last &&
      ports.last >= ephemeral.first,
    `ports.last must be below ${ephemeral.first}, or ports.first above ${ephemeral.last}, where random ports are ` +
      `${EI}: Linux keeps a port that lies in the range`,
  ],
  [
    ({ ports }) => ports.assignment === 'sequential' && sequenceOf(ports).length > longestSequence,
    `ports.last must leave at most ${longestSequence} sequential ports`,
  ],
]
