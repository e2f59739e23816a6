// The kernel lab: what the rules say (anywhere), and what Linux makes of them (where it lets us have namespaces).
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { kernelAvailability } from '../src/kernel/available.ts'
import { hold } from '../src/kernel/holder.ts'
import { type ClientProgram, meet } from '../src/kernel/meeting.ts'
import { inParallel } from '../src/kernel/parallel.ts'
import { planTopology, scriptOf } from '../src/kernel/plan.ts'
import { rulesOf } from '../src/kernel/rules.ts'
import { raiseTopology } from '../src/kernel/topology.ts'
import { profileNamed, profiles } from '../src/nat-profile.ts'
import { readProfile } from '../src/own-profile.ts'
import { type KernelLab, behindKernelNat, portOf, probeKernel, servers } from './fixtures/behind-kernel-nat.ts'

const [s1, s1b, s2] = servers
const X = '198.51.100.2'
const box = { wan: X, lan: '10.1.0.0/24' }

/** The rules of the chains, without what every profile has; long maps cut short. */
const telling = (ruleset: string): string[] =>
  ruleset
    .split('\n')
    .map(line => line.trim().replace(/(\{ 0 : \d+, 1 : \d+, ).*, (\d+ : \d+ \})/, '$1... $2'))
    .filter(line => /\b(snat|dnat) to|udp (drop|reject)/.test(line))

const toHolder = 'dnat to udp dport map @fc'
const leaving = `oifname "wan" meta l4proto udp snat to ${X}`
const hash = 'mod 4096 seed 0x5eed map { 0 : 2000, 1 : 2014, ... 4095 : 61985 }'
const sequence = 'numgen inc mod 1024 map { 0 : 40000, 1 : 40001, ... 1023 : 41023 }'
const enteringEI = `iifname "wan" ip daddr ${X} ${toHolder}`
const enteringAD = `iifname "wan" ip daddr ${X} udp dport . ip saddr @seen ${toHolder}`

const tellingRules: Record<string, string[]> = {
  fullcone: [enteringEI, leaving],
  restricted: [enteringAD, leaving],
  portrest: [leaving],
  'eim-random': [`${leaving}:1024-32767`],
  adm: [enteringAD, `${leaving} : jhash ip saddr . udp sport . ip daddr ${hash}`],
  'adm-apdf': [`${leaving} : jhash ip saddr . udp sport . ip daddr ${hash}`],
  symseq: [`${leaving} : ${sequence}`],
  symrand: [`${leaving}:1024-65535 fully-random`],
  'symrand-eif': [enteringEI, `${leaving}:1024-65535 fully-random`],
  'symrand-adf': [enteringAD, `${leaving}:1024-65535 fully-random`],
  firewall: [],
  'portrest-naive': [leaving],
  blocked: ['meta l4proto udp drop'],
}

t.test('each profile as rules: the recipes', async t => {
  t.same(Object.keys(tellingRules), [...profiles.keys()].slice(1), 'every profile that has a box')
  for (const [name, rules] of Object.entries(tellingRules)) {
    const { ruleset, sysctls } = rulesOf(profileNamed(name), box)
    t.same(telling(ruleset), rules, name)
    t.match(ruleset, `hook input priority 0; policy ${name === 'portrest-naive' ? 'accept' : 'drop'};`, name)
    t.match(ruleset, 'hook forward priority 0; policy drop;', name)
    t.match(sysctls, {
      'net.netfilter.nf_conntrack_udp_timeout': 30,
      'net.netfilter.nf_conntrack_udp_timeout_stream': 120,
    })
  }
})

t.test('what hairpinning, a rejecting router and short lifetimes add', async t => {
  const own = readProfile({ like: 'portrest', hairpinning: true, early: 'reject', lifetime: { unrepliedMs: 5000 } })
  const { ruleset, sysctls } = rulesOf(own, box)
  t.same(telling(ruleset), [
    `iifname "lan" ip daddr ${X} ${toHolder}`,
    leaving,
    `oifname "lan" ip saddr 10.1.0.0/24 ct status dnat meta l4proto udp snat to ${X}`,
    'iifname "wan" meta l4proto udp reject',
    'iifname "wan" meta l4proto udp reject',
  ])
  t.match(ruleset, `ip saddr ${X} ct direction original update @fc { udp sport timeout 5s : ct original ip saddr`)
  t.match(ruleset, `ct status assured update @fc { udp sport timeout 120s : ct original ip saddr`)
  t.equal(sysctls['net.netfilter.nf_conntrack_udp_timeout'], 5)
})

const refused: [object, RegExp][] = [
  [{ like: 'none' }, /kind must not be public/],
  [{ like: 'firewall', filtering: 'address-dependent' }, /filtering of a firewall/],
  [{ lifetime: { unrepliedMs: 1500 } }, /lifetime\.unrepliedMs must be whole seconds/],
  [{ lifetime: { streamMs: 999 } }, /lifetime\.streamMs must be whole seconds/],
  [{ lifetime: { refresh: 'outbound' } }, /lifetime\.refresh must be both/],
  [{ addresses: 2 }, /addresses must be 1/],
  [{ ports: { parity: true } }, /ports\.parity must be false/],
  [{ ports: { contiguity: true } }, /ports\.contiguity must be false/],
  [{ ports: { overloading: false } }, /ports\.overloading must be/],
  [{ like: 'symseq', mapping: 'endpoint-independent' }, /ports\.assignment of an endpoint-independent mapping must be/],
  [
    { like: 'adm', ports: { assignment: 'random' } },
    /ports\.assignment of an address-dependent mapping must be one of h/,
  ],
  [
    { mapping: 'address-and-port-dependent' },
    /ports\.assignment of an address-and-port-dependent mapping .* sequential/,
  ],
  [{ ports: { first: 2000 } }, /ports\.first and ports\.last must be 1024 and 65535/],
  [{ like: 'eim-random', ports: { last: 33_000 } }, /ports\.last must be below 32768/],
  [{ like: 'symseq', ports: { last: 60_000 } }, /ports\.last must leave at most 4096/],
]

t.test('what the kernel cannot imitate is refused by its field, in words', async t => {
  for (const [profile, message] of refused) {
    t.throws(() => rulesOf(readProfile({ name: 'mine', ...profile }), box), { code: 'usage', message })
    t.throws(() => rulesOf(readProfile({ name: 'mine', ...profile }), box), {
      message: /^NAT profile mine: .* kernel lab$/,
    })
  }
  for (const step of [-1, 3, 7]) {
    const own = readProfile({ like: 'symseq', ports: { step, first: 50_000, last: 50_020 } })
    const ports = [...rulesOf(own, box).ruleset.matchAll(/\d+ : (\d{5})/g)].map(match => Number(match[1]))
    const size = step === 1 || step === -1 ? 21 : 21 / (21 % step === 0 ? Math.abs(step) : 1)
    t.equal(new Set(ports).size, size, `each port of the round once, in steps of ${step}`)
    t.ok(ports.every((port, i) => i === 0 || (((port - (ports[i - 1] ?? 0) - step) % 21) + 21) % 21 === 0))
  }
})

t.test('one script raises it all: who is wired to whom', async t => {
  const [fullcone, symseq] = [profileNamed('fullcone'), profileNamed('symseq')]
  const wires = (...args: Parameters<typeof planTopology>): string[] =>
    [...scriptOf(planTopology(...args)).matchAll(/name (\S+) netns (\S+) type veth peer name (\S+) netns (\S+)/g)].map(
      ([, device, host, far, gateway]) => `${host}.${device} - ${gateway}.${far}`,
    )
  const server = 'server.eth0 - inet.open'
  t.same(wires(fullcone, symseq), [
    server,
    'nat-a.wan - inet.wan-a',
    'alice.eth0 - nat-a.lan',
    'nat-b.wan - inet.wan-b',
    'bob.eth0 - nat-b.lan',
  ])
  t.same(wires(profileNamed('none'), symseq, { cgnB: fullcone, publicHosts: ['carol'] }), [
    'server.eth0 - inet.open-0',
    'carol.eth0 - inet.open-1',
    'alice.eth0 - inet.wan-a',
    'cgn-b.wan - inet.wan-b',
    'nat-b.wan - cgn-b.lan',
    'bob.eth0 - nat-b.lan',
  ])
  t.same(wires(fullcone, symseq, { shared: 'nat' }), [
    server,
    'nat-a.wan - inet.wan-a',
    'alice.eth0 - nat-a.lan-0',
    'bob.eth0 - nat-a.lan-1',
  ])
  t.same(wires(fullcone, profileNamed('firewall'), { shared: 'cgn', cgnA: symseq }), [
    server,
    'cgn-a.wan - inet.wan-a',
    'nat-a.wan - cgn-a.lan-0',
    'nat-b.wan - cgn-a.lan-1',
    'alice.eth0 - nat-a.lan',
    'bob.eth0 - nat-b.lan',
  ])
  t.throws(() => planTopology(profileNamed('none'), symseq, { shared: 'nat' }), /no NAT to share: Alice is none/)
  t.throws(() => planTopology(fullcone, symseq, { shared: 'cgn' }), /no cgnA to share/)
})

const available = await kernelAvailability()
const skip = 'why' in available ? available.why : false

const [EI, AD, APD] = ['endpoint-independent', 'address-dependent', 'address-and-port-dependent']

const verdicts: Record<string, { mapping?: string; filtering?: string; ports?: string } | 'no UDP'> = {
  none: { mapping: EI, filtering: EI, ports: 'preserving' },
  fullcone: { mapping: EI, filtering: EI, ports: 'preserving' },
  restricted: { mapping: EI, filtering: AD, ports: 'preserving' },
  portrest: { mapping: EI, filtering: APD, ports: 'preserving' },
  'eim-random': { mapping: EI, filtering: APD, ports: 'random' },
  adm: { mapping: AD, filtering: AD, ports: 'hashed' },
  'adm-apdf': { mapping: AD, filtering: APD, ports: 'hashed' },
  symseq: { mapping: APD, filtering: APD, ports: 'sequential +1' },
  symrand: { mapping: APD, filtering: APD, ports: 'random' },
  'symrand-eif': { mapping: APD, filtering: EI, ports: 'random' },
  'symrand-adf': { mapping: APD, filtering: AD, ports: 'random' },
  firewall: { mapping: EI, filtering: APD, ports: 'preserving' },
  'portrest-naive': { mapping: EI, filtering: APD, ports: 'preserving' },
  blocked: 'no UDP',
}

t.test('each profile, seen from inside and from two servers with two ports', { skip }, async t => {
  const names = [...profiles.keys()]
  t.same(Object.keys(verdicts), names, 'every profile has a verdict')
  const found = await inParallel(
    names.map(name => () => probeKernel(profileNamed(name))),
    4,
  )
  for (const [i, name] of names.entries()) t.same(found[i], verdicts[name], name)
})

t.test('behind a provider NAT the hardest layer counts', { skip }, async t => {
  const [easy, hard] = [profileNamed('fullcone'), profileNamed('symrand')]
  const found = await inParallel([() => probeKernel(easy, { cgnA: hard }), () => probeKernel(hard, { cgnA: easy })])
  for (const verdict of found) t.same(verdict, { mapping: APD, filtering: APD, ports: 'random' })
})

const labOf = async (
  t: { teardown(close: () => Promise<void>): void },
  ...args: Parameters<typeof behindKernelNat>
): Promise<KernelLab> => {
  const lab = await behindKernelNat(...args)
  t.teardown(lab.close)
  return lab
}

t.test('what is no matter of mapping and filtering', { skip, jobs: 3 }, async t => {
  void t.test('a firewall leaves the address as it is', { buffered: true }, async t => {
    const lab = await labOf(t, profileNamed('firewall'))
    t.equal(await lab.sent('alice', 5000, s1, 'server'), `${X}:5000`)
  })

  void t.test(
    'a naive router loses the port to who comes too early, another one does not',
    { buffered: true },
    async t => {
      for (const [name, keeps] of [
        ['portrest-naive', false],
        ['portrest', true],
      ] as const) {
        const lab = await labOf(t, profileNamed(name))
        const portTowards = async (server: string): Promise<number> =>
          portOf(await lab.sent('alice', 5000, server, 'server'))
        t.equal(await portTowards(s2), 5000)
        t.equal(await lab.sent('server', s1, `${X}:5000`, 'alice'), undefined, 'nobody hears it')
        const port = await portTowards(s1)
        t.equal(port === 5000, keeps, `${name}: ${port}`)
        t.equal(await portTowards(s2), 5000, 'a flow that was there before stays')
        // Linux looks for any mapping of the same source, and the latest is found first.
        t.equal(await portTowards(s1b), port, 'one that begins now has the new port too')
      }
    },
  )

  void t.test('a datagram of little TTL opens the own NAT and dies before the other', { buffered: true }, async t => {
    const lab = await labOf(t, profileNamed('portrest'), { profileB: profileNamed('portrest-naive') })
    t.equal(await lab.sent('alice', 5000, '192.0.2.2:6000', 'bob', 2), undefined)
    t.equal(await lab.sent('bob', 6000, `${X}:5000`, 'alice'), '192.0.2.2:6000', 'let in, with its port')
  })

  void t.test('hairpinning, or not', { buffered: true }, async t => {
    for (const name of ['fullcone', 'portrest', 'symseq']) {
      const ends = await inParallel(
        [true, false].map(hairpinning => async () => {
          const profile = { ...profileNamed(name), hairpinning }
          const lab = await labOf(t, profile, { shared: 'nat' })
          const bob = await lab.sent('bob', 6000, s1, 'server')
          const heard = await lab.sent('alice', 5000, bob ?? '', 'bob')
          const back = heard && (await lab.sent('bob', 6000, heard, 'alice'))
          return { bob, heard: heard?.split(':')[0], back }
        }),
      )
      t.match(ends[0], { heard: X, back: ends[0]?.bob }, `${name}: the external source, RFC 4787 REQ-9a`)
      t.match(ends[1], { heard: undefined }, `${name}: off`)
    }
  })

  void t.test('a mapping ends, and lives as long as it is used', { buffered: true }, async t => {
    const lifetime = { unrepliedMs: 1000, streamMs: 4000, refresh: 'both' } as const
    await inParallel(
      (
        [
          ['fullcone', s2],
          ['restricted', s1b],
          ['portrest', s1],
        ] as const
      ).map(([name, other]) => async () => {
        const lab = await labOf(t, { ...profileNamed(name), lifetime })
        const comesIn = async (from: string = s1): Promise<boolean> =>
          (await lab.sent('server', from, `${X}:5000`, 'alice')) === from
        await lab.sent('alice', 5000, s1, 'server')
        await sleep(1500)
        t.notOk(await comesIn(other), `${name}: nobody answered for 1.5 s`)
        for (let i = 0; i < 5; i++) {
          await lab.sent('alice', 5000, s1, 'server')
          t.ok(await comesIn(), `${name}: answered`)
          await sleep(600)
        }
        await sleep(1500)
        t.ok(await comesIn(other), `${name}: a stream lives longer`)
      }),
      3,
    )
  })

  void t.test('the internet loses what it is told to', { buffered: true }, async t => {
    const lab = await labOf(t, profileNamed('none'), { lossPercent: 50 })
    const sent = await Promise.all(Array.from({ length: 200 }, () => lab.sent('alice', 5000, s1b, 'server')))
    const arrived = sent.filter(from => from !== undefined).length
    t.ok(arrived > 60 && arrived < 140, `${arrived} of 200`)
  })
})

t.test(
  'our programs get through: predicted, sprayed, halfway, past a router that takes what comes early',
  { skip },
  async t => {
    const pairs = [
      ['portrest', 'symseq'],
      ['symrand', 'portrest'],
      ['symseq', 'symseq'],
      ['portrest-naive', 'symrand'],
      ['adm', 'eim-random'],
      ['symrand-adf', 'symrand'],
    ] as const
    const found = await inParallel(
      pairs.map(
        ([a, b]) =>
          () =>
            meet(profileNamed(a), profileNamed(b), { timeoutMs: 20_000 }),
      ),
    )
    for (const [i, [a, b]] of pairs.entries()) t.match(found[i], { connected: true }, `${a} x ${b}`)
  },
)

t.test('our programs meet', { skip }, async t => {
  const named = (a: string, b: string, options = {}) =>
    meet(profileNamed(a), profileNamed(b), { timeoutMs: 4000, ...options })
  const [cone, hopeless, home, late] = await inParallel([
    () => named('fullcone', 'portrest'),
    () => named('symrand', 'symrand', { first: 'bob', timeoutMs: 2500 }),
    () => named('portrest', 'portrest', { shared: 'nat' }),
    () => named('restricted', 'symseq', { offsetMs: 500 }),
  ])
  t.match(cone, { connected: true, oneWay: undefined })
  t.match(late, { connected: true })
  t.match(hopeless, { connected: false, oneWay: undefined, alice: { connectedMs: undefined } })
  t.match(home, { connected: true }, 'by host candidates, for the router does not hairpin')
  for (const { alice, bob } of [cone, home, late].flatMap(found => found ?? [])) {
    for (const { heardMs = NaN, connectedMs = NaN, datagrams, events } of [alice, bob]) {
      t.ok(connectedMs < 2000 && heardMs <= connectedMs, `heard ${heardMs}, connected ${connectedMs} ms`)
      t.ok(datagrams >= 3 && datagrams < 40, `${datagrams} datagrams`)
      t.ok(events.some(({ event }) => event === 'registered'))
    }
  }
  const direct = home?.alice.events.find(({ event }) => event === 'connected')
  t.match(direct, { endpoint: /^10\.1\.0\.3:/ })
})

t.test("other people's programs meet", { skip }, async t => {
  const command = (body: string): string[] => ['sh', '-c', body, 'sh', '{server}', '{port}', '{me}', '{peer}']
  const asks: ClientProgram = {
    command: command('echo "$3 asks $1:$2 for $4"; exec sleep 9'),
    connected: /^alice asks 203\.0\.113\.10:8080 for bob$/,
  }
  const server = { command: ['sh', '-c', 'echo up; exec sleep 9'], ready: /up/ }
  const found = await meet(profileNamed('none'), profileNamed('none'), {
    server,
    alice: asks,
    bob: asks,
    timeoutMs: 300,
  })
  t.match(found, { connected: false, oneWay: 'alice', alice: { datagrams: 0 }, bob: { connectedMs: undefined } })
  const broken = { command: ['sh', '-c', 'echo no port >&2; exit 1'], ready: /up/ }
  await t.rejects(meet(profileNamed('none'), profileNamed('none'), { server: broken }), /did not start: no port/)
})

const built = (file: string): string => new URL(`../dist/${file}`, import.meta.url).href

/** What a machine has of it all, outside of everything. */
const traces = (): Record<string, unknown> => ({
  namespaces: spawnSync('ip', ['netns', 'list']).stdout.toString(),
  ruleset: spawnSync('nft', ['list', 'ruleset']).stdout?.toString(),
  links: spawnSync('ip', ['-br', 'link']).stdout.toString(),
  mounts: readFileSync('/proc/self/mounts', 'utf8'),
})

/** Command lines of all that lives; who has ended and was not waited for has none. */
const commandLines = (): string[] =>
  readdirSync('/proc').flatMap(pid => {
    try {
      return /^\d+$/.test(pid) ? [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')] : []
    } catch {
      return []
    }
  })

const until = async (isSo: () => boolean): Promise<boolean> => {
  for (let i = 0; i < 100 && !isSo(); i++) await sleep(20)
  return isSo()
}

t.test('nothing is left, however it ends', { skip }, async t => {
  const before = traces()
  for (const end of ['close', 'SIGINT', 'SIGKILL'] as const) {
    const mark = `8${process.pid}.${end.length}`
    // Two that would outlive their parent: a child that has left the session, and one behind a shell.
    const command = `setsid sleep ${mark} & echo up; sleep ${mark}`
    const runner = `
      const { raiseTopology } = await import(${JSON.stringify(built('kernel/topology.js'))})
      const { profileNamed } = await import(${JSON.stringify(built('nat-profile.js'))})
      const topology = await raiseTopology(profileNamed('fullcone'), profileNamed('symseq'))
      await topology.start('alice', ['sh', '-c', ${JSON.stringify(command)}]).until(/up/, 5000)
      console.log('raised')
      process.stdin.once('data', () => topology.close().then(() => process.exit()))`
    const env = { ...process.env, NODE_OPTIONS: '' }
    const child = spawn(process.execPath, ['--input-type=module', '-e', runner], { env })
    child.stderr.pipe(process.stderr)
    await once(child.stdout, 'data')
    const living = (): string[] => commandLines().filter(line => line.startsWith(`sleep ${mark}`))
    t.ok(await until(() => living().length === 2), 'they run')
    if (end === 'close') child.stdin.write('now')
    else child.kill(end)
    await once(child, 'exit')
    t.ok(await until(() => living().length === 0), `${end}: the programs have ended`)
    t.same(traces(), before, `${end}: the machine is as it was`)
  }
})

t.test('one that fails says why and leaves nothing', { skip }, async t => {
  const before = traces()
  if ('why' in available) return
  await t.rejects(hold('nft -f - <<.\nnonsense\n.\necho ready\n', available.rights), /syntax error|nonsense/)
  await t.rejects(hold('exit 3\n', available.rights), /ended with 3/)
  const topology = await raiseTopology(profileNamed('none'), profileNamed('none'))
  t.throws(() => topology.start('carol', ['true']), /no carol in this topology: there are inet, server, alice, bob/)
  await t.rejects(topology.ask('alice', ['sh', '-c', 'echo so >&2; exit 4']), /ended with 4: so/)
  await topology.close()
  t.same(traces(), before)
})

t.test('without being root, where the machine lets anybody have namespaces', { skip }, async t => {
  const script = scriptOf(planTopology(profileNamed('restricted'), profileNamed('symseq')))
  const held = await hold(script, 'user-namespace').catch((error: Error) => error)
  if (held instanceof Error) return t.comment(held.message)
  const [command = '', ...args] = held.enter('nat-b')
  const listed = spawnSync(command, [...args, 'nft', 'list', 'ruleset'])
  t.match(listed.stdout.toString(), 'numgen inc mod 1024 map', String(listed.stderr))
  await held.close()
})

t.test('where it is not possible, the reason is said in words', { skip }, async t => {
  const look = `
    const { kernelAvailability } = await import(${JSON.stringify(built('kernel/available.js'))})
    process.stdout.write((await kernelAvailability()).why ?? 'possible')`
  const forbid = 'echo 0 >/proc/sys/user/max_net_namespaces && exec env -u NODE_OPTIONS "$@"'
  const node = [process.execPath, '--input-type=module', '-e', look]
  const { stdout, status } = spawnSync('unshare', ['--user', '--map-root-user', 'sh', '-c', forbid, 'sh', ...node])
  if (status !== 0) return t.comment('no user namespaces here')
  t.match(stdout.toString(), /^no right to make network namespaces, .*as root: unshare failed: No space left on device/)
})
