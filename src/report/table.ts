// Law: pure. Rows as text in columns.

export type Align = 'left' | 'right'

/** How wide a text is shown: without what colors it. */
// eslint-disable-next-line no-control-regex
const shownLength = (text: string): number => text.replace(/\u001b\[[0-9;]*m/g, '').length

export const pad = (text: string, width: number, align: Align = 'left'): string => {
  const blanks = ' '.repeat(Math.max(0, width - shownLength(text)))
  return align === 'left' ? text + blanks : blanks + text
}

/** One line, its cells as wide as said, two blanks between them, none at its end. */
export const rowText = (cells: readonly string[], widths: readonly number[], aligns: readonly Align[] = []): string =>
  cells
    .map((cell, i) => pad(cell, widths[i] ?? 0, aligns[i]))
    .join('  ')
    .trimEnd()

/** As wide as its widest cells. */
export const tableText = (rows: readonly (readonly string[])[], aligns: readonly Align[] = []): string => {
  const columns = Math.max(0, ...rows.map(({ length }) => length))
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map(row => shownLength(row[i] ?? ''))))
  return rows.map(row => rowText(row, widths, aligns)).join('\n')
}
