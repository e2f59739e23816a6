// nat-lab why: one meeting as a story, and what would have worked, each by running it.
import colors from 'picocolors'
import { planTrials } from '../lab/matrix.ts'
import { siteNamed } from '../lab/sites.ts'
import { whatWorks } from '../lab/remedies.ts'
import { tell } from '../lab/telling.ts'
import { jsonText } from '../report/json.ts'
import { createLadder } from '../report/ladder.ts'
import { ladderSvg } from '../report/ladder-svg.ts'
import { ladderText } from '../report/ladder-text.ts'
import { pcapOf } from '../report/pcap.ts'
import { storyText, triedText } from '../report/story.ts'
import { commandLine, everywhere, sized, usage } from './lab-options.ts'
import { outputs, outputsHelp, writeOutputs } from './lab-outputs.ts'
import { parseOptions } from './options.ts'

const help = `Usage: nat-lab why PROFILE PROFILE [--seed S] [--trial N] [options]

Lets Alice, behind the first, and Bob, behind the second, meet once in the simulation, and tells what
happened: which datagram turned it, which box dropped it by which rule, and, if they did not meet,
what would have worked. All of it is read from the trace of the run, nothing from the profiles; what
would have worked is what did work when it was run.

Options:
  --seed S         the same seed tells the same story (1)
  --trial N        the Nth of the meetings of this pair in nat-lab matrix --seed S (1)
${outputsHelp}  --json           print {a, b, seed, trial, result, steps, verdict, why, tried, worked} as JSON, and
                   nothing else
  -h, --help       print this help

Example:
  nat-lab why portrest symrand --ladder

Exit codes: 0 told, 2 usage
`

const table = { seed: sized.seed, trial: { kind: 'count' }, ...outputs, ...everywhere } as const

export const command = async (args: readonly string[]): Promise<number> => {
  const options = parseOptions('nat-lab why', args, table, {}, 2)
  if (options['help']) {
    process.stdout.write(help)
    return 0
  }
  const names = options['_'] as string[]
  const [a, b] = names.map(name => siteNamed(name).name)
  if (a === undefined || b === undefined) throw usage('two profiles are needed, like nat-lab why portrest symrand')
  const [seed = 1, number = 1] = [options['seed'], options['trial']] as (number | undefined)[]
  const trial = planTrials({ pairs: [{ a, b }], trials: number, seed })[number - 1]
  if (!trial) throw usage(`--trial ${number}: there is none`)

  const telling = tell(trial)
  const { result, records, story } = telling
  const tried = result.connected ? undefined : whatWorks(trial)
  const ladder = createLadder(records, { decisive: story.decisive, remarks: telling.remarks })
  const title = `${a} x ${b}, seed ${seed}, trial ${number}`
  const again = commandLine(['why', a, b, '--seed', seed, '--trial', number])
  writeOutputs(options, { svg: () => ladderSvg(ladder, title), pcap: () => pcapOf(records) })
  if (options['json']) {
    const { steps, verdict, why } = story
    const worked = tried?.worked.map(({ text, connectedMs }) => ({ text, connectedMs }))
    process.stdout.write(
      `${jsonText({ a, b, seed, trial: number, result, steps, verdict, why, tried: tried?.tried, worked })}\n`,
    )
    return 0
  }
  const later = trial.first === 'alice' ? 'Bob' : 'Alice'
  const parts = [
    `Alice behind ${a}, Bob behind ${b}; ${later} starts ${(trial.offsetMs / 1000).toFixed(3)} s later.`,
    storyText(story),
    ...(tried ? [triedText(tried)] : []),
    ...(options['ladder'] ? [ladderText(ladder, colors)] : []),
    `Trace ${result.trace}. To repeat: ${again}`,
  ]
  process.stdout.write(`${parts.join('\n\n')}\n`)
  return 0
}
