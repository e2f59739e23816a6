// Law: pure. The form of what is told to a box: nftables' words for tables and chains, and sysctls.
import type { IpVersions, NatProfile } from '../nat-profile.ts'

export type Rules = { readonly ruleset: string; readonly sysctls: Readonly<Record<string, number>> }

export const table = (family: 'ip' | 'ip6' | 'inet', parts: readonly string[]): string =>
  `table ${family} lab {\n${parts.join('\n')}\n}\n`

export const chain = (name: string, hook: string, rules: readonly string[], policy = 'accept'): string =>
  [`  chain ${name} {`, `    type ${hook}; policy ${policy};`, ...rules.map(rule => `    ${rule}`), '  }'].join('\n')

export const noRules: Rules = { ruleset: '', sysctls: {} }

/** A machine without IPv6 has no such sysctl. */
export const forwarding = (ip: IpVersions): Rules['sysctls'] => ({
  ...(ip !== '6' && { 'net.ipv4.ip_forward': 1 }),
  ...(ip !== '4' && { 'net.ipv6.conf.all.forwarding': 1 }),
})

/** Of conntrack, for both protocols. */
export const timeouts = ({ unrepliedMs, streamMs }: NatProfile['lifetime']): Rules['sysctls'] => {
  const conntrack = 'net.netfilter.nf_conntrack_udp_timeout'
  return { [conntrack]: unrepliedMs / 1000, [`${conntrack}_stream`]: streamMs / 1000 }
}

export const together = (all: readonly Rules[]): Rules => ({
  ruleset: all.map(({ ruleset }) => ruleset).join(''),
  sysctls: Object.assign({}, ...all.map(({ sysctls }) => sysctls)) as Rules['sysctls'],
})
