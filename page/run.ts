// One run in the page: its story, its ladder, what would have worked. All of it is simulated here and now.
import { whatWorks } from '../src/lab/remedies.ts'
import type { MeetingOptions, MeetingResult } from '../src/lab/meeting.ts'
import { tell } from '../src/lab/telling.ts'
import { createLadder } from '../src/report/ladder.ts'
import { ladderSvg } from '../src/report/ladder-svg.ts'
import { storyHtml, triedHtml } from '../src/report/story-html.ts'
import { escaped } from '../src/report/markup.ts'
import { made, walkable } from './dom.ts'

export type Shown = { readonly element: HTMLElement; readonly result: MeetingResult; readonly lastMs: number }

export const showRun = (options: MeetingOptions, title: string, command?: string): Shown => {
  const { result, records, story, remarks } = tell(options)
  const ladder = createLadder(records, { decisive: story.decisive, remarks })
  const again = command === undefined ? '' : ` The same on the command line: <code>${escaped(command)}</code>.`
  const tried = result.connected ? '' : triedHtml(whatWorks(options))
  const outcome = result.connected
    ? `Connected ${result.connectedMs?.toFixed(1)} ms after the later one started.`
    : 'They did not connect.'
  const element = made(
    `<section><h2>${escaped(title)}</h2>` +
      `<p>${outcome} Trace <code class="trace">${result.trace}</code>.${again}</p>` +
      `<div class="told">${storyHtml(story)}${tried}</div>` +
      `<div class="wide drawn" tabindex="-1">${ladderSvg(ladder, title)}</div></section>`,
  )
  walkable(element)
  return { element, result, lastMs: Math.max(0, ...ladder.rungs.map(({ journey }) => journey.sentMs)) }
}
