// The kernel lab with IPv6: what the rules say (anywhere), and what Linux makes of them (where it lets us have namespaces).
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { kernelAvailability } from '../src/kernel/available.ts'
import { firewall6Of } from '../src/kernel/firewall6.ts'
import { meet } from '../src/kernel/meeting.ts'
import { inParallel } from '../src/kernel/parallel.ts'
import { type PlanOptions, planTopology, scriptOf } from '../src/kernel/plan.ts'
import { raiseTopology } from '../src/kernel/topology.ts'
import { type NatProfile, profileNamed } from '../src/nat-profile.ts'
import { readProfile } from '../src/own-profile.ts'

const bin = (name: string): string => fileURLToPath(new URL(`../bin/${name}`, import.meta.url))

/** The rules of the forward chain, in their order. */
const forwarding = (profile: NatProfile): string[] => {
  const { ruleset } = firewall6Of(profile)
  const [, chain = ''] = /chain forward \{\n([^}]*(?:\{[^}]*\}[^}]*)*?)\n {2}\}/.exec(ruleset) ?? []
  return chain
    .split('\n')
    .map(line => line.trim())
    .slice(1)
}

const ours = ['ct state established,related accept', 'iifname "lan" accept']

t.test('each filtering as rules: conntrack for an address and its port, a set for less than that', async t => {
  const [own, ownTo] = ['ip6 saddr . udp sport', 'ip6 saddr . udp sport . ip6 daddr']
  const [to, toFrom] = ['ip6 daddr . udp dport', 'ip6 daddr . udp dport . ip6 saddr']
  const openings = (leaving: string, entering: string): string[] => [
    `iifname "lan" meta l4proto udp update @opened { ${leaving} timeout 30s }`,
    `iifname "lan" meta l4proto udp ct status assured update @opened { ${leaving} timeout 120s }`,
    `iifname "wan" ${entering} @opened update @opened { ${entering} timeout 30s }`,
    `iifname "wan" ${entering} @opened ct status assured update @opened { ${entering} timeout 120s }`,
    `iifname "wan" ${entering} @opened accept`,
  ]
  const rows: [like: string, rules: string[]][] = [
    ['fullcone', [...openings(own, to), ...ours]],
    ['symrand-adf', [...openings(ownTo, toFrom), ...ours]],
    ['portrest', ours],
    ['symseq', ours],
    ['firewall', ours],
    ['portrest-naive', ours],
    ['blocked', ['meta l4proto udp drop', ...ours]],
  ]
  for (const [name, rules] of rows) {
    t.same(forwarding(profileNamed(name)), rules, name)
    const { ruleset } = firewall6Of(profileNamed(name))
    t.match(ruleset, 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept', `${name}: it can be found`)
    t.equal(ruleset.match(/policy drop/g)?.length, 2, name)
    t.notMatch(ruleset, /snat|dnat/, `${name}: nothing is translated`)
  }
  const rejecting = readProfile({ like: 'symrand', early: 'reject', lifetime: { unrepliedMs: 5000 } })
  t.equal(forwarding(rejecting).at(-1), 'iifname "wan" meta l4proto udp reject')
  t.equal(firewall6Of(rejecting).sysctls['net.netfilter.nf_conntrack_udp_timeout'], 5)
  t.throws(() => firewall6Of(readProfile({ lifetime: { unrepliedMs: 1500 } })), /must be whole seconds/)
})

t.test('of IPv6 nothing is asked where it is not wanted, and of IPv4 neither', async t => {
  const [cgn, symrand] = [profileNamed('portrest'), profileNamed('symrand')]
  const script = (options: PlanOptions): string => scriptOf(planTopology(symrand, symrand, { cgnA: cgn, ...options }))
  t.notMatch(script({}), /ip6|ipv6|2001:db8|nodad/)
  t.notMatch(script({ ip: '6' }), /table ip |\d+\.\d+\.\d+\.\d+|ip_forward/)
  t.match(script({ ip: 'both' }), /table ip lab[^]*table ip6 lab/)
  t.match(script({ ip: '6' }), 'route add 2001:db8:a:1::/64 via 2001:db8:a::2', 'the way in is known to the internet')
  t.match(script({ ip: '6' }), 'route add 2001:db8:a:1::/64 via 2001:db8:a:64::2', 'and to the provider')
})

const available = await kernelAvailability()
const skip = 'why' in available ? available.why : false

/** What `nat-lab check` of Alice says, with a server of two addresses. */
const checkBehind = async (profile: NatProfile, ...args: string[]): Promise<Record<string, unknown>> => {
  const topology = await raiseTopology(profile, profileNamed('none'), { ip: '6' })
  try {
    const [one = '', other = ''] = topology.addresses.get('server') ?? []
    const ports = ['-p', '3478', '--alt-port', '3479']
    const server = [process.execPath, bin('test-server'), '--host', one, '--alt-address', other, ...ports]
    const manager = topology.start('server', server)
    if (!(await manager.until(/ready/, 15_000))) throw new Error(manager.stderr)
    const check = ['check', '-s', one, '-p', '3478', '--no-gateway', '--json', ...args]
    const program = topology.start('alice', [process.execPath, bin('nat-lab'), ...check])
    await program.ended
    return program.events[0] ?? {}
  } finally {
    await topology.close()
  }
}

t.test('each filtering as nat-lab check sees it, and its verdict in words', { skip }, async t => {
  const short = { unrepliedMs: 5000, streamMs: 10_000 }
  const rows: [profile: NatProfile, filtering: string, verdict: RegExp][] = [
    [profileNamed('none'), 'endpoint-independent', /^You have a public IPv6 address, and nothing is filtered: /],
    [profileNamed('fullcone'), 'endpoint-independent', /^You have a public IPv6 address, and nothing is filtered: /],
    [
      profileNamed('restricted'),
      'address-dependent',
      /^You have a public IPv6 address behind a stateful firewall with address-dependent filtering: hole punching works/,
    ],
    [
      profileNamed('symrand'),
      'address-and-port-dependent',
      /^You have a public IPv6 address behind a stateful firewall with address-and-port-dependent filtering: hole p/,
    ],
  ]
  const lived = checkBehind(readProfile({ like: 'symrand-adf', lifetime: short }), '--lifetime', '--longest', '16')
  const found = await inParallel(
    rows.map(
      ([profile]) =>
        () =>
          checkBehind(profile),
    ),
    2,
  )
  for (const [i, [{ name }, filtering, verdict]] of rows.entries()) {
    t.match(found[i], { exitCode: 0, nat: false, filtering: { is: filtering }, ipv6: { is: 'works' }, verdict }, name)
  }
  const { lifetime } = (await lived) as { lifetime: Record<'exchange' | 'stream', { seconds: number }> }
  t.ok(Math.abs(lifetime.exchange.seconds - 5) <= 1, `${lifetime.exchange.seconds} s after one exchange`)
  t.ok(Math.abs(lifetime.stream.seconds - 10) <= 1, `${lifetime.stream.seconds} s as a stream`)
})

t.test('real clients in real namespaces: what IPv4 keeps apart IPv6 brings together', { skip }, async t => {
  const [symrand, firewall, portrest] = ['symrand', 'firewall', 'portrest'].map(profileNamed) as [
    NatProfile,
    NatProfile,
    NatProfile,
  ]
  const rows: [story: string, ...meeting: Parameters<typeof meet>, connected: boolean, overSix?: true][] = [
    ['IPv4 alone', symrand, symrand, { timeoutMs: 3000 }, false],
    ['IPv6 alone', symrand, symrand, { ip: '6' }, true, true],
    ['both', symrand, symrand, { ip: 'both' }, true, true],
    ['both, one behind a firewall', symrand, firewall, { ip: 'both' }, true],
    ['both, in one LAN', symrand, symrand, { ip: 'both', shared: 'nat' }, true],
    ['both, customers of one provider', portrest, portrest, { ip: 'both', shared: 'cgn', cgnA: portrest }, true, true],
    ['IPv6 alone, a public host', profileNamed('none'), symrand, { ip: '6' }, true, true],
    ['IPv6 alone, blocked', profileNamed('blocked'), symrand, { ip: '6', timeoutMs: 3000 }, false],
  ]
  const found = await inParallel(
    rows.map(
      ([, a, b, options]) =>
        () =>
          meet(a, b, options),
    ),
    2,
  )
  for (const [i, [story, , , , connected, overSix]] of rows.entries()) {
    const { alice, bob, ...result } = found[i] as Awaited<ReturnType<typeof meet>>
    t.equal(result.connected, connected, story)
    for (const { events, stderr } of [alice, bob]) {
      t.equal(stderr, '', story)
      const at = events.find(({ event }) => event === 'connected')?.['endpoint'] as string | undefined
      if (overSix) t.ok(at?.startsWith('[2001:db8:'), `${story}: ${at}`)
    }
  }
})
