// The house rules, read from the imports: who may import whom, and where the clock, the sockets and chance live.
import { readFileSync, readdirSync } from 'node:fs'
import { posix } from 'node:path'
import t from 'tap'

const src = new URL('../src/', import.meta.url)
const files = readdirSync(src, { recursive: true })
  .map(String)
  .filter(file => file.endsWith('.ts'))
const sources = new Map(files.map(file => [file, readFileSync(new URL(file, src), 'utf8')]))

const importsOf = (file: string): string[] => {
  const text = sources.get(file) ?? ''
  const found = [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(match => match[1] ?? '')
  return found.map(path => (path.startsWith('.') ? posix.join(posix.dirname(file), path) : path))
}

/** The first folder, or the file itself where it stands on the ground floor. */
const roomOf = (file: string): string => (file.includes('/') ? (file.split('/')[0] ?? '') : file)

const pure = [
  'hex.ts',
  'rfc4648.ts',
  'keys.ts',
  'identity.ts',
  'claim.ts',
  'stage-secret.ts',
  'utf8.ts',
  'networks.ts',
  'endpoint.ts',
  'errors.ts',
  'name.ts',
  'nearest.ts',
  'order.ts',
  'entry.ts',
  'doubtful.ts',
  'phonebook.ts',
  'visible.ts',
  'headers.ts',
  'nat-profile.ts',
  'own-profile.ts',
  'server-addresses.ts',
]
const ground = [...pure, 'host.ts', 'host-around.ts']
const allowed: Record<string, string[]> = {
  dialects: ['dialects', ...ground],
  server: ['server', 'dialects', ...ground],
  noise: ['noise', ...pure],
  client: ['client', 'noise', 'behavior', 'dialects', ...ground],
  behavior: ['behavior', 'dialects', ...ground],
  sim: ['sim', 'endpoint.ts', 'host.ts', 'nat-profile.ts'],
  kernel: ['kernel', ...ground],
  host: ['host', 'endpoint.ts', 'host.ts', 'host-around.ts', 'errors.ts'],
  report: ['report', 'lab', 'behavior', 'sim', ...ground],
  cli: [
    'cli',
    'noise',
    'behavior',
    'lab',
    'report',
    'sim',
    'kernel',
    'server',
    'client',
    'dialects',
    'host',
    ...ground,
  ],
  'library.ts': ['server', 'client', 'host', ...ground],
  // It has the public names of the lab, what draws its traces included.
  'lab/index.ts': ['lab', 'report', 'sim', ...ground],
  lab: ['lab', 'behavior', 'sim', 'kernel', 'server', 'client', 'dialects', ...ground],
  'index.ts': ['library.ts', 'server', 'client', ...ground],
  ...Object.fromEntries(ground.map(file => [file, [...pure, 'host.ts']])),
}

t.test('nobody imports a room that is none of its business', async t => {
  t.ok(files.length > 30, 'the files were found')
  for (const file of files) {
    const rooms = allowed[file] ?? allowed[roomOf(file)]
    if (!rooms) {
      t.fail(`${file}: no rule says what its room may import; add one here and to docs/decisions.md`)
      continue
    }
    const strangers = importsOf(file).filter(path => files.includes(path) && !rooms.includes(roomOf(path)))
    t.same(strangers, [], file)
  }
})

t.test('server and client know nothing of the simulation, nor of real sockets', async t => {
  for (const file of files.filter(file => /^(server|client|behavior|dialects|noise)\//.test(file))) {
    t.notMatch(importsOf(file).join(' '), /\b(sim|kernel|host\/node|node:dgram|node:net|node:fs|node:timers)\b/, file)
    t.notMatch(sources.get(file) ?? '', /\bsim\//, file)
  }
})

t.test('a dialect never imports a sibling', async t => {
  for (const file of files.filter(file => /^dialects\/\w+\//.test(file))) {
    const own = file.split('/').slice(0, 2).join('/')
    const siblings = importsOf(file).filter(path => /^dialects\/\w+\//.test(path) && !path.startsWith(`${own}/`))
    t.same(siblings, [], file)
  }
})

/** Of these, the pure functions: hashes, signatures, CRC-32. */
const pureNode = ['node:crypto', 'node:zlib']

t.test(
  'the readers of own NAT profiles and experiments stand alone with their library, which would slow every start',
  async t => {
    t.same(
      files.filter(file => importsOf(file).includes('valibot')),
      ['own-profile.ts', 'lab/experiment.ts'],
    )
    const readers = files.filter(file => importsOf(file).includes('own-profile.ts'))
    for (const file of readers) t.notMatch(file, /^(server|client|dialects|sim|host)\/|^nat-profile/)
  },
)

t.test('clock, chance, timers and promises live at the edges', async t => {
  const impure =
    /Math\.random|\bDate\b|\bperformance\b|\bset(Timeout|Interval|Immediate)\(|queueMicrotask|\bPromise\b|\basync\b|\bawait\b|\bprocess\./
  for (const file of files.filter(file => !/^(cli|host|kernel)\/|^(index|library)\.ts$/.test(file))) {
    t.notMatch(sources.get(file) ?? '', impure, file)
    const node = importsOf(file).filter(path => path.startsWith('node:') && !pureNode.includes(path))
    t.same(node, [], `${file} imports of node: at most pure functions`)
  }
})

t.test('a file is a room, not a hall', async t => {
  for (const [file, text] of sources) t.ok(text.split('\n').length <= 400, `${file}: more than 400 lines`)
})
