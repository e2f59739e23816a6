// Law: pure. Results as JSON for other programs: times in thousandths of a millisecond at most, shares in ten-thousandths.

/** On one line. */
export const jsonText = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === 'number' ? Math.round(part * 1e4) / 1e4 : part))
