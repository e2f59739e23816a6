// Whether the NATs are what they say: other people's tester behind every kernel profile, and our probe behind the same
// profiles in both worlds.
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { kernelAvailability } from '../src/kernel/available.ts'
import { bin } from './fixtures/program.ts'

type Score = { readonly mapping: string; readonly filtering: string }
type Report = {
  readonly rows: readonly { readonly name: string; readonly mistakes: readonly string[] }[]
  readonly others?: readonly { readonly name: string; readonly turnutils_natdiscovery: Score }[]
}

const accuracy = (...args: string[]): Report => {
  const command = [
    '-u',
    'NODE_OPTIONS',
    process.execPath,
    bin('nat-lab'),
    'accuracy',
    '--trials',
    '1',
    '--json',
    ...args,
  ]
  const { stdout, stderr } = spawnSync('env', command, { encoding: 'utf8' })
  t.equal(stderr, '')
  return JSON.parse(stdout) as Report
}

const available = await kernelAvailability()
const tester = spawnSync('sh', ['-c', 'command -v turnutils_natdiscovery && command -v stun']).status === 0
const skip = 'why' in available ? available.why : tester ? false : 'turnutils_natdiscovery or stun is not installed'

t.test(
  'every kernel profile, seen by turnutils_natdiscovery through our server, and by our probe',
  { skip, timeout: 120_000 },
  async t => {
    const { rows, others = [] } = accuracy('--world', 'kernel', '--others')
    t.equal(others.length, 14)
    for (const { name, turnutils_natdiscovery: said } of others) {
      t.equal(said.filtering, '1/0/0', `${name}: filtering`)
      // It has no test that tells address-dependent mapping from the others.
      if (!name.startsWith('adm')) t.equal(said.mapping, '1/0/0', `${name}: mapping`)
    }
    for (const { name, mistakes } of rows) t.same(mistakes, [], `${name}: our probe`)
  },
)

t.test('the simulated profiles get the same verdicts from the same probe', async t => {
  const { rows } = accuracy()
  t.equal(rows.length, 14)
  for (const { name, mistakes } of rows) t.same(mistakes, [], name)
})
