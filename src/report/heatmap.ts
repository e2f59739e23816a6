// Law: pure. A matrix as an HTML table: each cell's share connected as a number and as a depth of one color, so that it needs
// no eye for colors. Its buttons do something only where the page has a script.
import type { Cell } from '../lab/matrix.ts'
import { nameOf, whyText } from './matrix.ts'
import { escaped } from './markup.ts'

export type Named = Pick<Cell, 'a' | 'b' | 'connected' | 'trials' | 'oneWay' | 'why' | 'medianMs'>

export const heatmapHtml = (cells: readonly Named[]): string => {
  const rows = [...new Set(cells.map(({ a }) => a))]
  const columns = [...new Set([...rows, ...cells.map(({ b }) => b)])].filter(name => cells.some(({ b }) => b === name))
  const index = new Map(cells.map((cell, i) => [nameOf(cell), i]))
  const cellHtml = (a: string, b: string): string => {
    const at = index.get(nameOf({ a, b }))
    const cell = at === undefined ? undefined : cells[at]
    if (!cell) return '<td></td>'
    const { connected, trials, oneWay } = cell
    const share = connected / trials
    const words =
      `${nameOf(cell)}: ${connected} of ${trials} connected` +
      (cell.medianMs === undefined ? '' : `, median ${cell.medianMs.toFixed(0)} ms`) +
      (Object.keys(cell.why).length > 0 ? `; ${whyText(cell)}` : '')
    return (
      `<td><button type="button" class="cell${share > 0.55 ? ' deep' : ''}" style="--share:${share.toFixed(3)}" data-cell="${at}" ` +
      `aria-label="${escaped(words)}" title="${escaped(words)}">${(100 * share).toFixed(0)}${oneWay > 0 ? '&gt;' : ''}</button></td>`
    )
  }
  const head = columns.map(name => `<th scope="col"><span>${escaped(name)}</span></th>`).join('')
  const body = rows.map(a => `<tr><th scope="row">${escaped(a)}</th>${columns.map(b => cellHtml(a, b)).join('')}</tr>`)
  return (
    `<div class="wide"><table class="heatmap"><caption>Percent of meetings that connected; &gt;: some were heard one way only` +
    `</caption><thead><tr><td></td>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>`
  )
}

/** Any table; the first row is the head. */
export const tableHtml = ([head = [], ...rows]: readonly (readonly (string | number | undefined)[])[]): string => {
  const cells = (row: readonly (string | number | undefined)[], tag: string): string =>
    `<tr>${row.map(cell => `<${tag}>${escaped(String(cell ?? ''))}</${tag}>`).join('')}</tr>`
  return (
    `<div class="wide"><table class="plain"><thead>${cells(head, 'th')}</thead>` +
    `<tbody>${rows.map(row => cells(row, 'td')).join('')}</tbody></table></div>`
  )
}
