// Where the programs keep what has to outlive them: secrets and what is known of peers, readable for their owner alone. Nothing
// that stands there is ever overwritten by half, and what can't be read is left as it is.
import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { StageError, codeOf } from '../errors.ts'

/** `$XDG_STATE_HOME/stage-manager`; the standard ignores a path that is not absolute. */
export const stateDirectory = (env: NodeJS.ProcessEnv = process.env): string => {
  const given = env['XDG_STATE_HOME'] ?? ''
  return join(isAbsolute(given) ? given : join(env['HOME'] ?? homedir(), '.local', 'state'), 'stage-manager')
}

const mostBytes = 1024 * 1024
const [readableByOthers, writableByOthers] = [0o077, 0o022]

/** Undefined where there is no such file; throws where others may read it (a secret), or write it, or it can't be read. */
export const readOwn = (path: string, kind: 'secret' | 'public'): string | undefined => {
  try {
    const { mode, size } = statSync(path)
    const others = mode & (kind === 'secret' ? readableByOthers : writableByOthers)
    if (others !== 0 && process.platform !== 'win32') {
      const what = kind === 'secret' ? 'is open to others' : 'can be changed by others'
      throw refused(`${path} ${what} (mode ${(mode & 0o777).toString(8).padStart(4, '0')}): chmod 600 ${path}`)
    }
    if (size > mostBytes) throw refused(`${path} is too long to be a file of ours: move it away`)
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof StageError) throw error
    if (/^(ENOENT|ENOTDIR)$/.test(codeOf(error))) return undefined
    throw refused(`${path} cannot be read (${codeOf(error)}): make it a file that you can read, or move it away`)
  }
}

/**
 * Writes a file that is there with all of its content or not at all. `new`: only if there is none, and false if there was; two
 * programs that do this at once don't lose what the first one wrote.
 */
export const writeOwn = (path: string, text: string, how: 'new' | 'replace'): boolean => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  // No name that somebody else could foresee, and put a file or a link there that is open to him: a secret goes in.
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`
  try {
    writeFileSync(temporary, text, { mode: 0o600, flag: 'wx', flush: true })
    if (how === 'replace') renameSync(temporary, path)
    else linkSync(temporary, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  } finally {
    rmSync(temporary, { force: true })
  }
}

export const refused = (message: string): StageError => new StageError('identity-refused', message)
