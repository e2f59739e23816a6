// Law: pure. What became of a datagram that came before we had sent anything to where it came from: did the router take it
// for its own, so that our flow to there had to evade?
import { type Behavior, behaviors } from '../nat-profile.ts'
import type { Filtering } from './filtering.ts'
import { type Finding, type Sample, isSameMapping, unknown } from './samples.ts'

/** `drop` and `reject` look the same from a UDP socket: both are harmless. */
export type Early = 'harmless' | 'naive' | 'let in'

const [EI] = behaviors

/** `before`: the mapping that the server sees. `after`: that which the sender of the early datagram sees afterwards. */
export const earlyOf = (
  before: Sample | undefined,
  after: Sample | undefined,
  mapping: Behavior | 'unknown',
  filtering: Filtering | 'unknown',
): Finding<Early> => {
  if (filtering === 'unknown') return unknown('the filtering behavior is not known')
  if (filtering === EI) return { is: 'let in', because: 'filtering is endpoint-independent' }
  if (mapping === 'unknown') return unknown('the mapping behavior is not known')
  if (mapping !== EI) return unknown('every flow has another mapping anyway')
  const isSame = isSameMapping(before, after)
  if (isSame === undefined) return unknown('the alternate address did not answer')
  return isSame
    ? { is: 'harmless', because: 'a datagram that came too early changed nothing' }
    : { is: 'naive', because: 'a datagram that came too early took the port' }
}
