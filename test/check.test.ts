// `nat-lab check` from its options to its exit code: servers that lie, one address or two, and, where this machine lets us
// have namespaces, real NATs, coturn as the server, lifetimes, and a gateway that is asked for its address.
import { accessSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import colors from 'picocolors'
import t from 'tap'
import { drive } from '../src/behavior/drive.ts'
import { type Evidence, createProbe } from '../src/behavior/probe.ts'
import { type Verdict, isPunchable, sentenceOf, verdictOf } from '../src/behavior/verdict.ts'
import { isRight, wordsIn } from '../src/cli/other-testers.ts'
import type { Attribute } from '../src/dialects/stun/attributes.ts'
import { type Decoded, binding, decode, encode, first } from '../src/dialects/stun/message.ts'
import type { Endpoint } from '../src/endpoint.ts'
import { gatewayIn } from '../src/host/gateway.ts'
import { kernelAvailability } from '../src/kernel/available.ts'
import type { PlanOptions } from '../src/kernel/plan.ts'
import { type KernelTopology, raiseTopology } from '../src/kernel/topology.ts'
import { createTopology } from '../src/lab/topology.ts'
import { type NatProfile, behaviors, profileNamed } from '../src/nat-profile.ts'
import { checkText, exitCodeOf } from '../src/report/check.ts'
import { freePort } from '../src/cli/free-port.ts'
import { start, stopAll } from './fixtures/program.ts'

const [EI, AD, APD] = behaviors
const [A, B] = ['203.0.113.10', '203.0.113.11']
const [p, q] = [3478, 3479]

type Behave = (
  request: Decoded,
  at: Endpoint,
  from: Endpoint,
) => { attributes?: Attribute[]; by?: Endpoint } | undefined

/** Alice behind a NAT, and a server of our making on four endpoints: what it says and by which of them. */
const probeWith = (profile: NatProfile, behave: Behave, servers: Endpoint[] = [{ address: A, port: p }]) => {
  const { world, alice, server } = createTopology(profile, profileNamed('none'), { seed: 1, trace: false })
  const endpoints = [A, B].flatMap(address => [p, q].map(port => ({ address, port })))
  const sockets = endpoints.map(at => ({ at, socket: server.udp(at) }))
  for (const { at, socket } of sockets) {
    socket.onDatagram((bytes, from) => {
      const request = decode(bytes)
      const said = typeof request === 'string' ? undefined : behave(request, at, from)
      if (!said || typeof request === 'string') return
      const { attributes = [], by = at } = said
      const mapped: Attribute = { name: 'XOR-MAPPED-ADDRESS', value: from }
      const isError = attributes.some(({ name }) => name === 'ERROR-CODE')
      const answer = encode({
        class: isError ? 'error response' : 'success response',
        method: binding,
        transactionId: request.transactionId,
        attributes: isError ? attributes : [mapped, ...attributes],
      })
      sockets.find(({ at }) => at.address === by.address && at.port === by.port)?.socket.send(answer, from)
    })
  }
  world.run(1)
  let found: Evidence | undefined
  const running = drive(alice, 4, outside => createProbe(outside, servers, evidence => void (found = evidence)))
  world.runUntil(() => found !== undefined, 30_000)
  running.stop()
  return { verdict: found && verdictOf(found, alice.addresses()), evidence: found, ms: world.now(), held: alice.held }
}

const otherAddress = (value: Endpoint): Attribute => ({ name: 'OTHER-ADDRESS', value })
const opposite = ({ address, port }: Endpoint): Endpoint => ({
  address: address === A ? B : A,
  port: port === p ? q : p,
})

/** As RFC 5780 has it. */
const honest: Behave = (request, at) => {
  const change = first(request, 'CHANGE-REQUEST')
  const other = opposite(at)
  const by = { address: change?.ip ? other.address : at.address, port: change?.port ? other.port : at.port }
  return { attributes: [otherAddress(other)], by }
}

t.test('servers that lie are warned of, and nothing is concluded from what they say', async t => {
  const lies: Record<string, Behave> = {
    'an alternate address where nobody answers': (request, at) =>
      at.address === A
        ? { ...honest(request, at, at), attributes: [otherAddress({ address: '192.0.2.99', port: q })] }
        : undefined,
    'its own address': (request, at) => ({
      ...honest(request, at, at),
      attributes: [otherAddress({ ...at, port: q })],
    }),
    'its own port': (request, at) => ({
      ...honest(request, at, at),
      attributes: [otherAddress({ address: B, port: p })],
    }),
    'a server that is not its own': (request, at) =>
      at.address === A ? honest(request, at, at) : { attributes: [otherAddress({ address: '192.0.2.1', port: q })] },
    'one that knows of no second address': (request, at) => (at.address === A ? honest(request, at, at) : {}),
  }
  for (const [name, behave] of Object.entries(lies)) {
    const { verdict } = probeWith(profileNamed('portrest'), behave)
    t.match(verdict, { mapping: { is: 'unknown' }, filtering: { is: 'unknown' }, early: { is: 'unknown' } }, name)
    t.match(verdict?.warnings, [/OTHER-ADDRESS .*: nothing is concluded from it/], name)
    t.match(verdict?.ports, { is: 'preserving' }, 'what it is not needed for is said anyway')
  }
})

t.test('a server can point at our neighbours, and nothing is sent to them', async t => {
  for (const address of ['10.1.0.7', '127.0.0.1', '169.254.1.1', '224.0.0.1', '255.255.255.255']) {
    const { evidence, verdict } = probeWith(profileNamed('portrest'), (request, at) => ({
      ...honest(request, at, at),
      attributes: [otherAddress({ address, port: q })],
    }))
    const text = JSON.stringify({ ...evidence, other: undefined })
    t.notMatch(text, `"to":{"address":"${address}`, address)
    t.match(verdict?.warnings, [/is not of the server's network/], address)
  }
})

t.test('servers that can less than they should: filtering is unknown, mapping is not', async t => {
  const servers: Record<string, Behave> = {
    'ignores CHANGE-REQUEST': (_request, at) => ({ attributes: [otherAddress(opposite(at))] }),
    'answers 420 to it': (request, at) =>
      first(request, 'CHANGE-REQUEST')
        ? { attributes: [{ name: 'ERROR-CODE', value: { code: 420, reason: 'Unknown Attribute' } }] }
        : { attributes: [otherAddress(opposite(at))] },
    'is silent to it': (request, at) =>
      first(request, 'CHANGE-REQUEST') ? undefined : { attributes: [otherAddress(opposite(at))] },
  }
  for (const [name, behave] of Object.entries(servers)) {
    const { verdict } = probeWith(profileNamed('portrest'), behave)
    t.match(
      verdict,
      { mapping: { is: EI }, filtering: { is: 'unknown' }, early: { is: 'unknown' }, warnings: [] },
      name,
    )
  }
  t.match(
    probeWith(profileNamed('portrest'), honest).verdict,
    { filtering: { is: APD }, warnings: [] },
    'an honest one',
  )
})

t.test('the first port that answers is taken, and the silent ones are waited for only a moment', async t => {
  const [silent, speaks] = [8080, p].map(port => ({ address: A, port }))
  if (!silent || !speaks) return
  const { verdict, ms, held } = probeWith(profileNamed('restricted'), honest, [silent, speaks])
  t.match(verdict, { server: speaks, filtering: { is: AD } })
  t.ok(ms < 3200, `${ms} ms`)
  t.same(held, { timers: 0, sockets: 0 }, 'nothing is left behind')
  const { verdict: none, ms: inVain } = probeWith(profileNamed('blocked'), honest, [silent, speaks])
  t.equal(none, undefined)
  t.ok(inVain < 5000, `${inVain} ms`)
})

t.test('the sentence is of words alone, whatever was found', async t => {
  const because = ''
  const filterings = [...behaviors, 'port-dependent', 'unknown'] as const
  for (const translated of [true, false]) {
    for (const mapping of [...behaviors, 'unknown'] as const) {
      for (const filtering of filterings) {
        for (const ports of ['preserving', 'contiguous', 'sequential', 'no pattern', 'unknown'] as const) {
          const verdict: Verdict = {
            server: { address: A, port: p },
            mapped: { address: '198.51.100.2', port: 1 },
            translated,
            mapping: { is: translated ? mapping : EI, because: 'so' },
            filtering: { is: filtering, because },
            ports: {
              is: ports,
              because,
              preserved: 0,
              samples: 9,
              addresses: [],
              ...(ports === 'sequential' && { delta: 2 }),
            },
            hairpinning: { is: 'no', because },
            early: { is: 'harmless', because },
            warnings: [],
          }
          const said = sentenceOf(verdict)
          t.match(said, /^You are (not )?behind an? [\w, -]+.*\.$/)
          t.notMatch(said, /undefined|null/)
          if (mapping !== EI && translated) t.notOk(isPunchable(verdict), said)
        }
      }
    }
  }
})

t.test('the table of routes, of Linux', async t => {
  const head = 'Iface\tDestination\tGateway \tFlags'
  t.equal(gatewayIn(`${head}\neth0\t0000010A\t00000000\t0001\neth0\t00000000\t0100010A\t0003`), '10.1.0.1')
  t.equal(gatewayIn(`${head}\ntun0\t00000000\t00000000\t0001`), undefined)
  t.equal(gatewayIn(''), undefined)
})

t.test('what the other testers say, in our words', async t => {
  const discovery = (text: string) => wordsIn('turnutils_natdiscovery', text)
  const stun = (text: string) =>
    wordsIn('stun', `STUN client version 0.97\nPrimary: ${text}\t\nReturn value is 0x000017`)
  t.same(discovery('NAT with Address and Port Dependent Mapping!\nNAT with Endpoint Independent Filtering!'), {
    mapping: APD,
    filtering: EI,
  })
  t.same(discovery('NAT with Address Dependent Mapping!\nNAT with Address Dependent Filtering!'), {
    mapping: AD,
    filtering: AD,
  })
  t.same(discovery('STUN receive timeout..'), { mapping: 'unknown', filtering: 'unknown' })
  t.same(stun('Independent Mapping, Port Dependent Filter, preserves ports, no hairpin'), {
    mapping: EI,
    filtering: APD,
  })
  t.same(stun('Dependent Mapping, random port, no hairpin'), { mapping: 'dependent', filtering: 'unknown' })
  t.same(stun('Open'), { mapping: EI, filtering: EI })
  t.same(stun('Blocked or could not reach STUN server'), { mapping: 'unknown', filtering: 'unknown' })
  t.same([isRight('dependent', AD), isRight('dependent', EI), isRight(EI, EI)], [true, false, true])
})

t.test('the command: mistakes, silence, and a server with two addresses', async t => {
  t.after(stopAll)
  const [port, otherPort, nobody] = await Promise.all([freePort(), freePort(), freePort()])
  const run = async (...args: string[]) => {
    const program = start('nat-lab', args)
    const code = await program.ended()
    return { code, ...program, stdout: program.stdout, stderr: program.stderr }
  }
  const server = start(
    'test-server',
    `-p ${port} --host 127.0.0.1 --alt-address 127.0.0.2 --alt-port ${otherPort}`.split(' '),
  )
  const alone = start('test-server', ['-p', String(port), '--host', '127.0.0.3'])
  await Promise.all([server.until(/ready/), alone.until(/ready/)])
  const [help, noServer, longest, withPort, nowhere, noSix, silence, text, json, one] = await Promise.all([
    run('check', '--help'),
    run('check'),
    run('check', '-s', '127.0.0.1', '--longest', '9'),
    run('check', '-s', '127.0.0.1:3478'),
    run('check', '-s', 'nowhere.invalid'),
    run('check', '-s', '127.0.0.1', '--ip', '6'),
    run('check', '-s', '127.0.0.1', '-p', String(nobody)),
    run('check', '-s', '127.0.0.1', '-p', String(port)),
    run('check', '-s', '127.0.0.1', '-p', String(port), '--json'),
    run('check', '-s', '127.0.0.3', '-p', String(port), '--json'),
  ])
  t.match([help.code, help.stdout], [0, /^Usage: nat-lab check -s HOST/])
  t.match([noServer.code, noServer.stderr], [2, /which server\?.*-s/])
  t.match([longest.code, longest.stderr], [2, /--longest/])
  t.match([withPort.code, withPort.stderr], [2, '-s takes no port: give -s 127.0.0.1 -p 3478\n'])
  t.match(
    [nowhere.code, nowhere.stderr],
    [3, /^nat-lab: no such host: nowhere\.invalid: check the spelling of -s.*\n$/],
  )
  t.match([noSix.code, noSix.stderr], [3, /^nat-lab: no IPv6 address of "127\.0\.0\.1"\n$/])
  t.match([silence.code, silence.stdout], [3, new RegExp(`^No answer from 127.0.0.1:${nobody}:.*\n$`)])
  t.match(
    [text.code, text.stdout],
    [0, /^You are not behind a NAT, and nothing is filtered: .*\n\nseen as +127\.0\.0\.1:/],
  )
  t.match(text.stdout, `127.0.0.1:${port} answered`)

  const shape = ['version', 'verdict', 'exitCode', 'tried', 'server', 'mapped', 'nat', 'mapping', 'filtering', 'ports']
  shape.push('hairpinning', 'early', 'layers', 'carrierGrade', 'ipv6', 'gateway', 'lifetime', 'warnings', 'evidence')
  const found = JSON.parse(json.stdout) as Record<string, unknown>
  t.same(Object.keys(found), shape, 'who changes this changes the version and docs/nat-check.md')
  t.match(found, {
    version: 1,
    exitCode: 0,
    server: `127.0.0.1:${port}`,
    nat: false,
    mapping: { is: EI, because: /./ },
    filtering: { is: EI, because: /./ },
    hairpinning: { is: 'not applicable' },
    layers: { is: '0' },
    gateway: null,
    warnings: [],
  })
  t.match(JSON.parse(one.stdout), {
    mapping: { is: EI },
    filtering: { is: 'unknown', because: 'the server has one address' },
    warnings: [],
  })
})

const available = await kernelAvailability()
const isInstalled = (path: string): boolean => {
  try {
    accessSync(path)
    return true
  } catch {
    return false
  }
}
const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))
const oursAt = (address: string, other: string): string[] => [
  process.execPath,
  path('../bin/test-server'),
  ...`-p ${p} --host ${address} --alt-address ${other} --alt-port ${q}`.split(' '),
]
const ours = oursAt(A, B)
const coturn = `turnserver -L ${A} -L ${B} -p ${p} -n --no-auth --no-cli --no-tls --no-dtls --log-file stdout --pidfile /dev/null`

const within = async <T>(
  profile: NatProfile,
  use: (topology: KernelTopology) => Promise<T>,
  options: PlanOptions = {},
) => {
  const topology = await raiseTopology(profile, profileNamed('none'), options)
  try {
    return await use(topology)
  } finally {
    await topology.close()
  }
}

const checkIn = async (topology: KernelTopology, server: readonly string[], ...args: string[]) => {
  const manager = topology.start('server', server)
  // coturn says nothing until its output is a page long; requests are repeated for longer than it takes to start.
  if (server[0] === process.execPath && !(await manager.until(/ready/, 15_000))) throw new Error(manager.stderr)
  const at = server.find(word => word.includes(':')) ?? A
  const check = ['check', '-s', at, '-p', String(p), '--json', ...args]
  const program = topology.start('alice', [process.execPath, path('../bin/nat-lab'), ...check])
  const code = await program.ended
  const [said] = program.events
  if (!said) throw new Error(`${code}: ${program.stderr}`)
  return { code, said }
}

t.test('behind NATs in the kernel', { skip: 'why' in available ? available.why : false }, async t => {
  const hasCoturn = isInstalled('/usr/bin/turnserver')
  const noCoturn = 'coturn is not installed'
  const naive = within(profileNamed('portrest-naive'), lab => checkIn(lab, ours, '--no-gateway'))
  const sequential = within(profileNamed('symseq'), lab => checkIn(lab, ours, '--no-gateway'))
  const short = { ...profileNamed('portrest').lifetime, unrepliedMs: 5000, streamMs: 10_000 }
  const lived = within({ ...profileNamed('portrest'), lifetime: short }, lab =>
    checkIn(lab, ours, '--no-gateway', '--lifetime', '--longest', '16'),
  )
  const gatewayed = within(
    profileNamed('portrest'),
    async lab => {
      const gateway = lab.start('nat-a', [process.execPath, path('fixtures/nat-pmp-gateway.mjs'), '100.64.0.2'])
      await gateway.until(/ready/, 10_000)
      return { ...(await checkIn(lab, ours)), wanted: gateway.lines.map(({ text }) => text) }
    },
    { cgnA: profileNamed('eim-random') },
  )
  const withCoturn = (name: string, ...args: string[]) =>
    hasCoturn
      ? within(profileNamed(name), lab => checkIn(lab, [...coturn.split(' '), ...args], '--no-gateway'))
      : undefined
  const coturns = ['restricted', 'adm', 'symrand'].map(name => withCoturn(name))
  const lying = withCoturn('portrest', '-X', `192.0.2.99/${B}`, '-X', `${A}/${A}`)

  t.match(await naive, { code: 0, said: { mapping: { is: EI }, filtering: { is: APD }, early: { is: 'naive' } } })
  t.match(await sequential, { code: 1, said: { mapping: { is: APD }, ports: { is: 'sequential', delta: 1 } } })
  const { said, wanted } = await gatewayed
  t.match(said, {
    layers: { is: '2 or more' },
    carrierGrade: { is: 'yes' },
    gateway: { natPmp: { wan: '100.64.0.2' } },
  })
  t.same([...new Set(wanted)], ['ready', 'address wanted'], 'and nothing else was asked of the gateway')
  t.test('a server of other people', { skip: !hasCoturn && noCoturn }, async t => {
    const [restricted, adm, symrand] = await Promise.all(coturns)
    t.match(restricted, { code: 0, said: { mapping: { is: EI }, filtering: { is: AD }, warnings: [] } })
    t.match(adm, { code: 1, said: { mapping: { is: AD }, filtering: { is: AD }, warnings: [] } })
    t.match(symrand, { code: 1, said: { mapping: { is: APD }, filtering: { is: APD }, warnings: [] } })
    const wrong = await lying
    t.match(wrong, { code: 1, said: { mapping: { is: 'unknown' }, filtering: { is: 'unknown' } } })
    t.match(wrong?.said['warnings'], ['OTHER-ADDRESS 192.0.2.99:3479 does not answer: nothing is concluded from it'])
  })
  const { lifetime } = (await lived).said as { lifetime: Record<'exchange' | 'stream', { seconds: number }> }
  t.ok(Math.abs(lifetime.exchange.seconds - 5) <= 1, `${lifetime.exchange.seconds} s after one exchange`)
  t.ok(Math.abs(lifetime.stream.seconds - 10) <= 1, `${lifetime.stream.seconds} s as a stream`)
})

t.test('where IPv4 is hard and IPv6 works, that is said too', async t => {
  const verdicts = [
    ['symrand', 'works', / Over IPv6 nothing is translated: there it works with every peer that has IPv6 too\.$/],
    ['symrand', 'no answer', /a relay\.$/],
    ['portrest', 'works', /with most peers\.$/],
  ] as const
  for (const [name, is, sentence] of verdicts) {
    const { verdict, evidence } = probeWith(profileNamed(name), honest)
    if (!evidence) return t.fail('no end')
    const unknown = { is: 'unknown' as const, because: '' }
    const found = { tried: [{ address: A, port: p }], evidence, verdict, layers: unknown, carrierGrade: unknown }
    const check = { ...found, ipv6: { is, because: '' }, gateway: undefined, lifetime: undefined }
    t.match(checkText(check, colors.createColors(false)).split('\n')[0], sentence, `${name}, IPv6 ${is}`)
    t.equal(exitCodeOf(check), name === 'symrand' ? 1 : 0, 'the exit code is about what was asked')
  }
})

t.test('what nobody answered is a line and no table', async t => {
  const { evidence } = probeWith(profileNamed('blocked'), honest)
  if (!evidence) return t.fail('no end')
  const unknown = { is: 'unknown' as const, because: '' }
  const check = {
    tried: [{ address: A, port: p }],
    evidence,
    verdict: undefined,
    layers: unknown,
    carrierGrade: unknown,
  }
  const silent = { ...check, ipv6: unknown, gateway: undefined, lifetime: undefined }
  t.equal(exitCodeOf(silent), 3)
  t.equal(
    checkText(silent, colors.createColors(false)),
    `No answer from ${A}:${p}: there is no STUN server, or no UDP gets through.`,
  )
})
