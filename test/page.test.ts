// Pages in a real browser: nothing is fetched, nothing fails, and what they say is what the command line says.
import { createHmac, randomBytes } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { crc32, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { type Browser, type Page, chromium } from 'playwright-core'
import t from 'tap'
import { lessons } from '../page/lessons.ts'
import * as shimCrypto from '../page/shims/crypto.ts'
import * as shimZlib from '../page/shims/zlib.ts'
import { type Setting, trialOf, wordsOf } from '../src/lab/setting.ts'
import { storyText } from '../src/report/story.ts'
import { tell } from '../src/lab/telling.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const lab = join(root, 'dist/page/index.html')
const executablePath = '/usr/bin/chromium'
const skip = existsSync(executablePath) ? false : 'no chromium here'

// tap's loaders must not get into the children.
const natLab = (...args: string[]) =>
  spawnSync('env', ['-u', 'NODE_OPTIONS', join(root, 'bin/nat-lab'), ...args], { encoding: 'utf8', maxBuffer: 2 ** 26 })

t.test('what stands in for node:crypto and node:zlib in a browser gives the same', async () => {
  const bytes = fc.uint8Array({ maxLength: 300 })
  fc.assert(
    fc.property(bytes, bytes, bytes, fc.constantFrom('sha1', 'sha256'), (key, one, other, name) => {
      const mac = createHmac(name, key).update(one).update(other)
      const shim = shimCrypto
        .createHmac(name as 'sha1', key)
        .update(one)
        .update(other)
      return mac.digest('base64url') === shim.digest('base64url')
    }),
  )
  fc.assert(fc.property(bytes, some => crc32(some) === shimZlib.crc32(some)))
  const key = randomBytes(32)
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const mac = createHmac('sha256', key).update(text).digest('hex')
      return (
        mac === Buffer.from(shimCrypto.createHmac('sha256', key).update(text).digest() as Uint8Array).toString('hex')
      )
    }),
  )
})

t.test('each lesson shows what it says', async t => {
  const failing: Record<string, RegExp> = {
    'both-symmetric': /nat-a sends what alice .*\n.*nat-b sends what bob/,
    'same-provider': /hairpinning-off/,
  }
  const reached: Record<string, RegExp> = {
    closed: /nat-b sends what bob has for .*, not from .*where the server sees bob/,
    naive: /not from \S+, where the server sees alice: port-taken[^]*[:,] ttl\.[^]*hear each other/,
    birthday: /checks of bob from 256 ports of .*: ttl\.[^]*checks of alice from \S+ to \d+ ports of .*: no-mapping/,
  }
  for (const { id, setting } of lessons) {
    const { result, story } = tell(trialOf(setting))
    t.equal(result.connected, !(id in failing), id)
    if (failing[id]) t.match(storyText(story), failing[id])
    if (reached[id]) t.match(storyText(story), reached[id])
    if (id === 'loss') t.ok(Number(result.connectedMs) > 500, 'most of a second')
    t.ok(existsSync(join(root, 'experiments', `${lessons.find(lesson => lesson.id === id)?.experiment}.json`)))
  }
})

t.test('in Chromium', { skip }, async t => {
  const browser: Browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  t.teardown(() => browser.close())
  const problems: string[] = []

  const open = async (url: string, options: Parameters<Browser['newPage']>[0] = {}): Promise<Page> => {
    const page = await browser.newPage({ reducedMotion: 'reduce', ...options })
    page.on('pageerror', error => problems.push(String(error)))
    page.on('console', message => message.type() === 'error' && problems.push(message.text()))
    page.on('request', request => /^(file|data):/.test(request.url()) || problems.push(`fetched ${request.url()}`))
    await page.goto(`file://${url}`)
    return page
  }
  const traceIn = (page: Page): Promise<string | null> => page.locator('.trace').textContent()

  t.afterEach(() => {
    t.same(problems.splice(0), [], 'no error, and nothing was fetched')
  })

  await t.test('the lab: every lesson is the same run as in Node, and as on the command line', async t => {
    const page = await open(lab)
    for (const { id, setting } of lessons) {
      await page.goto(`file://${lab}#lesson=${id}`)
      t.equal(await traceIn(page), tell(trialOf(setting)).result.trace, id)
    }
    const { id, setting } = lessons.find(({ id }) => id === 'both-symmetric') as (typeof lessons)[number]
    const said = JSON.parse(natLab('why', ...wordsOf(setting), '--json').stdout) as Setting & {
      result: { trace: string }
      steps: { text: string }[]
      worked: unknown[]
    }
    await page.goto(`file://${lab}#lesson=${id}`)
    t.equal(await traceIn(page), said.result.trace, 'the command line too')
    const steps = await page.locator('.story li').allTextContents()
    t.same(
      steps.map(text => text.replace(/^[\d.]+/, '')),
      said.steps.map(({ text }) => text),
    )
    t.equal(await page.locator('.told li').count(), said.steps.length + said.worked.length)
    t.comment(`${lessons.length} lessons: the trace of each is the same in Chromium and in Node`)
    await page.close()
  })

  await t.test('the lab: choose, play, walk through the packets by keyboard', async t => {
    const page = await open(lab, { reducedMotion: 'no-preference' })
    await page.selectOption('[name=a]', 'symrand')
    await page.fill('[name=seed]', '5')
    await page.click('text=Play')
    const hidden = await page.locator('.rung.wait').count()
    t.ok(hidden > 5, 'the ladder grows')
    await page.click('text=To the end')
    t.equal(await page.locator('.wait').count(), 0)
    const setting = {
      a: 'symrand',
      b: 'portrest',
      seed: 5,
      latencyMs: 20,
      lossPercent: 0,
      first: 'alice',
      laterMs: 200,
    }
    t.equal(await traceIn(page), tell(trialOf(setting)).result.trace)
    const trace = await traceIn(page)
    const url = page.url()
    await page.goto('about:blank')
    await page.goto(url)
    t.equal(await traceIn(page), trace, 'its address leads back to it')
    await page.focus('.rung')
    const first = await page.evaluate('document.activeElement.dataset.id')
    await page.keyboard.press('ArrowDown')
    const second = await page.evaluate('document.activeElement.dataset.id')
    t.not(first, second)
    t.match(await page.evaluate('document.activeElement.getAttribute("aria-label")'), /^[\d.]+ ms: /)
    await page.close()
  })

  await t.test('a report: its numbers are those of the JSON, a cell has its runs, a run its ladder', async t => {
    const file = join(t.testdir({}), 'report.html')
    const { stdout } = natLab(
      'matrix',
      '--profiles',
      'none,portrest,symrand,same-nat',
      '--trials',
      '6',
      '--json',
      '--html',
      file,
    )
    type Cell = { a: string; b: string; connected: number; trials: number; medianMs?: number }
    const { cells } = JSON.parse(stdout) as { cells: Cell[] }
    const page = await open(file, { colorScheme: 'dark', viewport: { width: 390, height: 800 } })
    const buttons = page.locator('[data-cell]')
    t.equal(await buttons.count(), cells.length)
    for (const [i, { a, b, connected, trials }] of cells.entries()) {
      const button = page.locator(`[data-cell="${i}"]`)
      t.match(await button.getAttribute('aria-label'), `${a} x ${b}: ${connected} of ${trials} connected`)
      t.equal(Number((await button.textContent())?.replace('>', '')), Math.round((100 * connected) / trials))
    }
    const at = cells.findIndex(({ a, b }) => a === 'portrest' && b === 'symrand')
    await page.focus(`[data-cell="${at}"]`)
    await page.keyboard.press('Enter')
    t.equal(await page.locator('[data-run]').count(), 6)
    await page.click('[data-run="1"]')
    const wanted = tell(trialOf({ a: 'portrest', b: 'symrand', trial: 2 })).result.trace
    t.equal(await traceIn(page), wanted, 'the very run of the matrix')
    t.equal(
      await page.evaluate('document.documentElement.scrollWidth <= innerWidth'),
      true,
      'a phone scrolls down only',
    )
    await page.close()
  })

  await t.test('a ladder of 1,500 datagrams is there in less than a second', async t => {
    const page = await open(lab)
    const ms = await page.evaluate(`(async () => {
      const [svg] = document.querySelectorAll('svg.ladder')
      const one = svg.querySelector('.rung').outerHTML
      const text = svg.outerHTML.replace(/<g class="rung[^]*<\\/g>/, one.repeat(1500))
      const started = performance.now()
      const place = document.querySelector('.run')
      place.innerHTML = text
      place.getBoundingClientRect()
      await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
      return performance.now() - started
    })()`)
    t.equal(await page.locator('.rung').count(), 1500)
    t.ok((ms as number) < 3000, `${ms} ms: a second, three times slack`)
    t.comment(`1,500 rungs, none folded, painted in ${(ms as number).toFixed(0)} ms`)
    await page.close()
  })
})

t.test('every command writes a page that needs nothing else', async t => {
  const dir = t.testdir({})
  for (const args of [
    ['why', 'portrest', 'symrand'],
    ['run', 'latency', '--trials', '2'],
    ['figures', 'surveys'],
    ['matrix', '--profiles', 'none,adm', '--trials', '2'],
  ]) {
    const file = join(dir, `${args[0]}.html`)
    const { status, stderr } = natLab(...args, '--html', file)
    t.equal(status, 0, stderr)
    const html = readFileSync(file, 'utf8')
    t.match(html, /<title>[^<]+<\/title>/)
    t.notMatch(
      html.replaceAll('http://www.w3.org/2000/svg', ''),
      /\bhttps?:\/\/|(?:src|href)="(?!data:|#)/,
      args[0] ?? '',
    )
    t.ok(statSync(file).size <= 1_000_000)
  }
  t.match(natLab('why', 'none', 'none', '--html', '/nowhere/x').stderr, '--html /nowhere/x cannot be written (ENOENT)')
})

t.test('sizes', async t => {
  const bytes = gzipSync(readFileSync(lab)).length
  t.ok(bytes <= 400_000)
  t.comment(`the lab in the browser: ${bytes} bytes gzipped`)
})
