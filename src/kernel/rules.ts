// Law: pure. A NAT profile as what Linux needs to behave so: the text of an nftables ruleset, and sysctls. The interfaces
// of the box are called `wan` and `lan`. What the kernel can't do is refused by its field, never approximated.
import { type IpVersions, type NatProfile, behaviors } from '../nat-profile.ts'
import { checkLimits } from './limits.ts'
import { type Rules, chain, forwarding, table, timeouts } from './nft.ts'
import { sourceTranslation } from './translations.ts'

export type Box = {
  /** The external address; of a firewall, that of the host behind it. */
  readonly wan: string
  /** The network inside, as `10.1.0.0/24`. */
  readonly lan: string
}

const [EI, AD, APD] = behaviors

/** The box of a profile; `public` has none. */
export const rulesOf = (profile: NatProfile, box: Box): Rules => {
  const { kind, lifetime } = profile
  checkLimits(profile)
  return {
    ruleset: table('ip', [...(kind === 'nat' ? natChains(profile, box) : []), ...filterChains(profile)]),
    sysctls: {
      ...forwarding('4'),
      // Else a hairpinning router tells its hosts to speak to each other directly.
      'net.ipv4.conf.all.send_redirects': 0,
      'net.ipv4.conf.lan.send_redirects': 0,
      ...timeouts(lifetime),
    },
  }
}

/** A router that translates nothing, and loses so many of a hundred datagrams. */
export const lossRules = (percent: number, ip: IpVersions): Rules => {
  const rule = `meta l4proto udp numgen random mod 1000 < ${Math.round(10 * percent)} drop`
  const parts = [chain('forward', 'filter hook forward priority 0', [rule])]
  return {
    ruleset: percent === 0 ? '' : table(ip === '4' ? 'ip' : 'inet', parts),
    sysctls: forwarding(ip),
  }
}

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
  const { filtering, hairpinning } = profile
  const snat = `meta l4proto udp ${sourceTranslation(profile, wan)}`
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
