// nat-lab ladder: the packets of real runs, as test-client --trace wrote them down, on one time axis.
import { readFileSync } from 'node:fs'
import colors from 'picocolors'
import { codeOf } from '../errors.ts'
import { createLadder } from '../report/ladder.ts'
import { ladderSvg } from '../report/ladder-svg.ts'
import { ladderText } from '../report/ladder-text.ts'
import { jsonText } from '../report/json.ts'
import { pcapOf } from '../report/pcap.ts'
import { readTrace, recordsOf } from '../report/real-trace.ts'
import { labCommand } from './lab-command.ts'
import { usage } from './lab-options.ts'
import { makePage, outputs, outputsHelp, writeOutputs } from './lab-outputs.ts'
import type { Options } from './options.ts'

const { ladder: _, ...files } = outputs

const help = `Usage: nat-lab ladder FILE [FILE2] [options]

Draws what test-client --trace FILE wrote down. With the files of both peers, on one time axis:
their clocks are set so that the quickest packet took as long in either direction. What the NATs
between them did nobody saw; a packet that the other one never got was lost somewhere.

Options:
${outputsHelp.replace(/^.*--ladder.*\n/, '')}  --json           print {lifelines, rungs, remarks, datagrams} as JSON, and nothing else
  -h, --help       print this help

Exit codes: 0 drawn, 2 usage
`

const run = async (options: Options): Promise<number> => {
  const names = options['_'] as string[]
  if (names.length === 0) throw usage('a file is needed: make one with test-client --trace FILE')
  const traces = names.map(name => readTrace(read(name), name, Date.parse))
  if (traces[1] && (traces[0]?.name !== traces[1].peer || traces[0].peer !== traces[1].name)) {
    throw usage(
      `${names.join(' and ')} are not of two peers that look for each other: give one file, or both of one run`,
    )
  }
  const { records, remarks } = recordsOf(traces, base64 => Uint8Array.from(Buffer.from(base64, 'base64')))
  const ladder = createLadder(records, { remarks })
  const svg = (): string => ladderSvg(ladder, names.join(' and '))
  const title = traces.map(({ name }) => name).join(' and ')
  const about = `Packets of a real run, as test-client --trace wrote them down: ${names.join(', ')}.`
  writeOutputs(options, {
    svg,
    pcap: () => pcapOf(records),
    html: () => makePage({ title, about, sections: [`<div class="wide">${svg()}</div>`], data: { kind: 'run' } }),
  })
  process.stdout.write(`${options['json'] ? jsonText(ladder) : ladderText(ladder, colors)}\n`)
  return 0
}

export const command = labCommand({ name: 'ladder', help, table: files, mostOperands: 2, run })

const read = (name: string): string => {
  try {
    return readFileSync(name, 'utf8')
  } catch (error) {
    throw usage(`${name} cannot be read (${codeOf(error)}): give a file that test-client --trace wrote`)
  }
}
