// Where a stage's secret comes from: a file or the environment, so that it stands in no list of processes; or the command line.
import { readFileSync } from 'node:fs'
import { StageError, codeOf } from '../errors.ts'

/** Shorter ones can be found by trying: whoever runs the server sees a hash of it. */
const shortest = 12
const longestFile = 64 * 1024

export type SecretSources = {
  readonly text: string | undefined
  readonly file: string | undefined
  readonly env: string | undefined
}

/** The one that was asked for; the environment counts where no option was given. */
export const stageSecret = ({ text, file, env }: SecretSources): string | undefined => {
  if (text !== undefined && file !== undefined)
    throw new StageError('usage', '--stage-secret and --stage-secret-file exclude each other: choose one')
  const secret = file === undefined ? (text ?? (env || undefined)) : readSecret(file)
  if (secret !== undefined && secret.length < shortest) {
    const remedy = 'take a longer one, as from: openssl rand -base64 24'
    process.stderr.write(
      `test-client: the stage secret is short enough to be guessed by whoever runs the server: ${remedy}\n`,
    )
  }
  return secret
}

/** The first line, as an editor or `echo` puts it there. */
const readSecret = (file: string): string => {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new StageError(
      'usage',
      `--stage-secret-file ${file} cannot be read (${codeOf(error)}): give a file with the secret`,
    )
  }
  const [line = '', ...rest] = text.split(/\r?\n/)
  if (line !== '' && rest.every(more => more === '') && text.length <= longestFile) return line
  throw new StageError('usage', `--stage-secret-file ${file}: the secret has to be its one line`)
}
