// S3: what a server says is input to no server.
import { createDialects } from '../../dialects/index.ts'
import { seededRandom } from '../../sim/random.ts'
import { createForger, overhear, serverEndpoint, words } from '../forger.ts'
import { fuzz } from '../fuzz.ts'
import { mutated } from '../mutate.ts'
import { createStage, port } from '../stage.ts'
import type { WorldFigure } from './figure.ts'

const samples = createDialects().flatMap(dialect => [...dialect.samples])
const stranger = { address: '192.0.2.1', port: 5000 }
const second = { address: '203.0.113.11', port }

/** Everything that one server answers and pushes is said to another one, as if by a client. */
export const outputsAsInputs: WorldFigure = {
  id: 'S3',
  promised: "a server's outputs as a server's inputs: no answer",
  measure(size) {
    const wanted = size === 'whole' ? 1_000_000 : 100_000
    const stage = createStage({ seed: 4, trace: false, keepEvents: false, link: { latencyMs: 1 } })
    const forge = createForger(stage)
    let said = 0
    overhear(stage.hostOf('server'), bytes => {
      said++
      forge(new Uint8Array(bytes), stranger, second)
    })
    stage.startServer({ capacity: 64, broadcastMs: 5000 })
    const { server: listener } = stage.startServer({ capacity: 64 }, stage.world.host({ address: second.address }))
    const random = seededRandom(4, 'asked')
    for (let i = 0; said < wanted; i++) {
      const name = `n${Math.floor(random.next() * 100)}`
      const asked = random.next() < 0.5 ? words(`${name} v=2 seek=n1 stage=s${i % 3}`.padEnd(500)) : words(name)
      const from = { address: `192.0.${i % 256}.${Math.floor(random.next() * 256)}`, port: 5000 }
      // Of every dialect, as it is or almost so.
      const sample = samples[Math.floor(random.next() * samples.length)] ?? asked
      const kind = random.next()
      forge(kind < 0.4 ? asked : kind < 0.8 ? sample : mutated(samples, random), from, serverEndpoint)
      if (i % 100 === 0) stage.world.run(stage.world.now() + 50)
    }
    stage.world.run(stage.world.now() + 100)
    const { datagramsIn, datagramsOut } = listener.counters()
    return {
      measured: `${datagramsOut} answers to ${datagramsIn} outputs`,
      pass: datagramsOut === 0 && datagramsIn >= wanted,
    }
  },
}

export const bridgedServers: WorldFigure = {
  id: 'S3',
  promised: 'two servers that are bridged fall silent',
  measure(size) {
    const { outcomes, crash } = fuzz({ target: 'bridge', count: size === 'whole' ? 1_000_000 : 50_000, seed: 1 })
    const said = `${outcomes['said']} said over the bridge, ${outcomes['answered']} answered, then silence`
    return { measured: crash ? crash.error.message : said, pass: !crash && (outcomes['said'] ?? 0) > 10_000 }
  },
}
