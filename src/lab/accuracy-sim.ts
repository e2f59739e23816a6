// Law: follows from its seed. The probe behind a simulated NAT; it gets a socket and the address of a server.
import type { Family } from '../endpoint.ts'
import { drive } from '../behavior/drive.ts'
import { type LifetimeEvidence, createLifetimeProbe } from '../behavior/lifetime-probe.ts'
import { type Habit, type Lifetime, lifetimeOf } from '../behavior/lifetime.ts'
import { type Evidence, createProbe } from '../behavior/probe.ts'
import { type Verdict, verdictOf } from '../behavior/verdict.ts'
import { type NatProfile, profileNamed, withoutTranslation } from '../nat-profile.ts'
import { seededRandom } from '../sim/random.ts'
import { type Said, truthOf, wordsOf } from './accuracy.ts'
import { serverAddresses } from '../server-addresses.ts'
import { stageIn } from './stage.ts'
import { createTopology } from './topology.ts'

export type Run = Said & {
  readonly verdict: Verdict | undefined
  readonly evidence: Evidence | undefined
}

export type SimRunOptions = {
  readonly seed: number | string
  /** Of a hundred datagrams, on the way there and on the way back. */
  readonly lossPercent: number
  /** Addresses of the server. */
  readonly addresses: 1 | 2
  /** Over which of them it is asked. Default 4. */
  readonly family?: Family
}

const longestRunMs = 60_000
const [stunPort, otherStunPort] = [3478, 3479]

/** Alice behind such a NAT, and a server. */
const setUp = (profile: NatProfile, { seed, lossPercent, addresses, family = 4 }: SimRunOptions) => {
  const random = seededRandom(seed, 'network')
  const loss = lossPercent / 100
  const way = { latencyMs: 2 + random.next() * 60, jitterMs: random.next() * 10, loss, duplicate: loss / 2 }
  const ip = `${family}` as const
  const ways = { aliceServer: way }
  const topology = createTopology(profile, profileNamed('none'), { seed, ip, trace: false, ways })
  const { world, server } = topology
  const at = serverAddresses[ip].slice(0, addresses)
  const listen = at.flatMap(address => [stunPort, otherStunPort].map(port => ({ address, port, stunOnly: true })))
  stageIn(world, topology.hosts, { keepEvents: false }).startServer({ listen: listen.map(one => ({ ...one })) }, server)
  world.run(10)
  return { ...topology, family, asked: { address: serverAddresses[ip][0], port: stunPort } }
}

export const runInSim = (profile: NatProfile, options: SimRunOptions): Run => {
  const { world, alice, family, asked } = setUp(profile, options)
  let found: Evidence | undefined
  const startedMs = world.now()
  const running = drive(alice, family, outside =>
    createProbe(outside, [asked], evidence => {
      found = evidence
    }),
  )
  world.runUntil(() => found !== undefined, longestRunMs)
  running.stop()
  const verdict = found && verdictOf(found, alice.addresses())
  return {
    truth: truthOf(family === 4 ? profile : withoutTranslation(profile)),
    said: wordsOf(verdict),
    ms: world.now() - startedMs,
    verdict,
    evidence: found,
  }
}

export type LifetimeRun = Readonly<Record<Habit, Lifetime>> & {
  readonly problem: string | undefined
  readonly tookMs: number
}

export const lifetimeInSim = (profile: NatProfile, options: SimRunOptions, longestMs: number): LifetimeRun => {
  const { world, alice, family, asked } = setUp(profile, options)
  let found: LifetimeEvidence | undefined
  const startedMs = world.now()
  const running = drive(alice, family, outside =>
    createLifetimeProbe(outside, asked, longestMs, evidence => {
      found = evidence
    }),
  )
  world.runUntil(() => found !== undefined, 10 * longestMs)
  running.stop()
  const { problem, rungs = [] } = found ?? { problem: 'no end' }
  const of = (habit: Habit): Lifetime => lifetimeOf(rungs.filter(rung => rung.habit === habit))
  return { problem, exchange: of('exchange'), stream: of('stream'), tookMs: world.now() - startedMs }
}
