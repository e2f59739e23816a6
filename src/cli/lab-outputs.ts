// What a command of nat-lab can write of one run beside its text: a drawing, a capture, a page.
import { writeFileSync } from 'node:fs'
import { StageError, codeOf } from '../errors.ts'
import type { OptionTable, Options } from './options.ts'

export const outputs = {
  ladder: { kind: 'switch' },
  svg: { kind: 'text' },
  pcap: { kind: 'text' },
  html: { kind: 'text' },
} as const satisfies OptionTable

export const outputsHelp = `  --ladder         the packet ladder, as text
  --svg FILE       the packet ladder, as a drawing
  --pcap FILE      every packet at every box, for Wireshark (pcapng)
  --html FILE      one page with all of it, for any browser
`

/** Each file whose option was given, from what is only made then. */
export const writeOutputs = (options: Options, makers: Readonly<Record<string, () => string | Uint8Array>>): void => {
  for (const [name, make] of Object.entries(makers)) {
    const file = options[name] as string | undefined
    if (file === undefined) continue
    const content = make()
    try {
      writeFileSync(file, content)
    } catch (error) {
      throw new StageError('usage', `--${name} ${file} cannot be written (${codeOf(error)}): choose another file`)
    }
  }
}
