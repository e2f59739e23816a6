// Where a stage's secret may come from, and where two of them are one too many.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { stageSecret } from '../src/cli/stage-secret.ts'

const long = 'correct horse battery'

t.test('one secret, from a file, the command line or the environment', async t => {
  const file = join(t.testdir({ secret: `${long}\n` }), 'secret')
  const none = { text: undefined, file: undefined, env: undefined }
  t.equal(stageSecret(none), undefined)
  t.equal(stageSecret({ ...none, env: '' }), undefined)
  t.equal(stageSecret({ ...none, env: long }), long)
  t.equal(stageSecret({ ...none, text: `${long}2`, env: long }), `${long}2`)
  t.equal(stageSecret({ ...none, file, env: 'another one of these' }), long)
  t.throws(() => stageSecret({ ...none, text: long, file }), { message: /exclude each other/ })
})

t.test('a file is one line', async t => {
  const file = join(t.testdir(), 'secret')
  const read = (content: string): string | undefined => {
    writeFileSync(file, content)
    return stageSecret({ text: undefined, file, env: undefined })
  }
  for (const end of ['', '\n', '\r\n', '\n\n']) t.equal(read(`${long}${end}`), long)
  t.equal(read(` ${long} `), ` ${long} `, 'blanks are letters too')
  for (const content of ['', '\n', `${long}\n${long}\n`, `\n${long}`]) {
    t.throws(() => read(content), { code: 'usage', message: /has to be its one line/ }, JSON.stringify(content))
  }
  const gone = join(t.testdir(), 'gone')
  t.throws(() => stageSecret({ text: undefined, file: gone, env: undefined }), { message: /cannot be read \(ENOENT\)/ })
})
