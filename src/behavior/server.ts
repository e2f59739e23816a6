// Law: pure. What can be believed of the server: without an alternate endpoint that holds, some questions have no answer.
import { type Endpoint, classifyAddress, familyOf, formatEndpoint } from '../endpoint.ts'
import type { Sample } from './samples.ts'

export type Alternate = {
  /** Undefined where there is none, or none to be trusted. */
  readonly endpoint: Endpoint | undefined
  readonly because: string
  /** What the server says does not hold. */
  readonly isWrong: boolean
}

/** A server may say anything. It does not get us to send to the hosts around us, unless it is one of them. */
export const mayBeAsked = (server: Endpoint, other: Endpoint): boolean => {
  const place = classifyAddress(other.address)
  return (
    familyOf(other.address) === familyOf(server.address) &&
    (place === 'global' || place === classifyAddress(server.address))
  )
}

/**
 * RFC 5780 s.6: OTHER-ADDRESS has another address and another port. Who answers there must name one of the
 * two addresses in turn: it might be a server of somebody else's, or nobody.
 */
export const alternateOf = (server: Endpoint, said: Endpoint | undefined, there: readonly Sample[]): Alternate => {
  if (!said) return { endpoint: undefined, because: 'the server has one address', isWrong: false }
  const about = `OTHER-ADDRESS ${formatEndpoint(said)}`
  const wrong = (because: string): Alternate => ({ endpoint: undefined, because, isWrong: true })
  if (said.address === server.address || said.port === server.port)
    return wrong(`${about} does not differ from the server in both address and port`)
  if (!mayBeAsked(server, said)) return wrong(`${about} is not of the server's network`)
  const answers = there.flatMap(({ answer }) => answer ?? [])
  if (answers.length === 0) return wrong(`${about} does not answer`)
  // coturn names its second address everywhere, there too.
  const isKnown = answers.every(({ other }) => other?.address === server.address || other?.address === said.address)
  if (!isKnown) return wrong(`${about} is a server that does not know this one`)
  return { endpoint: said, because: `${about} answers`, isWrong: false }
}
