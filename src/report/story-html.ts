// Law: pure. A story, and what would have worked, as HTML.
import type { Tried } from '../lab/remedies.ts'
import type { Story } from '../lab/story.ts'
import { escaped } from './markup.ts'
import { relay } from './story.ts'

export const storyHtml = ({ steps, verdict, why }: Story): string =>
  `<ol class="story">${steps
    .map(
      ({ timeMs, text, decisive }) =>
        `<li${decisive ? ' class="decisive"' : ''}><time>${timeMs.toFixed(3)}</time>${escaped(text)}</li>`,
    )
    .join('')}</ol>` +
  `<p class="verdict">${escaped(verdict)}${why === undefined ? '' : ` <span class="why">What stopped them: ${escaped(why)}.</span>`}</p>`

type Shown = {
  readonly tried: number
  readonly worked: readonly Pick<Tried['worked'][number], 'text' | 'connectedMs' | 'isTheirs'>[]
}

export const triedHtml = ({ tried, worked }: Shown): string => {
  if (worked.length === 0) return `<p>Of ${tried} other ways that were tried, none works: ${relay}</p>`
  const items = worked.map(
    ({ text, connectedMs }) => `<li>if ${escaped(text)}: connected after ${connectedMs.toFixed(1)} ms</li>`,
  )
  const last = worked.some(({ isTheirs }) => isTheirs) ? '' : `<p>As the boxes are, ${relay}</p>`
  return `<p>What would have worked, of ${tried} ways that were tried:</p><ul>${items.join('')}</ul>${last}`
}
