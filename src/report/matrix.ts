// Law: pure. A matrix for the terminal: a line for each cell as it is done, and all of them as a grid.
import type { Colors } from 'picocolors/types.js'
import type { Goal } from '../lab/expectation.ts'
import type { Cell, Pair } from '../lab/matrix.ts'
import { type Align, rowText, tableText } from './table.ts'

const aligns: Align[] = ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right', 'left']
const head = ['', 'pair', 'connected', '95 %', 'one way', 'heard ms', 'connected ms', 'datagrams', 'what stopped them']

export type CellLines = { readonly head: string; line(cell: Cell): string }

/** What is due to a pair; undefined where that is not known. */
export type GoalOf = (pair: Pair) => Goal | undefined

/** Times are median and 95th percentile, since the later one's start. */
export const createCellLines = (pairs: readonly Pair[], colors: Colors, goalOf?: GoalOf): CellLines => {
  const widths = [4, Math.max(4, ...pairs.map(pair => nameOf(pair).length)), 9, 9, 7, 11, 12, 9, 0]
  const goalAt = 3
  const withGoal = <T>(cells: readonly T[], cell: T): T[] => (goalOf ? cells.toSpliced(goalAt, 0, cell) : [...cells])
  const row = (cells: readonly string[], goal: string): string =>
    rowText(withGoal(cells, goal), withGoal(widths, 4), withGoal<Align>(aligns, 'right'))
  return {
    head: colors.dim(row(head, 'goal')),
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
      return row(cells, goalText(goalOf?.(cell)))
    },
  }
}

/** Percent: `100`, `>97`, `<3`, `0`. */
const goalText = (goal: Goal | undefined): string => {
  if (!goal) return ''
  if (goal.least === goal.most) return percent(goal.most)
  return goal.most < 1 ? `<${(100 * goal.most).toFixed(0)}` : `>${percent(goal.least)}`
}

/** What is behind the goals of these pairs, a line for each way through. */
export const goalsText = (pairs: readonly Pair[], goalOf: GoalOf): string => {
  const goals = pairs.flatMap(pair => goalOf(pair) ?? [])
  return Object.entries(meanings)
    .flatMap(([by, meaning]) => {
      const found = goals.filter(goal => goal.by === by)
      if (found.length === 0) return []
      const theories = found.flatMap(({ theory }) => theory ?? []).map(share => `${(100 * share).toFixed(2)} %`)
      const range = [...new Set([theories.toSorted()[0], theories.toSorted().at(-1)])].filter(Boolean).join(' to ')
      return [`goal ${texts(found)}: ${meaning}${range === '' ? '' : `; theory ${range} where nothing is lost`}`]
    })
    .join('\n')
}

const texts = (goals: readonly Goal[]): string => [...new Set(goals.map(goalText))].join(', ')

const meanings: Readonly<Record<Goal['by'], string>> = {
  checks: 'one endpoint each, or one side is open',
  prediction: 'a NAT counts its ports up, and nobody else uses it meanwhile',
  spray: 'chance, one side opens sockets and the other one probes',
  relay: 'nobody can know where to, or no UDP: a relay is needed',
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
