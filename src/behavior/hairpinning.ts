// Law: pure. Hairpinning (RFC 4787 s.6, RFC 5780 s.4.5): two sockets of ours send to each other's mapped endpoints.
import { type Behavior, behaviors } from '../nat-profile.ts'
import { enoughRequests } from './filtering.ts'
import { type Finding, unknown } from './samples.ts'

export type HairpinTest = {
  /** In each direction. */
  readonly sent: number
  readonly arrived: number
}

const [EI] = behaviors

export const hairpinningOf = (
  test: HairpinTest | undefined,
  translated: boolean,
  mapping: Behavior | 'unknown',
  filtering: string,
): Finding<'yes' | 'no' | 'not applicable'> => {
  if (!translated) return { is: 'not applicable', because: 'there is no NAT' }
  if (!test) return unknown('not tested')
  if (test.arrived > 0) return { is: 'yes', because: `${test.arrived} datagrams came back` }
  if (test.sent < enoughRequests) return unknown('too few datagrams')
  // Else the one who sends has another endpoint than the one that the other has opened its filter to.
  if (mapping === EI || filtering === EI) return { is: 'no', because: `none of ${2 * test.sent} datagrams came back` }
  return unknown('the filter may have dropped what came back')
}
