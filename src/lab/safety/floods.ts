// S2 and S6 in a world: who is still served while somebody floods the server with forged registrations.
import { headerBytes } from '../../headers.ts'
import { seededRandom } from '../../sim/random.ts'
import { createForger, overhear, serverEndpoint, words } from '../forger.ts'
import { type OlderClient, startOlderClient } from '../older-client.ts'
import { createStage } from '../stage.ts'
import type { WorldFigure } from './figure.ts'

const pupils = 30

export const classroom: WorldFigure = {
  id: 'S2',
  promised: `no flood: ${pupils} older clients behind one NAT all meet`,
  measure(size) {
    const seeds = size === 'whole' ? 20 : 2
    let heard = 0
    for (let seed = 1; seed <= seeds; seed++) {
      const stage = createStage({ seed, trace: false, keepEvents: false, link: { latencyMs: 15 } })
      stage.startServer()
      const host = stage.world.host({ address: '198.51.100.99', name: 'classroom' })
      const random = seededRandom(seed, 'starts')
      const names = Array.from({ length: pupils }, (_, i) => `pupil${i}`)
      const clients: OlderClient[] = []
      const start = (name: string, contact = ''): void =>
        void clients.push(startOlderClient(host, { server: serverEndpoint, name, contact, timeoutMs: 1013 }))
      names.forEach((name, i) => stage.world.after(random.next() * 10_000, () => start(name, names[i ^ 1])))
      stage.world.run(180_000)
      heard += clients.filter(client => client.heard.length > 0).length
    }
    const all = pupils * seeds
    return { measured: `${heard} of ${all} heard their partner in 3 minutes`, pass: heard === all }
  },
}

const perSecond = 10_000
/** Seeds in which two older clients try too: they have to wait for the flood to end, in most. */
const mostOlder = 2
const stepMs = 10
/** As in admission.ts, for all of the courtesy. */
const courtesyPerSecond = 256 * 1024

export const meetingInFlood: WorldFigure = {
  id: 'S2',
  promised: `${perSecond} forged registrations/s: newer clients meet <= 2 s, bytes out <= buckets + 3 x`,
  measure(size) {
    const seeds = size === 'whole' ? 10 : 1
    let slowestMs = 0
    let mostShare = 0
    let olderMet = 0
    for (let seed = 1; seed <= seeds; seed++) {
      const stage = createStage({ seed, trace: false, keepEvents: false, link: { latencyMs: 20 } })
      const host = stage.hostOf('server')
      let out = 0
      let funds = courtesyPerSecond
      overhear(host, (bytes, to) => (out += to.address.startsWith('192.') ? bytes.length + headerBytes(to.address) : 0))
      stage.startServer()
      const forge = createForger(stage)
      const random = seededRandom(seed, 'flood')
      const flood = (forMs: number, until: () => boolean): void => {
        for (const endMs = stage.world.now() + forMs; stage.world.now() < endMs && !until();) {
          for (let i = 0; i < (perSecond * stepMs) / 1000; i++) {
            const bytes = words(`x${Math.floor(random.next() * 1e9)}`)
            const from = { address: `192.0.${Math.floor(random.next() * 256)}.${i}`, port: 1024 + i }
            funds += 3 * (bytes.length + headerBytes(from.address))
            forge(bytes, from)
          }
          stage.world.run(stage.world.now() + stepMs)
          funds += (courtesyPerSecond * stepMs) / 1000
          mostShare = Math.max(mostShare, out / funds)
        }
      }
      flood(3000, () => false)
      const startedMs = stage.world.now()
      const [alice, bob] = [stage.startClient('alice', 'bob'), stage.startClient('bob', 'alice')]
      flood(10_000, () => alice.client.state === 'connected' && bob.client.state === 'connected')
      slowestMs = Math.max(slowestMs, stage.world.now() - startedMs)
      const older = ['carol', 'dave'].map((name, i) =>
        startOlderClient(stage.world.host({ address: `198.51.100.${90 + i}`, name }), {
          server: serverEndpoint,
          name,
          contact: i === 0 ? 'dave' : 'carol',
        }),
      )
      if (seed <= mostOlder) flood(size === 'whole' ? 60_000 : 5000, () => older.every(({ heard }) => heard.length > 0))
      olderMet += older.every(({ heard }) => heard.length > 0) ? 1 : 0
    }
    const share = (100 * mostShare).toFixed(0)
    return {
      measured: `met in ${slowestMs} ms at most (${seeds} seeds), bytes out ${share} % of what is allowed; pairs of older ones: ${olderMet} of ${Math.min(seeds, mostOlder)}`,
      pass: slowestMs <= 2000 && mostShare <= 1,
    }
  },
}

const live = 8
const floodSources = 10_000

export const eviction: WorldFigure = {
  id: 'S6',
  promised: `${perSecond} registrations/s from ${floodSources} sources: 0 of ${live} proven clients evicted, >= 99 % answered`,
  measure(size) {
    const seconds = size === 'whole' ? 60 : 6
    const stage = createStage({ seed: 8, trace: false, keepEvents: false, link: { latencyMs: 5 } })
    let asked = 0
    let answered = 0
    const home = (to: string): boolean => to.startsWith('198.51.100.') && to !== '198.51.100.250'
    overhear(stage.hostOf('server'), (bytes, to) => {
      if (home(to.address) && new TextDecoder().decode(bytes).includes(',cookie=')) answered++
    })
    const { server } = stage.startServer({ capacity: 256 })
    for (let i = 0; i < live; i++) {
      const onEvent = ({ event }: { event: string }): void => void (asked += event === 'registering' ? 1 : 0)
      stage.startClient(`live${i}`, `nobody${i}`, { onEvent })
    }
    stage.world.run(1000)
    const entries = Array.from({ length: live }, (_, i) => server.phonebook.find(`live${i}`))
    const forge = createForger(stage)
    for (let sent = 0; sent < perSecond * seconds; sent++) {
      const source = sent % floodSources
      forge(words(`flood${sent}`), { address: `192.0.${source >> 8}.${source & 255}`, port: 4000 })
      if (sent % 100 === 99) stage.world.run(stage.world.now() + stepMs)
    }
    stage.world.run(stage.world.now() + 20)
    const stayed = entries.filter((entry, i) => entry && server.phonebook.find(`live${i}`) === entry).length
    return {
      measured: `${live - stayed} evicted, ${answered} of ${asked} refreshes answered (${perSecond * seconds} datagrams)`,
      pass: stayed === live && answered >= 0.99 * asked && asked >= live * (seconds / 4),
    }
  },
}
