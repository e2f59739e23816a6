// Law: pure. The one line that says why a client ends before it has met its peer, and the error that it ends with.
import { StageError } from '../errors.ts'
import { type KeyProblem, keyProblemText } from './trust.ts'
import type { Verdict } from './verdict.ts'

type Who = { readonly name: string; readonly peer: string }

/** Who we are, or who the peer is, is not accepted: no other way would change that. */
export const identityError = (
  { name, peer }: Who,
  taken: boolean,
  refusedKey: KeyProblem | undefined,
): StageError | undefined => {
  if (taken) {
    const remedy = 'choose another name (-n), or give the identity that owns it (--identity)'
    return new StageError('name-refused', `${name} is owned by somebody with another key: ${remedy}`)
  }
  return refusedKey && new StageError('identity-refused', keyProblemText(refusedKey, peer))
}

/** `server`: as it was dialled. */
export const silentError = (server: string, found: readonly string[], port: number, seconds: number): StageError => {
  const where = found.length === 0 || found.includes(server) ? server : `${server} (${found.join(', ')})`
  const remedy = `is test-server running there, and is UDP port ${port} open?`
  return new StageError('server-unreachable', `No answer from ${where}, port ${port}, in ${seconds} s: ${remedy}`)
}

export const timeoutError = ({ peer }: Who, isThere: boolean, seconds: number): StageError =>
  isThere
    ? new StageError('peer-unreached', `${peer} is in the phonebook, but was not reached in ${seconds} s`)
    : new StageError('peer-absent', `${peer} did not appear in the phonebook in ${seconds} s`)

/** The verdict itself is told before that. */
export const verdictError = ({ cause }: Verdict, { peer }: Who, server: string): StageError => {
  const goesOn = 'with --keep-trying we would go on'
  return cause === 'server-silent'
    ? new StageError('server-unreachable', `No answer from ${server} (${cause}): ${goesOn}`)
    : new StageError('peer-unreached', `${peer} was not reached (${cause}): ${goesOn}`)
}
