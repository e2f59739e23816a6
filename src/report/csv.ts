// Law: pure. RFC 4180: lines end with CR LF, and a field is quoted where it has to be. Numbers with four
// places at most.

export const csvText = (rows: readonly (readonly (string | number | undefined)[])[]): string =>
  rows.map(row => `${row.map(field).join(',')}\r\n`).join('')

const field = (value: string | number | undefined): string => {
  const text = typeof value === 'number' ? String(Math.round(value * 1e4) / 1e4) : (value ?? '')
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
