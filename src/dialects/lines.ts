// Law: pure. A stream of bytes as lines, never keeping more than one line of them.
import { decodeUtf8 } from '../utf8.ts'

/** `too-long` is said once for a line, as soon as that is certain. */
export type LineProblem = 'too-long' | 'not-utf8'

export type LineReader = {
  /** The lines that end in these bytes, `\r\n` and `\n` taken away. */
  read(bytes: Uint8Array): (string | { readonly problem: LineProblem })[]
  /** Bytes of a line that is too long, so far: what is thrown away. */
  readonly skipped: number
}

const [lineFeed, carriageReturn] = [10, 13]

/** `longest`: bytes of a line, its end not counted. */
export const createLineReader = (longest: number): LineReader => {
  // One more for the carriage return.
  const kept = new Uint8Array(longest + 1)
  let length = 0
  let skipped = 0

  const take = (): string | { problem: LineProblem } => {
    const end = length > 0 && kept[length - 1] === carriageReturn ? length - 1 : length
    length = 0
    return end > longest ? { problem: 'too-long' } : (decodeUtf8(kept.subarray(0, end)) ?? { problem: 'not-utf8' })
  }

  return {
    get skipped() {
      return skipped
    },
    read(bytes) {
      const found: (string | { problem: LineProblem })[] = []
      for (let at = 0; at < bytes.length;) {
        const feed = bytes.indexOf(lineFeed, at)
        const end = feed < 0 ? bytes.length : feed
        const fits = Math.min(end - at, kept.length - length)
        if (skipped === 0) {
          kept.set(bytes.subarray(at, at + fits), length)
          length += fits
          if (fits < end - at) found.push({ problem: 'too-long' })
        }
        if (skipped > 0 || fits < end - at) skipped += end - at
        if (feed >= 0) {
          if (skipped === 0) found.push(take())
          length = 0
          skipped = 0
        }
        at = end + 1
      }
      return found
    },
  }
}
