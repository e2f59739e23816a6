// Law: pure. Mapping behavior out of the three tests of RFC 5780 s.4.3, each made on more than one socket: a NAT whose
// ports are hashed may give two flows the same port by chance, and not two sockets.
import { type Behavior, behaviors } from '../nat-profile.ts'
import { type Finding, type Sample, isSameMapping, isTranslated, unknown } from './samples.ts'

export type MappingTests = {
  readonly one: Sample
  /** To the alternate address, at the server's port. */
  readonly two?: Sample | undefined
  /** To the alternate address and port. */
  readonly three?: Sample | undefined
  /** To another port of the server's own address: all that a server with one address has to offer. */
  readonly otherPort?: Sample | undefined
}

const [EI, AD, APD] = behaviors

export const mappingOf = (sockets: readonly MappingTests[], own: readonly string[]): Finding<Behavior> => {
  const [first] = sockets
  if (!first || isTranslated(first.one, own) === undefined) return unknown('no answer')
  if (sockets.every(({ one }) => isTranslated(one, own) === false)) return { is: EI, because: 'nothing is translated' }
  const found = sockets.map(ofSocket)
  // The most dependent one: equality may be chance, a difference is none.
  for (const is of [APD, AD]) {
    const finding = found.find(finding => finding.is === is)
    if (finding) return finding
  }
  return found.find(({ is }) => is === 'unknown') ?? found[0] ?? unknown('no socket')
}

const ofSocket = ({ one, two, three, otherPort }: MappingTests): Finding<Behavior> => {
  if (isSameMapping(one, otherPort) === false)
    return { is: APD, because: 'two ports of one address see different mappings' }
  const [oneTwo, oneThree, twoThree] = [isSameMapping(one, two), isSameMapping(one, three), isSameMapping(two, three)]
  if (!two && !three) return unknown('it takes a server with two addresses')
  if (oneTwo === undefined && oneThree === undefined) return unknown('the alternate address does not answer')
  if (oneTwo !== false && oneThree !== false) return { is: EI, because: 'two addresses see the same mapping' }
  if (twoThree === undefined) return unknown('tests II and III did not both have an answer')
  if (oneTwo || oneThree) return unknown('the mapping changed between the tests')
  return twoThree
    ? { is: AD, because: 'another address sees another mapping, another port of it the same' }
    : { is: APD, because: 'another port sees another mapping' }
}
