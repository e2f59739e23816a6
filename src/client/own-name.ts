// Law: pure. Whether we may go by a name, before any server is asked.
import { StageError } from '../errors.ts'
import { nameProblem } from '../name.ts'

/** Why no server would take the text as a name, as the end of a sentence; undefined where one would. */
export const nameRefusal = (text: string): string | undefined => {
  // What a terminal gave that was no UTF-8 is here as U+FFFD, which nobody could type.
  const problem = text.includes('\ufffd') ? 'forbidden-character' : nameProblem(text)
  return problem && `${JSON.stringify(text)} ${problems[problem]}`
}

const problems = {
  empty: 'is empty: give one of 1 to 64 bytes',
  'too-long': 'is longer than 64 bytes: choose a shorter one',
  'forbidden-character': 'has a blank, a comma or an invisible character in it: leave these out',
  reserved: 'is a word of the protocol: choose another one',
} as const

/** Throws for names that no server would take. */
export const checkNames = (name: string, peer: string): void => {
  for (const [who, text] of [
    ['name', name],
    ["peer's name", peer],
  ] as const) {
    const refusal = nameRefusal(text)
    if (refusal) throw new StageError('name-refused', `The ${who} ${refusal}`)
  }
  if (name === peer)
    throw new StageError('usage', `The name and the peer's name are both ${JSON.stringify(name)}: choose two`)
}
