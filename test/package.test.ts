// What `npm pack` yields installs and runs elsewhere: the programs, the library, its types, and the README's example.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { dirname, join } from 'node:path'
import t from 'tap'

const root = fileURLToPath(new URL('..', import.meta.url))
// tap's loaders must not get into the children.
const run = (cwd: string, command: string, ...args: string[]) =>
  spawnSync('env', ['-u', 'NODE_OPTIONS', command, ...args], { cwd, encoding: 'utf8', timeout: 100_000 })

t.test('packed, installed elsewhere, run', async t => {
  const elsewhere = t.testdir({})
  const packed = run(root, 'npm', 'pack', '--silent', '--ignore-scripts', '--pack-destination', elsewhere)
  t.equal(packed.status, 0, packed.stderr)
  const tarball = readdirSync(elsewhere).find(file => file.endsWith('.tgz')) ?? ''
  const files = execFileSync('tar', ['-tzf', join(elsewhere, tarball)], { encoding: 'utf8' })
  for (const file of [
    'bin/test-server',
    'bin/test-client',
    'bin/nat-lab',
    'experiments/loss.json',
    'dist/index.d.ts',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
  ]) {
    t.match(files, `package/${file}\n`)
  }
  t.notMatch(files, /package\/(test|bench|src|demo|\.ci)\//, 'and nothing else')

  // The runtime dependencies are those of this checkout: what is tested is the package, not the network.
  const modules = join(elsewhere, 'node_modules')
  mkdirSync(join(modules, 'stage-manager'), { recursive: true })
  execFileSync('tar', ['-xzf', tarball, '-C', join(modules, 'stage-manager'), '--strip-components=1'], {
    cwd: elsewhere,
  })
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>
  }
  for (const [path, { dev }] of Object.entries(lock.packages)) {
    // Within another one's folder it came along with that.
    if (path === '' || dev || path.lastIndexOf('node_modules/') > 0) continue
    mkdirSync(join(elsewhere, dirname(path)), { recursive: true })
    execFileSync('cp', ['-r', join(root, path), join(elsewhere, path)])
  }
  writeFileSync(join(elsewhere, 'package.json'), '{ "type": "module" }')

  const client = join(modules, 'stage-manager/bin/test-client')
  t.match(run(elsewhere, client, '--help').stdout, 'Usage: test-client')
  const lab = run(elsewhere, join(modules, 'stage-manager/bin/nat-lab'), 'run', 'two-layers', '--trials', '2')
  t.match(lab.stdout, /2\/2 [\s\S]*To repeat: nat-lab run two-layers --trials 2\n$/, lab.stderr)
  t.match(run(elsewhere, join(modules, 'stage-manager/bin/nat-lab'), 'check', '--help').stdout, 'Usage: nat-lab check')
  const readme = readFileSync(join(modules, 'stage-manager/README.md'), 'utf8')
  const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  t.match(example, "from 'stage-manager'")
  writeFileSync(join(elsewhere, 'example.js'), example)
  const said = run(elsewhere, process.execPath, 'example.js')
  t.equal(said.status, 0, said.stderr)
  t.not(said.stdout, '')

  const protocol = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(match => match[1] ?? '')[1] ?? ''
  t.match(protocol, "from 'stage-manager/lab'")
  writeFileSync(join(elsewhere, 'lab.js'), protocol)
  const tested = run(elsewhere, process.execPath, 'lab.js')
  t.equal(tested.status, 0, tested.stderr)
  t.match(tested.stdout, /^none: yes, .*\nportrest: yes, .*\nsymrand: no, /)
  t.match(files, 'package/dist/page/script.js\n', 'what pages need')

  writeFileSync(
    join(elsewhere, 'typed.ts'),
    `import { type Session, StageError, connect, createServer } from 'stage-manager'
     export const talk = async (signal: AbortSignal): Promise<Session> => {
       const server = await createServer({ port: 0, hosts: ['127.0.0.1'] })
       const port: number = server.endpoints[0]?.port ?? 0
       return connect({ server: '127.0.0.1', port, name: 'a', peer: 'b', signal })
     }
     export const isOurs = (error: unknown): boolean => error instanceof StageError && error.code === 'peer-absent'\n`,
  )
  const tsc = join(root, 'node_modules/.bin/tsc')
  const typed = run(
    elsewhere,
    tsc,
    '--noEmit',
    '--ignoreConfig',
    '--strict',
    '--module',
    'nodenext',
    '--lib',
    'es2023,dom',
    'typed.ts',
  )
  t.equal(typed.status, 0, typed.stdout)
})
