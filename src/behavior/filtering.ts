// Law: pure. Filtering behavior out of the tests of RFC 5780 s.4.4, with the fourth that its erratum 7971 asks for, each
// from a port of its own: what one test lets in or provokes is not to bias the next one.
import type { Endpoint } from '../endpoint.ts'
import { type Behavior, behaviors } from '../nat-profile.ts'
import { type Answer, type Finding, type Sample, unknown } from './samples.ts'

/** In no RFC's list, but what the fourth test is there to find: it lets in the right port of whatever address. */
export const portDependent = 'port-dependent'
export type Filtering = Behavior | typeof portDependent

export type FilteringTests = {
  /** From another address and port. */
  readonly two?: Sample | undefined
  /** From another port. */
  readonly three?: Sample | undefined
  /** From another address. */
  readonly four?: Sample | undefined
  /**
   * The same questions on a socket that has sent to every endpoint of the server first. Where the mapping lets them
   * through any filter, their answers show that silence is the NAT's and not the server's.
   */
  readonly controls: readonly Sample[]
}

const [EI, AD, APD] = behaviors
/** So many requests without an answer are no accident: at a loss of 10 % of exchanges, one in a million. */
export const enoughRequests = 6

export const filteringOf = (
  { two, three, four, controls }: FilteringTests,
  server: Endpoint,
  mapping: Behavior | 'unknown',
): Finding<Filtering> => {
  const isFrom = ({ from }: Answer, sample: Sample): boolean =>
    (from.address !== server.address) === (sample.change?.ip ?? false) &&
    (from.port !== server.port) === (sample.change?.port ?? false)
  const passes = (sample: Sample | undefined): boolean | string => {
    if (!sample) return 'it takes a server with two addresses'
    const { answer, sent } = sample
    if (answer?.errorCode !== undefined) return `the server answers ${answer.errorCode} to CHANGE-REQUEST`
    if (answer) return isFrom(answer, sample) || 'the server does not do what CHANGE-REQUEST asks'
    return sent < enoughRequests ? 'too few requests' : isProven(sample) ? false : 'the server may not have answered'
  }

  /** Whether silence is the filter's. Of a mapping that depends on the port nothing can be shown, so the server is believed. */
  const isProven = ({ change }: Sample): boolean => {
    const isVisible = mapping === EI || (mapping === AD && !change?.ip)
    if (!isVisible) return mapping !== 'unknown'
    return controls.some(
      control =>
        control.change?.ip === change?.ip &&
        control.change?.port === change?.port &&
        control.answer !== undefined &&
        isFrom(control.answer, control),
    )
  }

  const [second, third, fourth] = [passes(two), passes(three), passes(four)]
  if (second === true) return { is: EI, because: 'an answer came from another address and port' }
  if (typeof second === 'string') return unknown(second)
  if (third === true) return { is: AD, because: 'an answer came from another port only' }
  if (typeof third === 'string') return unknown(third)
  if (fourth === true) return { is: portDependent, because: 'an answer came from another address, at the same port' }
  if (typeof fourth === 'string') return unknown(fourth)
  return { is: APD, because: 'no answer came from anywhere else' }
}
