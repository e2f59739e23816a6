// R1, R6 and R7 of the table in SECURITY.md, with real processes; deadlines have three times the time. The others of this kind want
// a machine for themselves: `npm run safety -- --short`.
import t from 'tap'
import { crowd } from '../src/cli/safety/crowd.ts'
import { ending } from '../src/cli/safety/ending.ts'
import { restart } from '../src/cli/safety/restart.ts'

for (const { id, promised, measure } of [restart, ending, crowd]) {
  t.test(`${id}: ${promised}`, async t => {
    const { measured, pass } = await measure('short', 3)
    t.ok(pass, measured)
    t.comment(measured)
  })
}
