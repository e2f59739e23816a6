// The lab in the browser: choose two NATs and what lies between them, press play, watch the ladder grow, read why.
import { usualNames } from '../src/lab/sites.ts'
import { type Setting, trialOf, wordsOf } from '../src/lab/setting.ts'
import { ipVersions } from '../src/nat-profile.ts'
import { escaped } from '../src/report/markup.ts'
import { find, made } from './dom.ts'
import { lessons } from './lessons.ts'
import { showRun } from './run.ts'

const number = ['seed', 'trial', 'latencyMs', 'lossPercent', 'laterMs'] as const
const playMs = 6000

const options = (names: readonly string[]): string => names.map(name => `<option>${escaped(name)}</option>`).join('')

const form = `<form class="lab">
<label>Alice is behind <select name="a">${options(usualNames.filter(name => !name.startsWith('same-')))}</select></label>
<label>Bob is behind <select name="b">${options(usualNames)}</select></label>
<label>IP version <select name="ip">${options(ipVersions)}</select></label>
<label>latency, ms one way <input name="latencyMs" type="number" min="0" max="2000" step="1" required></label>
<label>lost, percent <input name="lossPercent" type="number" min="0" max="90" step="1" required></label>
<label>starts first <select name="first"><option>alice</option><option>bob</option></select></label>
<label>the other one, ms later <input name="laterMs" type="number" min="0" max="600000" step="1" required></label>
<label>seed <input name="seed" type="number" min="1" max="999999999" required></label>
<label>trial <input name="trial" type="number" min="1" max="10000" required></label>
<button class="main" type="submit">Play</button> <button type="button" class="skip">To the end</button>
</form>`

const nav = `<nav class="lessons" aria-label="Lessons"><h2>Lessons</h2><ul>${lessons
  .map(({ id, title }) => `<li><a href="#lesson=${id}">${escaped(title)}</a></li>`)
  .join('')}</ul></nav>`

export const startLab = (app: HTMLElement): void => {
  app.append(
    made(nav),
    made('<div class="text"></div>'),
    made(form),
    made('<div class="run" aria-live="polite"></div>'),
  )
  const fields = find<HTMLFormElement>('form.lab', app)
  let timers: ReturnType<typeof setTimeout>[] = []

  const reveal = (): void => {
    for (const timer of timers) clearTimeout(timer)
    timers = []
    for (const element of app.querySelectorAll('.wait')) element.classList.remove('wait')
  }

  const show = (setting: Setting, play: boolean): void => {
    reveal()
    const place = find('.run', app)
    try {
      const command = `nat-lab why ${wordsOf(setting).join(' ')}`
      const { element } = showRun(trialOf(setting), `${setting.a} x ${setting.b}`, command)
      place.replaceChildren(element)
      if (play && !matchMedia('(prefers-reduced-motion: reduce)').matches) grow(element)
    } catch (error) {
      place.replaceChildren(made(`<p class="why">${escaped((error as Error).message)}</p>`))
    }
  }

  /** Packet by packet; the story comes when it is over. */
  const grow = (element: HTMLElement): void => {
    const rungs = [...element.querySelectorAll<SVGElement>('.rung, .remark')]
    rungs.sort((one, other) => one.getBoundingClientRect().top - other.getBoundingClientRect().top)
    const stepMs = Math.min(300, playMs / Math.max(1, rungs.length))
    const told = find('.told', element)
    for (const part of [...rungs, told]) part.classList.add('wait')
    timers = [...rungs, told].map((part, i) => setTimeout(() => part.classList.remove('wait'), stepMs * (i + 1)))
  }

  const fill = (setting: Setting): void => {
    for (const [name, value] of Object.entries(setting)) {
      const field = fields.elements.namedItem(name)
      if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) field.value = String(value)
    }
  }

  const read = (): Setting => {
    const words = new Map([...new FormData(fields)].map(([name, value]) => [name, String(value)]))
    const text = (name: string): string => words.get(name) ?? ''
    const numbers = Object.fromEntries(number.map(name => [name, Number(text(name))]))
    const ip = ipVersions.find(version => version === text('ip'))
    return { a: text('a'), b: text('b'), ip, first: text('first'), ...numbers }
  }

  const follow = (): void => {
    const words = new URLSearchParams(location.hash.slice(1))
    const lesson = lessons.find(({ id }) => id === words.get('lesson')) ?? (words.has('a') ? undefined : lessons[1])
    find('.text', app).innerHTML = lesson
      ? `<div class="lesson"><h2>${escaped(lesson.title)}</h2><p>${escaped(lesson.text)}</p>` +
        `<p>Numbers: <code>nat-lab run ${lesson.experiment}</code></p></div>`
      : ''
    fill(lesson ? lesson.setting : { ...read(), ...Object.fromEntries(words) })
    show(read(), words.has('play'))
  }

  fields.addEventListener('submit', event => {
    event.preventDefault()
    const setting = read()
    const words = Object.entries(setting).map(([name, value]): [string, string] => [name, String(value)])
    history.replaceState(null, '', `#${new URLSearchParams(words)}`)
    find('.text', app).replaceChildren()
    show(setting, true)
  })
  find('.skip', app).addEventListener('click', reveal)
  addEventListener('hashchange', follow)
  fill(lessons[1]?.setting ?? { a: 'portrest', b: 'portrest' })
  follow()
}
