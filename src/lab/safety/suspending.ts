// R5: an hour of sleep. The clock of the core is the host's monotonic one, so that a jump of the system's clock is no event
// at all: test/house.test.ts looks for anybody who reads another.
import { connect } from '../../client/client.ts'
import { seededRandom } from '../../sim/random.ts'
import { createStage, port, serverAddress } from '../stage.ts'
import { sleeper } from '../suspend.ts'
import type { WorldFigure } from './figure.ts'

const hourMs = 3_600_000
/** An interval with its jitter. */
const withinMs = 20_000 * 1.1

const backAfter = (seed: number, clock: 'goes on' | 'stands still'): number => {
  const random = seededRandom(seed, 'sleep')
  const link = { latencyMs: random.next() * 60, jitterMs: random.next() * 20 }
  const stage = createStage({ seed, trace: false, keepEvents: false, link })
  const { world } = stage
  const { phonebook } = stage.startServer().server
  const { host, sleep } = sleeper(stage.hostOf('alice'))
  const alice = connect(host, { server: serverAddress, port, name: 'alice', peer: 'bob' })
  const bob = stage.startClient('bob', 'alice')
  world.run(5000 + random.next() * 20_000)
  const wake = sleep(clock)
  world.run(world.now() + hourMs)
  if (phonebook.find('alice') && phonebook.size > 1 && bob.client.state === 'connected') return Infinity
  wake()
  const wokenMs = world.now()
  const isBack = (): boolean =>
    alice.state === 'connected' && bob.client.state === 'connected' && phonebook.find('alice') !== undefined
  return world.runUntil(isBack, wokenMs + 120_000) ? world.now() - wokenMs : Infinity
}

export const sleeping: WorldFigure = {
  id: 'R5',
  promised: '1 h suspend: back in one interval, whether the clock went on or stood still',
  measure(size) {
    const seeds = size === 'whole' ? 200 : 20
    const worst = (clock: 'goes on' | 'stands still'): number =>
      Math.max(...Array.from({ length: seeds }, (_, i) => backAfter(i + 1, clock)))
    const [goesOn, stoodStill] = [worst('goes on'), worst('stands still')]
    return {
      measured: `back after ${(goesOn / 1000).toFixed(1)} s (goes on), ${(stoodStill / 1000).toFixed(1)} s (stands still) at most (${seeds} seeds each)`,
      pass: Math.max(goesOn, stoodStill) <= withinMs,
    }
  },
}
