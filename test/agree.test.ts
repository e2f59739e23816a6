// The simulated NATs against those of the kernel: they agree, and a profile that does not do what its name says is caught.
import t from 'tap'
import { conditionsOf } from '../src/cli/lab-options.ts'
import { runTrials } from '../src/cli/trials.ts'
import { type World, kernelWorld, simWorld } from '../src/cli/worlds.ts'
import { kernelAvailability } from '../src/kernel/available.ts'
import { compare, differ, fewestTrials } from '../src/lab/agreement.ts'
import { type Cell, pairsOf, planTrials } from '../src/lab/matrix.ts'
import { builtInSites, sitesWith } from '../src/lab/sites.ts'
import { type IpVersions, profileNamed } from '../src/nat-profile.ts'

const available = await kernelAvailability()
const skip = 'why' in available ? available.why : false

/** None that takes a spray, which is a thousand sockets' work: test/kernel.test.ts has some. */
const pairs = [
  { a: 'portrest', b: 'portrest' },
  { a: 'restricted', b: 'symrand' },
  { a: 'symrand', b: 'symrand' },
]

const cellsIn = (world: World, ip: IpVersions, sites = builtInSites, among = pairs): Promise<Cell[]> => {
  const trials = planTrials({ pairs: among, trials: fewestTrials, seed: 1, sites, ip, ...conditionsOf('kernel') })
  return runTrials({ world, trials, howToResume: '' })
}

const differences = (sim: readonly Cell[], kernel: readonly Cell[]): string[] =>
  sim.flatMap((cell, i) => {
    const other = kernel[i]
    return other && differ(compare(cell, other)) ? [`${cell.a} x ${cell.b}`] : []
  })

t.test('simulation and kernel agree, and a false profile is caught', { skip, timeout: 120_000 }, async t => {
  const kernel = await cellsIn(await kernelWorld(), '4')
  t.equal(kernel.length, 3)
  t.same(differences(await cellsIn(simWorld, '4'), kernel), [])

  const falsified = sitesWith([{ ...profileNamed('symseq'), name: 'symrand' }])
  t.same(differences(await cellsIn(simWorld, '4', falsified), kernel), ['symrand x symrand'], 'it counts its ports up')
})

t.test('and over IPv6, alone or beside IPv4: nobody is kept apart in either', { skip, timeout: 120_000 }, async t => {
  for (const ip of ['6', 'both'] as const) {
    const closed = ip === '6' ? pairsOf(['restricted', 'symrand']) : [{ a: 'symrand', b: 'symrand' }]
    const kernel = await cellsIn(await kernelWorld(), ip, builtInSites, closed)
    t.same(differences(await cellsIn(simWorld, ip, builtInSites, closed), kernel), [], `IPv${ip}`)
    t.ok(
      kernel.every(({ connected, trials }) => connected === trials),
      `IPv${ip}: all connect`,
    )
  }
})
