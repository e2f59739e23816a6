// A report in the browser: a cell's runs at a click, and each run's story and ladder, simulated again by its seed.
import type { MatrixData } from '../src/report/matrix-data.ts'
import { trialsOf } from '../src/report/matrix-data.ts'
import { distributionSvg } from '../src/report/distribution.ts'
import { escaped } from '../src/report/markup.ts'
import { find, made } from './dom.ts'
import { showRun } from './run.ts'

export const startReport = (app: HTMLElement, data: MatrixData): void => {
  const runs = made('<section class="cell-runs" aria-live="polite"></section>')
  const run = made('<div class="run"></div>')
  app.append(runs, run)

  const press = (button: HTMLElement, root: ParentNode): void => {
    for (const other of root.querySelectorAll('[aria-pressed]')) other.removeAttribute('aria-pressed')
    button.setAttribute('aria-pressed', 'true')
  }

  const showCell = (index: number): void => {
    const cell = data.cells[index]
    if (!cell) return
    const times = cell.runs.flatMap(([, , ms]) => ms ?? [])
    const trials = trialsOf(data, index)
    const buttons = cell.runs.map(([first, offsetMs, connectedMs, why], i) => {
      const words =
        connectedMs === null ? escaped(data.whys[why ?? -1] ?? 'not connected') : `${connectedMs.toFixed(0)} ms`
      const about = `${i + 1}: ${first === 0 ? 'alice' : 'bob'} first, the other one ${(offsetMs / 1000).toFixed(1)} s later`
      return (
        `<li><button type="button" data-run="${i}"${connectedMs === null ? ' class="bad"' : ''} ` +
        `title="${escaped(about)}"${trials ? '' : ' disabled'}>${i + 1}: ${words}</button></li>`
      )
    })
    runs.innerHTML =
      `<h2>${escaped(cell.name)}: ${times.length} of ${cell.runs.length} connected</h2>` +
      (times.length > 0 ? distributionSvg(times, cell.runs.length - times.length, 'Time to connect') : '') +
      `<ul class="runs">${buttons.join('')}</ul>`
    run.replaceChildren()
  }

  for (const button of document.querySelectorAll<HTMLElement>('[data-cell]')) {
    button.addEventListener('click', () => {
      press(button, document)
      showCell(Number(button.dataset['cell']))
      runs.dataset['cell'] = button.dataset['cell'] ?? ''
      find('button', runs).focus()
      runs.scrollIntoView({ block: 'nearest' })
    })
  }
  runs.addEventListener('click', event => {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-run]') : null
    const cell = Number(runs.dataset['cell'])
    const trial = button && trialsOf(data, cell)?.[Number(button.dataset['run'])]
    if (!button || !trial) return
    press(button, runs)
    run.replaceChildren(showRun(trial, `${data.cells[cell]?.name}, run ${Number(button.dataset['run']) + 1}`).element)
  })
}
