// A port that the router forwards: how it is kept, offered and taken back; and all of it with a real router, where this machine
// lets us have namespaces and has miniupnpd.
import { type Socket, createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { type ClientOptions, connect } from '../src/client/client.ts'
import type { ClientEvent } from '../src/client/events.ts'
import { decodeRegistration } from '../src/dialects/phonebook/codec.ts'
import { formatEndpoint } from '../src/endpoint.ts'
import { hostAround } from '../src/host-around.ts'
import type { PortMappingNews } from '../src/host.ts'
import { type Gateway, natPmpAt } from '../src/host/gateway.ts'
import { keepPortMapped } from '../src/host/port-mapping.ts'
import { kernelAvailability } from '../src/kernel/available.ts'
import { serverAddresses } from '../src/server-addresses.ts'
import type { Program } from '../src/kernel/program.ts'
import { type KernelTopology, raiseTopology } from '../src/kernel/topology.ts'
import { profileNamed } from '../src/nat-profile.ts'
import { manualNet } from './fixtures/manual-host.ts'
import { noRouter, startRouter, wanA } from './fixtures/upnp-router.ts'

const X = '198.51.100.1'

// How long it lives

/** A gateway that does as the list says, call after call: the external port, or why not. */
const gatewayOf = (...says: (number | Error)[]) => {
  const asked: string[] = []
  const gateway: Gateway = {
    protocol: 'NAT-PMP',
    externalAddress: async () => X,
    async map(port, external) {
      asked.push(`map ${port} ${external}`)
      const said = (says.length > 1 ? says.shift() : says[0]) ?? new Error('silent')
      if (said instanceof Error) throw said
      return said
    },
    async unmap(port, external) {
      asked.push(`unmap ${port} ${external}`)
    },
  }
  return { gateway, asked, find: async () => gateway }
}

const ended = (end: (done: () => void) => void): Promise<void> => new Promise(end)
const heard = (news: PortMappingNews[]): string[] =>
  news.map(one => ('endpoint' in one ? formatEndpoint(one.endpoint) : one.problem))
const until = async (holds: () => boolean): Promise<void> => {
  for (let i = 0; i < 500 && !holds(); i++) await sleep(10)
}

t.test('it is asked for again and again, told only when it changes, and taken back once', async t => {
  const { asked, find } = gatewayOf(4001, 4001, 4002, new Error('full'), new Error('full'), 4002)
  const news: PortMappingNews[] = []
  const end = keepPortMapped(4000, one => news.push(one), { find, renewMs: 5 })
  await until(() => news.length === 4)
  await ended(end)
  const refusal = 'The router forwards no port (full): see what its settings allow.'
  t.same(heard(news), [`${X}:4001`, `${X}:4002`, refusal, `${X}:4002`])
  t.same(
    asked.slice(0, 4),
    ['map 4000 4000', 'map 4000 4001', 'map 4000 4001', 'map 4000 4002'],
    'with the port it has',
  )
  t.equal(asked.at(-1), 'unmap 4000 4002')
  const count = asked.length
  await sleep(30)
  t.equal(asked.length, count, 'and then nothing more')
})

t.test('ended before the router has said a word: what it then forwards is taken back all the same', async t => {
  const { gateway, asked } = gatewayOf(4001)
  const slow: Gateway = { ...gateway, map: async (...args) => (await sleep(200), gateway.map(...args)) }
  const news: PortMappingNews[] = []
  const end = keepPortMapped(4000, one => news.push(one), { find: async () => slow })
  await sleep(50)
  await ended(end)
  t.same(asked, ['map 4000 4000', 'unmap 4000 4001'])
  t.same(news, [], 'nobody wants to know any more')
})

t.test('a router that hangs does not hold us up', async t => {
  const { gateway } = gatewayOf(4001)
  const hanging: Gateway = { ...gateway, unmap: () => new Promise(() => {}) }
  const news: PortMappingNews[] = []
  const end = keepPortMapped(4000, one => news.push(one), {
    find: async () => hanging,
  })
  await until(() => news.length === 1)
  const startedMs = performance.now()
  const awake = setInterval(() => {}, 100) // the wait itself keeps no program alive
  await ended(end)
  clearInterval(awake)
  const tookMs = performance.now() - startedMs
  t.ok(tookMs > 1900 && tookMs < 6000, `${tookMs} ms`)
})

t.test('what is no answer of the gateway ends nothing and is believed by nobody', async t => {
  const [address, stranger] = ['127.0.0.77', '127.0.0.78']
  const sockets = await Promise.all(
    [address, stranger].map(async at => {
      const socket = createSocket('udp4').bind(5351, at)
      await once(socket, 'listening')
      return socket
    }),
  )
  const [gateway, other] = sockets as [Socket, Socket]
  const said = (last: number): number[] => [0, 128, 0, 0, 0, 0, 0, 9, 192, 0, 2, last]
  gateway.on('message', (_request, { port, address: from }) => {
    const answers: [Socket, number[]][] = [
      [other, said(66)],
      [gateway, []],
      [gateway, [0]],
      [gateway, said(1).slice(0, 11)],
      [gateway, [0, 129, 0, 0, 0, 0, 0, 9]],
      [gateway, said(1)],
    ]
    for (const [socket, bytes] of answers) socket.send(Uint8Array.from(bytes), port, from)
  })
  t.equal(await natPmpAt(address).externalAddress(AbortSignal.timeout(5000)), '192.0.2.1')
  gateway.removeAllListeners('message').on('message', (_request, { port, address: from }) => {
    gateway.send(Uint8Array.from([0, 128, 0, 3, 0, 0, 0, 9]), port, from)
  })
  await t.rejects(natPmpAt(address).externalAddress(AbortSignal.timeout(5000)), /Network Failure/, 'and no is short')
  for (const socket of sockets) socket.close()
})

const available = await kernelAvailability()
const noKernel = 'why' in available ? available.why : undefined

t.test('whatever comes to the port of SSDP, the program goes on', { skip: noKernel ?? false }, async t => {
  const topology = await raiseTopology(profileNamed('restricted'), profileNamed('restricted'))
  const [own = ''] = topology.addresses.get('alice') ?? []
  const fixture = fileURLToPath(new URL('fixtures/rude-ssdp.mjs', import.meta.url))
  t.equal(await topology.ask('alice', [process.execPath, fixture, own]), 'found nothing')
  await topology.close()
})

// How it is offered

/** Alice asks an older server on 203.0.113.10, which says where it sees her. */
const offering = (options: Partial<ClientOptions>, { server = '203.0.113.10', hasGateway = true } = {}) => {
  const net = manualNet()
  const events: ClientEvent[] = []
  const offered: string[][] = []
  const mapped: number[] = []
  let tell = (_news: PortMappingNews): void => {}
  let done = (): void => {}
  const manager = net.host(server).udp({ port: 8080 })
  manager.onDatagram((bytes, from) => {
    const request = decodeRegistration(bytes)
    if (typeof request !== 'string') offered.push(request.hosts.map(formatEndpoint))
    manager.send(new TextEncoder().encode(`0,1,alice,${from.address},${from.port}`), from)
  })
  const host = hostAround(
    net.host(X),
    hasGateway
      ? {
          mapPort(port, onNews) {
            mapped.push(port)
            tell = onNews
            return then => void (done = then)
          },
        }
      : {},
  )
  const client = connect(host, { server, name: 'alice', peer: 'bob', onEvent: event => events.push(event), ...options })
  net.run(100)
  const ofPort = (): ClientEvent[] => events.filter(({ event }) => event.startsWith('port-'))
  return { net, client, events, offered, mapped, ofPort, tell: (one: PortMappingNews) => tell(one), done: () => done() }
}

const forwarded = { endpoint: { address: X, port: 4444 }, protocol: 'NAT-PMP' } as const

t.test('the forwarded endpoint goes to the server at once, before our own addresses, and goes away again', async t => {
  const { net, offered, mapped, tell, ofPort } = offering({ map: true })
  const own = `${X}:${mapped[0]}`
  t.equal(mapped.length, 1, 'asked for once')
  t.same(new Set(offered.map(String)), new Set([own]))
  tell(forwarded)
  net.run(5)
  t.same(offered.at(-1), [`${X}:4444`, own], 'no interval is waited for')
  t.same(ofPort(), [{ event: 'port-mapped', ...forwarded, seen: { address: X, port: mapped[0] } }])
  tell({ problem: 'gone' })
  net.run(5)
  t.same(offered.at(-1), [own])
  t.same(ofPort().at(-1), { event: 'port-mapping-failed', problem: 'gone' })
})

t.test('it is no address behind the NAT: --no-host leaves it', async t => {
  const { net, offered, tell } = offering({ map: true, offerHosts: false })
  tell(forwarded)
  net.run(5)
  t.same(offered.at(-1), [`${X}:4444`])
})

t.test('who does not want it has none, and where there can be none the reason is said', async t => {
  const unwanted = offering({})
  t.same([unwanted.mapped, unwanted.ofPort()], [[], []])
  const [here] = offering({ map: true }, { server: '127.0.0.1' }).ofPort()
  t.match(here, { event: 'port-mapping-failed', problem: /on this very machine/ })
  const [alone] = offering({ map: true }, { hasGateway: false }).ofPort()
  t.match(alone, { event: 'port-mapping-failed', problem: /no router to ask/ })
})

t.test('the end is said when the port is taken back, or at once where there is none', async t => {
  const mapping = offering({ map: true })
  mapping.client.close()
  mapping.net.run(5)
  t.not(mapping.events.at(-1)?.event, 'closed', 'not yet')
  mapping.done()
  t.equal(mapping.events.at(-1)?.event, 'closed')
  mapping.client.close()
  t.equal(mapping.events.filter(({ event }) => event === 'closed').length, 1)
  const plain = offering({})
  plain.client.close()
  t.equal(plain.events.at(-1)?.event, 'closed')
})

// With a real router

const bin = (name: string): string[] => [process.execPath, fileURLToPath(new URL(`../bin/${name}`, import.meta.url))]
const [server] = serverAddresses['4']
const patienceMs = 15_000

const serve = async (lab: KernelTopology): Promise<void> => {
  const program = lab.start('server', [...bin('test-server'), '--host', server])
  if (!(await program.until(/ready/, patienceMs))) throw new Error(program.stderr)
}

const talk = (lab: KernelTopology, me: 'alice' | 'bob', ...more: string[]): Program =>
  lab.start(me, [
    ...bin('test-client'),
    ...`-s ${server} -n ${me} -c ${me === 'alice' ? 'bob' : 'alice'} --no-input`.split(' '),
    ...more,
  ])

const raise = async (
  t: { teardown(run: () => Promise<void>): void },
  a: string,
  b: string,
): Promise<KernelTopology> => {
  const lab = await raiseTopology(profileNamed(a), profileNamed(b), { wanA })
  t.teardown(lab.close)
  await serve(lab)
  return lab
}

const skip = noKernel ?? noRouter() ?? false

t.test('two whom no hole punching brings together: found, mapped, used, removed', { skip, jobs: 2 }, async t => {
  const ends = [
    ['NAT-PMP', 'SIGINT', 130],
    ['UPnP-IGD', 'SIGTERM', 0],
  ] as const
  for (const [protocol, signal, exitCode] of ends)
    void t.test(`${protocol}, ${signal}`, { buffered: true }, async t => {
      const lab = await raise(t, 'symrand', 'symrand')
      const router = await startRouter(lab, [protocol])
      t.teardown(router.stop)
      const alice = talk(lab, 'alice', '--map')
      const bob = talk(lab, 'bob')
      const said = await alice.until(/^The router forwards 11\.1\.0\.2:\d+ to us\.$/, patienceMs)
      t.ok(said, alice.lines.map(({ text }) => text).join('\n'))
      for (const one of [alice, bob]) t.ok(await one.until(/^Connected to /, patienceMs), 'connected')
      const [, port] = /:(\d+) to us/.exec(said?.text ?? '') ?? []
      t.match(await router.forwarded(), [new RegExp(`^${port} to 10\\.1\\.0\\.2:\\d+$`)], 'as the kernel has it')
      t.ok(await bob.until(new RegExp(`^Connected to alice at 11\\.1\\.0\\.2:${port} `), 0), 'and there Bob finds her')
      const startedMs = performance.now()
      alice.kill(signal)
      t.equal(await alice.ended, exitCode, `ended in ${Math.round(performance.now() - startedMs)} ms`)
      t.same(await router.forwarded(), [], 'nothing is left of it')
      t.ok(await bob.until(/^alice has left\./, patienceMs), 'and Bob was told')
    })

  void t.test('without a forwarded port they do not meet', { buffered: true }, async t => {
    const lab = await raise(t, 'symrand', 'symrand')
    const router = await startRouter(lab)
    t.teardown(router.stop)
    const both = [talk(lab, 'alice', '--timeout', '3'), talk(lab, 'bob', '--timeout', '3')]
    t.same(await Promise.all(both.map(({ ended }) => ended)), [5, 5])
    t.same(router.asked, [], 'and the router was not asked for anything')
  })

  void t.test(
    'behind other NATs too, and the end of --exit-on-connect is an end as well',
    { buffered: true },
    async t => {
      for (const [a, b] of [
        ['symrand', 'portrest'],
        ['portrest', 'symrand'],
        ['adm', 'symseq'],
      ] as const) {
        const lab = await raise(t, a, b)
        const router = await startRouter(lab)
        t.teardown(router.stop)
        const alice = talk(lab, 'alice', '--map', '--exit-on-connect', '--timeout', '10', '--json')
        const bob = talk(lab, 'bob')
        t.equal(await alice.ended, 0, `${a} and ${b}`)
        const names = alice.events.map(({ event }) => event)
        for (const name of ['port-mapped', 'connected']) t.ok(names.includes(name), name)
        t.equal(names.at(-1), 'closed')
        t.ok(await bob.until(/^Connected to alice at 11\.1\.0\.2:/, 0))
        t.same(await router.forwarded(), [])
      }
    },
  )
})

t.test('a router that is restarted, and one that forwards the port to somebody else', { skip, jobs: 2 }, async t => {
  const keeper = fileURLToPath(new URL('fixtures/keep-mapped.mjs', import.meta.url))
  for (const protocol of ['NAT-PMP', 'UPnP-IGD'] as const)
    void t.test(protocol, { buffered: true }, async t => {
      const lab = await raiseTopology(profileNamed('portrest'), profileNamed('portrest'), { wanA, shared: 'nat' })
      t.teardown(lab.close)
      const first = await startRouter(lab, [protocol])
      const keep = (host: 'alice' | 'bob'): Program => lab.start(host, [process.execPath, keeper, '4000', '300'])
      const alice = keep('alice')
      t.match(JSON.parse((await alice.until(/endpoint/, patienceMs))?.text ?? '{}'), {
        endpoint: { address: '11.1.0.2', port: 4000 },
        protocol,
      })
      const bob = keep('bob')
      const his = JSON.parse((await bob.until(/endpoint/, patienceMs))?.text ?? '{}').endpoint?.port
      await sleep(1000)
      t.same(
        (await first.forwarded()).sort(),
        ['4000 to 10.1.0.2:4000', `${his} to 10.1.0.3:4000`],
        'renewed, not doubled',
      )
      t.equal(bob.lines.length, 1, 'and nothing has changed')
      bob.say('end\n')
      await bob.ended
      t.same(await first.forwarded(), ['4000 to 10.1.0.2:4000'], "only Bob's is gone")
      await first.stop()
      const second = await startRouter(lab, [protocol])
      t.teardown(second.stop)
      for (let i = 0; i < 100 && (await second.forwarded()).length === 0; i++) await sleep(100)
      t.same(await second.forwarded(), ['4000 to 10.1.0.2:4000'], 'asked for again')
      alice.say('end\n')
      await alice.ended
      t.same(await second.forwarded(), [])
    })
})

t.test('no router that would: one line, and nobody has waited for it', { skip: noKernel ?? false }, async t => {
  const lab = await raise(t, 'portrest', 'portrest')
  const [alice] = [talk(lab, 'alice', '--map', '--json'), talk(lab, 'bob')]
  await alice?.until(/"port-mapping-failed"/, patienceMs)
  const timeOf = (wanted: string): number =>
    Number(alice?.events.find(({ event }) => event === wanted)?.['timeMs'] ?? Number.NaN)
  t.ok(timeOf('connected') < timeOf('port-mapping-failed'), `${timeOf('connected')}, ${timeOf('port-mapping-failed')}`)
  t.ok(timeOf('port-mapping-failed') < 6000)
  const problems = alice?.events.flatMap(({ event, problem }) => (event === 'port-mapping-failed' ? [problem] : []))
  t.same(problems, ['No router answers UPnP-IGD or NAT-PMP: switch one of them on in its settings.'])
  const startedMs = performance.now()
  alice?.kill('SIGINT')
  t.equal(await alice?.ended, 130)
  t.ok(performance.now() - startedMs < 4500, 'nothing is to be taken back')
})

t.test('nat-lab check asks a real router, and changes nothing there', { skip }, async t => {
  const lab = await raise(t, 'portrest', 'none')
  const router = await startRouter(lab)
  t.teardown(router.stop)
  const other = talk(lab, 'alice', '--map', '--json')
  await other.until(/"port-mapped"/, patienceMs)
  const [before, askedBefore] = [await router.forwarded(), router.asked.length]
  t.equal(before.length, 1, 'somebody has a port there')
  const program = lab.start('alice', [...bin('nat-lab'), 'check', '-s', server, '--json'])
  await program.ended
  t.match(program.events[0], {
    layers: { is: '1', because: 'the gateway has 11.1.0.2 itself' },
    carrierGrade: { is: 'no' },
    gateway: { upnp: { found: true, wan: '11.1.0.2' }, natPmp: { found: true, wan: '11.1.0.2' } },
  })
  t.same(await router.forwarded(), before, 'which is still there, alone')
  t.same(new Set(router.asked.slice(askedBefore)), new Set(['public address', 'GetExternalIPAddress']))
})
