// What a command of nat-lab can write of one run beside its text: a drawing, a capture, a page.
import { accessSync, constants, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { StageError, codeOf } from '../errors.ts'
import { type PageOptions, pageHtml } from '../report/html.ts'
import type { OptionTable, Options } from './options.ts'

export const htmlHelp = `  --html FILE      one page with all of it, for any browser
`

export const outputs = {
  ladder: { kind: 'switch' },
  svg: { kind: 'text' },
  pcap: { kind: 'text' },
  html: { kind: 'text' },
} as const satisfies OptionTable

export const outputsHelp = `  --ladder         the packet ladder, as text
  --svg FILE       the packet ladder, as a drawing
  --pcap FILE      every packet at every box, for Wireshark (pcapng)
${htmlHelp}`

/** The script of all pages, as the build made it. */
const scriptUrl = new URL('../page/script.js', import.meta.url)

/** With a script where there is data for it. */
export const makePage = (page: Omit<PageOptions, 'script'>): string =>
  pageHtml(page.data === undefined ? page : { ...page, script: readFileSync(scriptUrl, 'utf8') })

/** Throws where one of the files that were asked for can't be written; writes none. */
export const checkOutputs = (options: Options): void => {
  for (const name of ['svg', 'pcap', 'html'] as const) {
    const file = options[name] as string | undefined
    if (file === undefined) continue
    try {
      const isThere = statSync(file, { throwIfNoEntry: false })
      accessSync(isThere ? file : dirname(file), constants.W_OK)
      if (isThere?.isDirectory()) throw cannotWrite(name, file, 'EISDIR')
    } catch (error) {
      throw error instanceof StageError ? error : cannotWrite(name, file, codeOf(error))
    }
  }
}

const cannotWrite = (name: string, file: string, code: string): StageError =>
  new StageError('usage', `--${name} ${file} cannot be written (${code}): choose another file`)

/** Each file whose option was given, from what is only made then. */
export const writeOutputs = (options: Options, makers: Readonly<Record<string, () => string | Uint8Array>>): void => {
  for (const [name, make] of Object.entries(makers)) {
    const file = options[name] as string | undefined
    if (file === undefined) continue
    const content = make()
    try {
      writeFileSync(file, content)
    } catch (error) {
      throw cannotWrite(name, file, codeOf(error))
    }
  }
}
