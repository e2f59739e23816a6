// Law: pure. Medians, because the machine is shared and noisy.

/** @param {readonly number[]} values @param {number} share 0 to 1 */
export const quantile = (values, share) => {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const [low, high] = [sorted[Math.floor(at)] ?? Number.NaN, sorted[Math.ceil(at)] ?? Number.NaN]
  return low + (high - low) * (at - Math.floor(at))
}

/** @param {readonly number[]} values */
export const median = values => quantile(values, 0.5)

/**
 * One line of the table. `pass` is undefined where nothing is asked of the figure.
 * @typedef {{ figure: string, measured: number, unit: string, target: string, pass: boolean | undefined, note: string }} Figure
 */

/**
 * @param {string} figure @param {number} measured @param {string} unit
 * @param {{ atLeast?: number, atMost?: number, note?: string }} [wanted]
 * @returns {Figure}
 */
export const figure = (figure, measured, unit, { atLeast, atMost, note = '' } = {}) => ({
  figure,
  measured,
  unit,
  target: atLeast !== undefined ? `>= ${atLeast}` : atMost !== undefined ? `<= ${atMost}` : '',
  pass: atLeast !== undefined ? measured >= atLeast : atMost !== undefined ? measured <= atMost : undefined,
  note,
})
