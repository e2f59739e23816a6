// Law: pure. Matrices, experiments, comparisons and figures as sections of a page.
import type { Figure } from '../lab/figure.ts'
import type { Cell } from '../lab/matrix.ts'
import { distributionSvg } from './distribution.ts'
import { heatmapHtml, tableHtml } from './heatmap.ts'
import { escaped } from './markup.ts'
import type { Ran } from './matrix-data.ts'
import { nameOf, whyText } from './matrix.ts'

const choose = '<p>Choose a cell to see its runs, and a run to see its packets.</p><div id="app"></div>'

export const matrixSections = (cells: readonly Cell[], ran: readonly Ran[], broken: readonly string[]): string[] => [
  `${heatmapHtml(cells)}${choose}`,
  timesHtml(ran),
  `<h2>What stopped the others</h2>${whysHtml(cells)}`,
  brokenHtml(broken),
]

/** Cells of a sweep: a row for each, with what it was set to. */
export const experimentSections = (
  cells: readonly Cell[],
  names: readonly string[],
  ran: readonly Ran[],
  broken: readonly string[],
): string[] => {
  const rows = cells.map((cell, i) => {
    const share = cell.connected / cell.trials
    const button =
      `<button type="button" class="cell${share > 0.55 ? ' deep' : ''}" style="--share:${share.toFixed(3)}" ` +
      `data-cell="${i}">${(100 * share).toFixed(0)}</button>`
    const rest = [names[i] ?? '', `${cell.connected}/${cell.trials}`, cell.medianMs?.toFixed(1) ?? '', whyText(cell)]
    return `<tr><td>${button}</td>${rest.map(text => `<td>${escaped(text)}</td>`).join('')}</tr>`
  })
  const head = ['%', 'pair', 'connected', 'median ms', 'what stopped them'].map(text => `<th>${text}</th>`).join('')
  const table = `<table class="plain cells"><thead><tr>${head}</tr></thead><tbody>${rows.join('')}</tbody></table>`
  return [`<div class="wide">${table}</div>${choose}`, timesHtml(ran), brokenHtml(broken)]
}

export const figureSection = ({ name, about, source, head, rows, broken }: Figure): string =>
  `<h2>${escaped(name)}</h2><p>${escaped(about)}</p>${tableHtml([head, ...rows])}` +
  `<p class="about">Source: ${escaped(source)}.</p>${brokenHtml(broken)}`

const timesHtml = (ran: readonly Ran[]): string => {
  const results = ran.flatMap(({ results }) => results)
  const times = results.flatMap(({ connected, connectedMs }) => (connected ? (connectedMs ?? []) : []))
  const title = 'From the later one’s start until both were connected'
  return `<h2>How long it took</h2>${distributionSvg(times, results.length - times.length, title)}`
}

const whysHtml = (cells: readonly Cell[]): string => {
  const rows = cells.flatMap(cell => (cell.connected < cell.trials ? [[nameOf(cell), whyText(cell)]] : []))
  return rows.length === 0 ? '<p>There were none.</p>' : tableHtml([['pair', 'box, rule and how often'], ...rows])
}

const brokenHtml = (broken: readonly string[]): string =>
  broken.map(line => `<p class="why">Not as expected: ${escaped(line)}</p>`).join('')
