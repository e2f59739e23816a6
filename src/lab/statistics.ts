// Law: pure. How sure one may be of a share, whether two shares differ, and the middle of a list.

/** A share with its 95 % confidence interval. */
export type Share = { readonly share: number; readonly low: number; readonly high: number }

const z95 = 1.959963984540054

/** Wilson 1927: unlike the textbook's interval it holds at 0 and 1, where most cells of a matrix are. */
export const wilson = (successes: number, trials: number, z = z95): Share => {
  if (trials === 0) return { share: Number.NaN, low: 0, high: 1 }
  const share = successes / trials
  const [n, zz] = [trials, z * z]
  const middle = (share + zz / (2 * n)) / (1 + zz / n)
  const half = (z / (1 + zz / n)) * Math.sqrt((share * (1 - share)) / n + zz / (4 * n * n))
  // Exact at both ends, where rounding would leave a trace of it.
  return { share, low: successes === 0 ? 0 : middle - half, high: successes === trials ? 1 : middle + half }
}

const logFactorials = [0]
const logFactorial = (n: number): number => {
  for (let i = logFactorials.length; i <= n; i++) logFactorials.push((logFactorials[i - 1] ?? 0) + Math.log(i))
  return logFactorials[n] ?? Number.NaN
}

/** The logarithm of n over k. */
export const logChoose = (n: number, k: number): number =>
  k < 0 || k > n ? -Infinity : logFactorial(n) - logFactorial(k) - logFactorial(n - k)

type Tally = { readonly successes: number; readonly trials: number }

/** Fisher 1922, two-sided: the probability of a table at most as likely as this one, if both shares were the same. */
export const fisher = (a: Tally, b: Tally): number => {
  const successes = a.successes + b.successes
  const logAll = logChoose(a.trials + b.trials, successes)
  const probability = (ofA: number): number =>
    Math.exp(logChoose(a.trials, ofA) + logChoose(b.trials, successes - ofA) - logAll)
  const observed = probability(a.successes)
  let sum = 0
  for (let ofA = Math.max(0, successes - b.trials); ofA <= Math.min(a.trials, successes); ofA++) {
    // Tables that are as likely differ in the last digits.
    if (probability(ofA) <= observed * (1 + 1e-7)) sum += probability(ofA)
  }
  return Math.min(1, sum)
}

/** Between the neighbours, in proportion; undefined for an empty list. */
export const quantile = (values: readonly number[], share: number): number | undefined => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]]
  return low === undefined || high === undefined ? undefined : low + (high - low) * (at - Math.floor(at))
}

export const median = (values: readonly number[]): number | undefined => quantile(values, 0.5)
