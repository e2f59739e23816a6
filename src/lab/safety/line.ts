// L1 to L3: the private line where datagrams are lost, where NATs forget, and under a rain of forgeries.
import { decodePeerMessage } from '../../dialects/phonebook/peer.ts'
import type { Endpoint } from '../../endpoint.ts'
import { type Identity, identityOf, identitySeedLength } from '../../identity.ts'
import { seededRandom } from '../../sim/random.ts'
import { createForger, overhear } from '../forger.ts'
import { mutated } from '../mutate.ts'
import { behindForgetfulNat } from '../rebinding.ts'
import { type Stage, type StageClient, createStage } from '../stage.ts'
import type { WorldFigure } from './figure.ts'

const [one, two] = [1, 2].map(n => identityOf(new Uint8Array(identitySeedLength).fill(n))) as [Identity, Identity]

const startBoth = (stage: Stage): [StageClient, StageClient] => [
  stage.startClient('alice', 'bob', { identity: one }),
  stage.startClient('bob', 'alice', { identity: two }),
]

const share = (times: readonly number[], part: number): number =>
  times.toSorted((a, b) => a - b)[Math.ceil(part * times.length) - 1] ?? Infinity

export const handshakeInLoss: WorldFigure = {
  id: 'L1',
  promised:
    '20 % loss, doubled, overtaking, both at once: all lines private; >= 99 % within 2 s of the first sign of the peer',
  measure(size) {
    const seeds = size === 'whole' ? 1000 : 60
    const times: number[] = []
    let plain = 0
    for (let seed = 1; seed <= seeds; seed++) {
      const link = { latencyMs: 15, jitterMs: 20, loss: 1 - Math.sqrt(0.8), duplicate: 0.1, reorder: 0.2 }
      const stage = createStage({ seed, trace: false, link })
      stage.startServer()
      const both = startBoth(stage)
      stage.world.runUntil(() => both.every(({ client }) => client.state === 'connected'), 30_000)
      for (const client of both) {
        const [connected] = client.of('connected')
        if (connected?.private !== true) plain++
        times.push((connected?.atMs ?? Infinity) - (client.of('heard')[0]?.atMs ?? 0))
      }
    }
    return {
      measured: `${plain} not private; after the first sign median ${share(times, 0.5).toFixed(0)}, 99 % ${share(times, 0.99).toFixed(0)}, worst ${share(times, 1).toFixed(0)} ms (${seeds} seeds, a round trip of 80 ms)`,
      pass: plain === 0 && share(times, 0.99) <= 2000,
    }
  },
}

const talkMs = 14_000
const everyMs = 100

/** The longest silence at either end of a talk of ten messages a second in which NATs forget; what strangers got in. */
const silenceWhen = (seed: number, moving: readonly string[]): { silenceMs: number; strange: number } => {
  const random = seededRandom(seed, 'roaming')
  const stage = createStage({ seed, trace: false, link: { latencyMs: 5 + random.next() * 25, jitterMs: 5 } })
  const nats = new Map(['alice', 'bob'].map(name => [name, behindForgetfulNat(stage.hostOf(name))]))
  stage.startServer()
  const start = (name: string, peer: string, identity: Identity): StageClient =>
    stage.startClient(name, peer, { identity, on: nats.get(name)?.host as never })
  const both = [start('alice', 'bob', one), start('bob', 'alice', two)]
  for (let atMs = 2000; atMs < 2000 + talkMs; atMs += everyMs)
    stage.world.after(atMs, () => both.forEach(({ client }) => client.send('as agreed')))
  stage.world.after(5000 + random.next() * 3000, () => moving.forEach(name => nats.get(name)?.rebind()))
  stage.world.run(2000 + talkMs)
  const gaps = both.flatMap(client => {
    const times = [2000, ...client.of('message').map(({ atMs }) => atMs), 2000 + talkMs]
    return times.slice(1).map((atMs, i) => atMs - (times[i] ?? 0))
  })
  const strange = both.flatMap(client => client.of('message').filter(({ text }) => text !== 'as agreed')).length
  return { silenceMs: Math.max(...gaps), strange }
}

export const roaming: WorldFigure = {
  id: 'L2',
  promised: 'a NAT that forgets in mid-talk, on either side or both: <= 1 s of silence',
  measure(size) {
    const seeds = size === 'whole' ? 200 : 10
    const ways = [['alice'], ['bob'], ['alice', 'bob']]
    const worst = ways.map(moving => {
      const results = Array.from({ length: seeds }, (_, seed) => silenceWhen(seed, moving))
      return {
        silenceMs: Math.max(...results.map(({ silenceMs }) => silenceMs)),
        strange: results.reduce((sum, { strange }) => sum + strange, 0),
      }
    })
    const [first, second, both] = worst.map(({ silenceMs }) => silenceMs.toFixed(0))
    const strange = worst.reduce((sum, each) => sum + each.strange, 0)
    return {
      measured: `${first} and ${second} ms at most where one forgets, ${both} ms where both do; ${strange} messages of strangers (${seeds} seeds each)`,
      pass: strange === 0 && worst.every(({ silenceMs }) => silenceMs <= 1000),
    }
  },
}

export const forgeries: WorldFigure = {
  id: 'L3',
  promised:
    '0 accepted replays or forgeries in 10^6 mutated datagrams of a private talk, from anywhere; the talk goes on',
  measure(size) {
    const count = size === 'whole' ? 1_000_000 : 50_000
    const stage: Stage = createStage({ seed: 3, trace: false, link: { latencyMs: 1 } })
    const seen: Uint8Array[] = []
    for (const name of ['alice', 'bob'])
      overhear(stage.hostOf(name), bytes => {
        // Of the line; a check may well be said again by anybody, and is answered.
        if (['hello', 'welcome', 'sealed'].includes(decodePeerMessage(bytes)?.type ?? '')) seen.push(bytes.slice())
      })
    stage.startServer()
    const both = startBoth(stage)
    stage.world.run(1000)
    let genuine = 0
    const forge = createForger(stage)
    const random = seededRandom(3, 'forgeries')
    const homes = both.map(({ host }): Endpoint => ({ address: host.addresses()[0] ?? '', port: 49_152 }))
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random.next() * items.length)] as T
    for (let i = 0; i < count; i++) {
      if (i % 500 === 0) {
        for (const { client } of both) if (client.send(`message ${i}`) === 'sent') genuine++
        stage.world.run(stage.world.now() + 50)
        if (seen.length > 200) seen.splice(10, 100)
      }
      const from =
        random.next() < 0.5 ? pick(homes) : { address: '192.0.2.66', port: 1 + Math.floor(random.next() * 65_000) }
      forge(random.next() < 0.3 ? pick(seen) : mutated(seen, random), from, pick(homes))
    }
    stage.world.run(stage.world.now() + 1000)
    const texts = both.flatMap(client => client.of('message').map(({ text }) => text))
    const wrong = texts.filter(text => !/^message \d+$/.test(text)).length
    const twice = both.reduce((sum, client) => {
      const own = client.of('message').map(({ text }) => text)
      return sum + own.length - new Set(own).size
    }, 0)
    const moved = both.reduce((sum, client) => sum + client.of('moved').length + client.of('lost').length, 0)
    return {
      measured: `${twice + wrong} of ${count} accepted; ${texts.length} of ${genuine} genuine messages arrived, ${moved} moves`,
      pass: twice + wrong === 0 && moved === 0 && texts.length === genuine && genuine > 100,
    }
  },
}
