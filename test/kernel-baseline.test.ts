// Other people's programs through real NATs: the older client's stand-in, as it always was, meets in 10 of 21 pairs.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { kernelAvailability } from '../src/kernel/available.ts'
import { bin } from './fixtures/program.ts'

type Cell = { readonly a: string; readonly b: string; readonly connected: number; readonly oneWay: number }

const open = ['none', 'fullcone', 'restricted']
const preserving = [...open, 'portrest']
const symmetric = ['symseq', 'symrand']

const available = await kernelAvailability()
const skip = 'why' in available ? available.why : false

t.test('the older client in the kernel: 10 of 21 pairs', { skip, timeout: 120_000 }, async t => {
  const older = fileURLToPath(new URL('fixtures/older-client.mjs', import.meta.url))
  const client = `${process.execPath} ${older} {server} {port} {me} {peer}`
  const profiles = [...preserving, ...symmetric].join(',')
  const wanted = ['--profiles', profiles, '--trials', '1', '--client', client, '--match', 'direct P2P message from']
  const args = [
    '-u',
    'NODE_OPTIONS',
    process.execPath,
    bin('nat-lab'),
    'matrix',
    '--world',
    'kernel',
    ...wanted,
    '--json',
  ]
  const { stdout, stderr } = spawnSync('env', args, { encoding: 'utf8' })
  t.equal(stderr, '')
  const { cells } = JSON.parse(stdout) as { cells: Cell[] }
  t.equal(cells.length, 21)
  for (const { a, b, connected, oneWay } of cells) {
    const both = preserving.includes(a) && preserving.includes(b)
    t.equal(connected, both ? 1 : 0, `${a} x ${b}`)
    if (!open.includes(a)) t.equal(oneWay, 0, `${a} x ${b}: not even one way`)
  }
  t.equal(cells.filter(({ connected }) => connected === 1).length, 10)
})
