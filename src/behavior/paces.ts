// Law: pure. How often a request is sent, and how long an answer is waited for (RFC 8489 s.6.2.1, but bounded: a person
// waits for the verdict).

/** Until the first answer nothing is known of the way: 7 requests in 3.3 s. */
export const firstPausesMs: readonly number[] = [250, 500, 500, 500, 500, 500, 500]

export type Paces = {
  /** Of questions that have an answer. */
  readonly answered: readonly number[]
  /** Of questions to which silence is an answer too: spread out, as losses come in bursts. */
  readonly silent: readonly number[]
}

export const pacesFor = (roundTripMs: number): Paces => {
  const rtoMs = Math.min(500, Math.max(100, 2 * roundTripMs))
  return {
    answered: [rtoMs, 1.5 * rtoMs, ...Array<number>(6).fill(2 * rtoMs)],
    silent: [50, 100, 150, 150, 200, 200, 200, Math.min(1500, 200 + 2 * roundTripMs)],
  }
}
