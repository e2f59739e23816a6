// R2: how long two newer clients take to meet where a tenth of all datagrams is lost.
import { seededRandom } from '../../sim/random.ts'
import { createStage } from '../stage.ts'
import type { WorldFigure } from './figure.ts'

/** For each end of a way. */
const tenthLost = 1 - Math.sqrt(0.9)

export const meetingWithLoss = (ip: '4' | '6'): WorldFigure => ({
  id: 'R2',
  promised: `10 % loss${ip === '6' ? ', IPv6' : ''}: >= 99 % connect within 2 s of the later start, all within 5 s`,
  measure(size) {
    const seeds = size === 'whole' ? 1000 : 200
    const times: number[] = []
    for (let seed = 1; seed <= seeds; seed++) {
      const random = seededRandom(seed, 'story')
      const link = { latencyMs: random.next() * 60, jitterMs: random.next() * 20, loss: tenthLost }
      const stage = createStage({ seed, ip, trace: false, link })
      stage.startServer()
      const alice = stage.startClient('alice', 'bob')
      const laterMs = random.next() * 8000
      stage.world.run(laterMs)
      const bob = stage.startClient('bob', 'alice')
      const both = (): boolean => [alice, bob].every(({ client }) => client.state === 'connected')
      stage.world.runUntil(both, laterMs + 30_000)
      times.push(stage.world.now() - laterMs)
    }
    times.sort((a, b) => a - b)
    const at = (share: number): number => times[Math.ceil(share * seeds) - 1] ?? Infinity
    const inTime = times.filter(ms => ms <= 2000).length
    return {
      measured: `${((100 * inTime) / seeds).toFixed(1)} % within 2 s; median ${at(0.5).toFixed(0)}, 99 % ${at(0.99).toFixed(0)}, worst ${at(1).toFixed(0)} ms (${seeds} seeds)`,
      pass: inTime >= 0.99 * seeds && at(1) <= 5000,
    }
  },
})
