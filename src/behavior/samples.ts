// Law: types, and questions about them. A sample is one question to a server and what came of it; a finding is what
// follows from samples, in words, or `unknown` with the reason.
import { type Endpoint, isLoopback, sameEndpoint } from '../endpoint.ts'
import type { Change } from '../dialects/stun/forms.ts'

export type Answer = {
  /** XOR-MAPPED-ADDRESS; undefined where the answer is an error. */
  readonly mapped: Endpoint | undefined
  readonly from: Endpoint
  /** OTHER-ADDRESS (RFC 5780 s.7.4). */
  readonly other: Endpoint | undefined
  readonly errorCode: number | undefined
  /** Since the first request. */
  readonly afterMs: number
}

export type Sample = {
  /** As RFC 5780 calls it, with the property in front: `mapping II`. */
  readonly test: string
  readonly localPort: number
  readonly to: Endpoint
  readonly change?: Change
  /** Requests, the retransmitted ones too. */
  readonly sent: number
  readonly answer: Answer | undefined
}

export type Finding<T extends string> = { readonly is: T | 'unknown'; readonly because: string }

export const unknown = (because: string): { readonly is: 'unknown'; readonly because: string } => ({
  is: 'unknown',
  because,
})

export const mappedOf = (sample: Sample | undefined): Endpoint | undefined => sample?.answer?.mapped

export const isSameMapping = (one: Sample | undefined, other: Sample | undefined): boolean | undefined => {
  const [a, b] = [mappedOf(one), mappedOf(other)]
  return a && b && sameEndpoint(a, b)
}

/** Whether something between us and the server changes our endpoint. `own`: the host's addresses. */
export const isTranslated = (sample: Sample, own: readonly string[]): boolean | undefined => {
  const mapped = mappedOf(sample)
  return mapped && !(mapped.port === sample.localPort && (own.includes(mapped.address) || isLoopback(mapped.address)))
}
