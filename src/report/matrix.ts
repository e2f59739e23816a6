// Law: pure. A matrix for the terminal: a line for each cell as it is done, and all of them as a grid.
import type { Colors } from 'picocolors/types.js'
import type { Cell, Pair } from '../lab/matrix.ts'
import { type Align, rowText, tableText } from './table.ts'

const aligns: Align[] = ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right', 'left']
const head = ['', 'pair', 'connected', '95 %', 'one way', 'heard ms', 'connected ms', 'datagrams', 'what stopped them']

export type CellLines = { readonly head: string; line(cell: Cell): string }

/** Times are median and 95th percentile, since the later one's start. */
export const createCellLines = (pairs: readonly Pair[], colors: Colors): CellLines => {
  const widths = [4, Math.max(4, ...pairs.map(pair => nameOf(pair).length)), 9, 9, 7, 11, 12, 9, 0]
  return {
    head: colors.dim(rowText(head, widths, aligns)),
    line(cell) {
      const { connected, trials, low, high, oneWay, datagrams } = cell
      const [word, paint] = verdictOf(cell, colors)
      const cells = [
        paint(word),
        nameOf(cell),
        `${connected}/${trials}`,
        `${percent(low)}-${percent(high)} %`,
        oneWay > 0 ? String(oneWay) : '',
        times(cell.heardMedianMs, cell.heardP95Ms),
        times(cell.medianMs, cell.p95Ms),
        datagrams.toFixed(0),
        colors.dim(whyText(cell)),
      ]
      return rowText(cells, widths, aligns)
    },
  }
}

export const nameOf = ({ a, b }: Pair): string => `${a} x ${b}`

/** `nat-b filtering 11, nat-a filtering 9`: the most frequent one first. */
export const whyText = ({ why }: Pick<Cell, 'why'>): string =>
  Object.entries(why)
    .toSorted(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${reason} ${count}`)
    .join(', ')

/** Percent connected of every pair; `>` behind it where some were heard one way only. */
export const gridText = (cells: readonly Cell[], colors: Colors): string => {
  const rows = [...new Set(cells.map(({ a }) => a))]
  const columns = [...new Set([...rows, ...cells.map(({ b }) => b)])]
  const numberOf = (name: string): string => String(columns.indexOf(name) + 1)
  const found = new Map(cells.map(cell => [nameOf(cell), cell]))
  const cellText = (a: string, b: string): string => {
    const cell = found.get(nameOf({ a, b }))
    if (!cell) return ''
    return verdictOf(cell, colors)[1](percent(cell.connected / cell.trials) + (cell.oneWay > 0 ? '>' : ''))
  }
  const body = columns.map(name => [
    numberOf(name),
    name,
    ...columns.map(column => (rows.includes(name) ? cellText(name, column) : '')),
  ])
  return tableText(
    [['', colors.dim('% connected'), ...columns.map(numberOf)], ...body],
    ['right', 'left', ...columns.map((): Align => 'right')],
  )
}

const verdictOf = ({ connected, trials }: Cell, colors: Colors): [string, (text: string) => string] => {
  if (connected === trials) return ['all', colors.green]
  return connected === 0 ? ['none', colors.red] : ['some', colors.yellow]
}

const percent = (share: number): string => (100 * share).toFixed(0)

const times = (median: number | undefined, p95: number | undefined): string =>
  median === undefined || p95 === undefined ? '' : `${ms(median)} / ${ms(p95)}`

const ms = (value: number): string => value.toFixed(value < 10 ? 1 : 0)
