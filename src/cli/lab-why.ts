// nat-lab why: one meeting as a story, and what would have worked, each by running it.
import colors from 'picocolors'
import type { Trial } from '../lab/matrix.ts'
import { siteNamed } from '../lab/sites.ts'
import { whatWorks } from '../lab/remedies.ts'
import { type Setting, trialOf, wordsOf } from '../lab/setting.ts'
import { tell } from '../lab/telling.ts'
import { jsonText } from '../report/json.ts'
import { createLadder } from '../report/ladder.ts'
import { ladderSvg } from '../report/ladder-svg.ts'
import { ladderText } from '../report/ladder-text.ts'
import { pcapOf } from '../report/pcap.ts'
import { storyHtml, triedHtml } from '../report/story-html.ts'
import { storyText, triedText } from '../report/story.ts'
import { labCommand } from './lab-command.ts'
import {
  commandLine,
  ipHelp,
  punching,
  punchingHelp,
  readIp,
  readLoss,
  readPunching,
  sized,
  usage,
} from './lab-options.ts'
import { makePage, outputs, outputsHelp, writeOutputs } from './lab-outputs.ts'
import type { Options } from './options.ts'

const help = `Usage: nat-lab why PROFILE PROFILE [--seed S] [--trial N] [options]

Lets Alice, behind the first, and Bob, behind the second, meet once in the simulation, and tells
what happened: which datagram turned it, which box dropped it by which rule, and, if they did not
meet, what would have worked. All of it is read from the trace of the run, nothing from the
profiles; what would have worked is what did work when it was run.

Options:
  --seed S         the same seed tells the same story (1)
  --trial N        the Nth of the meetings of this pair in nat-lab matrix --seed S (1)
${ipHelp}  --latency MS     of every way, one way, without jitter (varied)
  --loss PERCENT   on every way (varied)
  --first NAME     alice or bob starts first (varied)
  --later MS       the other one starts so much later (varied)
${punchingHelp}${outputsHelp}  --json           print {a, b, seed, trial, result, plans, steps, verdict, why, tried, worked}
                   as JSON, and nothing else
  -h, --help       print this help

Example:
  nat-lab why portrest symrand --ladder

Exit codes: 0 told, 2 usage
`

const choices = {
  latency: { kind: 'amount' },
  loss: { kind: 'amount' },
  first: { kind: 'text' },
  later: { kind: 'amount' },
  ...punching,
} as const

const table = {
  seed: sized.seed,
  ip: sized.ip,
  trial: { kind: 'count' },
  ...choices,
  ...outputs,
} as const

const run = async (options: Options): Promise<number> => {
  const names = options['_'] as string[]
  const [a, b] = names.map(name => siteNamed(name).name)
  if (a === undefined || b === undefined) throw usage('two profiles are needed, like nat-lab why portrest symrand')
  const setting = readSetting(a, b, options)
  const trial = trialOf(setting)

  const telling = tell(trial)
  const { result, records, story } = telling
  const tried = result.connected ? undefined : whatWorks(trial)
  const ladder = createLadder(records, { decisive: story.decisive, remarks: telling.remarks })
  const title = wordsOf(setting).join(' ')
  const again = commandLine(['why', ...wordsOf(setting)])
  const svg = (): string => ladderSvg(ladder, title)
  const about = aboutText(trial)
  const told = storyHtml(story) + (tried ? triedHtml(tried) : '')
  const drawn = (): string => `<div class="wide">${svg()}</div>`
  const repeat = `Trace ${result.trace}. To repeat: ${again}`
  writeOutputs(options, {
    svg,
    pcap: () => pcapOf(records),
    html: () =>
      makePage({ title: `${a} x ${b}`, about: `${about} ${repeat}`, sections: [told, drawn()], data: { kind: 'run' } }),
  })
  if (options['json']) {
    const { steps, verdict, why } = story
    const worked = tried?.worked.map(({ text, connectedMs }) => ({ text, connectedMs }))
    process.stdout.write(
      `${jsonText({ ...setting, result, plans: telling.plans, steps, verdict, why, tried: tried?.tried, worked })}\n`,
    )
    return 0
  }
  const parts = [
    [about, ...telling.plans].join('\n'),
    storyText(story),
    ...(tried ? [triedText(tried)] : []),
    ...(options['ladder'] ? [ladderText(ladder, colors)] : []),
    repeat,
  ]
  process.stdout.write(`${parts.join('\n\n')}\n`)
  return 0
}

export const command = labCommand({ name: 'why', help, table, mostOperands: 2, run })

const readSetting = (a: string, b: string, options: Options): Setting => {
  const [seed = 1, trial = 1] = [options['seed'], options['trial']] as (number | undefined)[]
  const [latencyMs, laterMs] = [options['latency'], options['later']] as (number | undefined)[]
  const lossPercent = readLoss(options)
  const { strategy, preset } = readPunching(options)
  const first = options['first'] as string | undefined
  return { a, b, seed, trial, ip: readIp(options), latencyMs, lossPercent, first, laterMs, strategy, preset }
}

const protocols = { '4': '', '6': ', over IPv6', both: ', and both have IPv6 too' }

const aboutText = ({ pair, place, first, offsetMs }: Trial): string => {
  const [one, other] = first === 'alice' ? ['Alice', 'Bob'] : ['Bob', 'Alice']
  return `Alice is behind ${pair.a}, Bob behind ${pair.b}${protocols[place.ip ?? '4']}. ${one} starts first, ${other} ${(offsetMs / 1000).toFixed(3)} s later.`
}
