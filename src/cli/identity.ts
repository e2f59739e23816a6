// Identities in files: two keys a file, one file a name, made on first use. The core gets the keys as values.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { codeOf } from '../errors.ts'
import { type Identity, identityOf, identitySeedLength } from '../identity.ts'
import { keyLength } from '../keys.ts'
import { nameProblem } from '../name.ts'
import { fromBase64url, toBase64url } from '../rfc4648.ts'
import { readOwn, refused, stateDirectory, writeOwn } from './state-files.ts'

export type Loaded = {
  readonly identity: Identity
  readonly path: string
  /** It was not there before. */
  readonly made: boolean
}

/** Small letters and digits stay, all else is spelled in hex: a disk may not tell `Bob` from `bob`, nor take `..` for a name. */
const fileNameOf = (name: string): string =>
  `${name.replace(/[^a-z0-9_-]/gu, letter => Buffer.from(letter).toString('hex').replace(/../g, '%$&'))}.identity`

export const identityPath = (name: string, directory = stateDirectory()): string =>
  join(directory, 'identities', fileNameOf(name))

/** The identity in the file, which is made where there is none; why it can't be kept there, where that is so. */
export const loadIdentity = (path: string, name: string): Loaded | string => {
  const known = read(path)
  if (known) return { identity: known, path, made: false }
  const seed = randomBytes(identitySeedLength)
  try {
    if (writeOwn(path, format(seed, name), 'new')) return { identity: identityOf(seed), path, made: true }
  } catch (error) {
    return `no identity can be kept in ${path} (${codeOf(error)})`
  }
  const theirs = read(path) // another program was quicker
  if (theirs) return { identity: theirs, path, made: false }
  throw refused(`${path} came and went: try again`)
}

/** Whom test-client goes by this name as. Where nothing can be kept and none was asked for, it goes without. */
export const whoIs = (
  name: string,
  { file, anonymous }: { file: string | undefined; anonymous: boolean },
): Identity | undefined => {
  const normal = name.normalize('NFC')
  if (anonymous || nameProblem(normal)) return undefined
  const loaded = loadIdentity(file ?? identityPath(normal), normal)
  if (typeof loaded !== 'string') return loaded.identity
  if (file !== undefined) throw refused(`${loaded}: give another file, or --anonymous`)
  process.stderr.write(`test-client: ${loaded}: going on as with --anonymous\n`)
  return undefined
}

const kinds = ['ed25519', 'x25519'] as const

const format = (seed: Uint8Array, name: string): string =>
  [
    `# The identity of ${name} with stage-manager. Keep it secret, keep a copy: peers know you by it.`,
    ...kinds.map((kind, i) => `${kind} ${toBase64url(seed.subarray(i * keyLength, (i + 1) * keyLength))}`),
    '',
  ].join('\n')

const read = (path: string): Identity | undefined => {
  const text = readOwn(path, 'secret')
  if (text === undefined) return undefined
  const lines = text.split('\n').filter(line => line.trim() !== '' && !line.startsWith('#'))
  const keys = kinds.map((kind, i) => {
    const [word, value = '', ...rest] = (lines[i] ?? '').trimEnd().split(' ')
    return word === kind && rest.length === 0 ? fromBase64url(value, keyLength) : undefined
  })
  const [claim, line] = keys
  if (claim && line && lines.length === kinds.length) return identityOf(Uint8Array.from([...claim, ...line]))
  throw refused(`${path} is no identity: bring it back from a copy, or move it away and a new one is made`)
}
