// The figures of the table in SECURITY.md that are measured in worlds, in their short form: `npm run safety` runs the whole.
import t from 'tap'
import { worldFigures } from '../src/lab/safety/index.ts'
import { sleeper } from '../src/lab/suspend.ts'
import { createWorld } from '../src/sim/world.ts'

for (const { id, promised, measure } of worldFigures) {
  t.test(`${id}: ${promised}`, async t => {
    const { measured, pass } = measure('short')
    t.ok(pass, measured)
    t.comment(measured)
  })
}

t.test('who sleeps hears nothing; its timers wait, and its clock goes on or stands still', async t => {
  const rows = [
    { clock: 'goes on', reads: 1000, fires: 0 },
    { clock: 'stands still', reads: 100, fires: 400 },
  ] as const
  for (const { clock, reads, fires } of rows) {
    const world = createWorld({ seed: 1 })
    const inner = world.host({ address: '192.0.2.1' })
    const { host, sleep } = sleeper(inner)
    let firedMs = -1
    host.after(500, () => (firedMs = world.now()))
    host.after(600, () => t.fail('cancelled in its sleep'))()
    world.run(100)
    const wake = sleep(clock)
    t.notOk(inner.online)
    world.run(1000)
    t.equal(firedMs, -1)
    wake()
    t.equal(host.now(), reads)
    world.run(2000)
    t.equal(firedMs, 1000 + fires)
  }
})
