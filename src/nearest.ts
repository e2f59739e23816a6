// Law: pure. "Did you mean ...?"

/** The word that the given one was probably meant to be: at most two slips away, and not more than half of it. */
export const nearest = (word: string, words: readonly string[]): string | undefined => {
  let best: string | undefined
  let fewest = Math.min(2, Math.floor(word.length / 2)) + 1
  for (const candidate of words) {
    const slips = candidate.toLowerCase() === word.toLowerCase() ? 0 : distance(word, candidate)
    if (slips < fewest) [best, fewest] = [candidate, slips]
  }
  return best
}

/** Letters to insert, delete or replace (Levenshtein). */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
