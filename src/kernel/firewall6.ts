// Law: pure. What the box of a NAT profile is to IPv6, as nftables says it: a stateful firewall (RFC 6092) that filters as
// the NAT does and translates nothing.
import { type NatProfile, behaviors, withoutTranslation } from '../nat-profile.ts'
import { checkLimits } from './limits.ts'
import { type Rules, chain, forwarding, table, timeouts } from './nft.ts'

const [EI, AD, APD] = behaviors

/** `filter hook forward` does not see neighbour discovery (RFC 4861), which a box must hear itself to be found at all. */
const discovery = 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept'
const ours = ['ct state established,related accept', 'iifname "lan" accept']

export const firewall6Of = (profile: NatProfile): Rules => {
  const firewall = withoutTranslation(profile)
  // Its filtering is done by a set of our own.
  checkLimits({ ...firewall, filtering: APD })
  const unasked = firewall.early === 'reject' ? ['iifname "wan" meta l4proto udp reject'] : []
  const blocked = firewall.kind === 'blocked' ? ['meta l4proto udp drop'] : []
  return {
    ruleset: table('ip6', [
      ...set(firewall),
      chain('input', 'filter hook input priority 0', [discovery, ...ours, ...unasked], 'drop'),
      chain(
        'forward',
        'filter hook forward priority 0',
        [...blocked, ...openings(firewall), ...ours, ...unasked],
        'drop',
      ),
    ]),
    sysctls: { ...forwarding('6'), ...timeouts(firewall.lifetime) },
  }
}

/** Whom a host inside has opened the filter for: conntrack alone opens it for an address and its port. */
const keys = {
  [EI]: { type: 'ipv6_addr . inet_service', leaving: 'ip6 saddr . udp sport', entering: 'ip6 daddr . udp dport' },
  [AD]: {
    type: 'ipv6_addr . inet_service . ipv6_addr',
    leaving: 'ip6 saddr . udp sport . ip6 daddr',
    entering: 'ip6 daddr . udp dport . ip6 saddr',
  },
  [APD]: undefined,
} as const

const set = ({ filtering }: NatProfile): string[] => {
  const key = keys[filtering]
  return key ? [`  set opened { type ${key.type}; flags dynamic,timeout; }`] : []
}

const openings = ({ filtering, lifetime }: NatProfile): string[] => {
  const key = keys[filtering]
  if (!key) return []
  const keep = (when: string, of: string): string[] => [
    `${when} update @opened { ${of} timeout ${lifetime.unrepliedMs / 1000}s }`,
    `${when} ct status assured update @opened { ${of} timeout ${lifetime.streamMs / 1000}s }`,
  ]
  const entering = `iifname "wan" ${key.entering} @opened`
  return [...keep('iifname "lan" meta l4proto udp', key.leaving), ...keep(entering, key.entering), `${entering} accept`]
}
