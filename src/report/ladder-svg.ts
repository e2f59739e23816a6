// Law: pure. A ladder as SVG. What was dropped is told by a dashed line, a cross and words, what is decisive by a thick line
// and a diamond; color only repeats it.
import { type Endpoint, formatEndpoint, sameEndpoint } from '../endpoint.ts'
import { portsText } from '../lab/ports-text.ts'
import type { Ladder, Rung } from './ladder.ts'
import { type Layout, type PlacedLeg, type PlacedRung, gap, headHeight, layoutOf } from './ladder-layout.ts'
import { wordsOf } from './ladder-text.ts'
import { escaped } from './markup.ts'

/** Of Okabe and Ito's palette, which the colour-blind tell apart; lighter ones for the dark. */
export const ladderStyle = `
.ladder{--ink:#1b1f24;--paper:#fff;--faint:#8a929c;--sent:#0072b2;--dropped:#c04000;--mark:#7a4d00;font:11px ui-monospace,monospace}
@media (prefers-color-scheme:dark){.ladder{--ink:#e6e9ed;--paper:#14171b;--faint:#7d8590;--sent:#56b4e9;--dropped:#ff8c52;--mark:#f0c648}}
@media print{.ladder{--ink:#000;--paper:#fff;--faint:#666;--sent:#0072b2;--dropped:#c04000;--mark:#7a4d00}}
.ladder rect.paper{fill:var(--paper)}
.ladder text{fill:var(--ink);paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.ladder .life{stroke:var(--faint);stroke-width:1}.ladder .box .life{stroke-dasharray:2 3}
.ladder .name{font-weight:bold;font-size:13px;text-anchor:middle}.ladder .time{text-anchor:end;fill:var(--faint)}
.ladder .rung line{stroke:var(--sent);stroke-width:1.3}.ladder .rung .tip{fill:var(--sent)}
.ladder .rung.dropped line{stroke:var(--dropped);stroke-dasharray:6 3}.ladder .rung.dropped .tip{fill:var(--dropped)}
.ladder .cross{stroke:var(--dropped);stroke-width:2.5;fill:none}.ladder text.reason{fill:var(--dropped);font-weight:bold}
.ladder .decisive line{stroke-width:3}.ladder .decisive .diamond,.ladder .decisive .verdict{fill:var(--mark)}.ladder .verdict{font-weight:bold}
.ladder .rung:focus{outline:2px solid var(--mark);outline-offset:3px}.ladder .remark{font-style:italic}`

export const ladderSvg = (ladder: Ladder, title = 'Packet ladder'): string => {
  const layout = layoutOf(ladder)
  const { width, height, rungs } = layout
  const words = `${ladder.datagrams} datagrams between ${ladder.lifelines.map(({ name }) => name).join(', ')}`
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="ladder" viewBox="0 0 ${width} ${round(height)}" width="${width}" ` +
    `height="${round(height)}" role="group" aria-label="${escaped(`${title}: ${words}`)}"><style>${ladderStyle}</style>` +
    `<rect class="paper" width="100%" height="100%"/>` +
    lifelines(ladder, layout) +
    rungs.map(placed => rungSvg(placed, layout)).join('') +
    layout.remarks
      .map(({ remark, x, y }) => remarkText(x, y, remark.text, width) + timeText(y, remark.timeMs))
      .join('') +
    '</svg>\n'
  )
}

const lifelines = ({ lifelines }: Ladder, { columns, height }: Layout): string =>
  lifelines
    .map(({ name, isHost }) => {
      const x = columns.get(name) ?? 0
      const line = `<line class="life" x1="${x}" y1="${headHeight - 10}" x2="${x}" y2="${round(height)}"/>`
      return `<g class="${isHost ? 'host' : 'box'}">${line}${text(x, headHeight - 18, name, 'name')}</g>`
    })
    .join('')

const rungSvg = ({ rung, y, legs }: PlacedRung, { columns, width }: Layout): string => {
  const { journey, decisive } = rung
  const kind = ['rung', journey.dropped === undefined ? '' : 'dropped', decisive === undefined ? '' : 'decisive']
  const x = columns.get(journey.from) ?? 0
  return (
    `<g class="${kind.join(' ').trim()}" tabindex="0" role="img" data-id="${journey.id}" aria-label="${escaped(spoken(rung))}">` +
    `<title>${escaped(spoken(rung))}</title>` +
    timeText(y, journey.sentMs) +
    legs
      .map((leg, i) => legSvg(leg, i === 0 ? firstWords(rung) : changed(leg, legs[0], rung.spray !== undefined)))
      .join('') +
    (decisive === undefined ? '' : diamond(x, y)) +
    (legs.length === 0
      ? text(x + (isLast(x, width) ? -8 : 8), y - 4, `${firstWords(rung)} …`, '', isLast(x, width))
      : '') +
    '</g>'
  )
}

const spoken = (rung: Rung): string => `${rung.journey.sentMs.toFixed(3)} ms: ${wordsOf(rung)}`

const firstWords = ({ journey, count, spray, decisive }: Rung): string =>
  `${journey.label} → ${portsText(journey.destination, spray?.destinations)}${count > 1 ? ` ×${count}` : ''}` +
  (decisive === undefined ? '' : ' ◆')

/** What of the header is another one than on the first leg. */
const changed = ({ leg }: PlacedLeg, first: PlacedLeg | undefined, isSpray: boolean): string => {
  if (!first) return ''
  const textOf = (endpoint: Endpoint): string => (isSpray ? endpoint.address : formatEndpoint(endpoint))
  const parts = []
  if (!sameEndpoint(leg.source, first.leg.source)) parts.push(`as ${textOf(leg.source)}`)
  if (!sameEndpoint(leg.destination, first.leg.destination)) parts.push(`→ ${textOf(leg.destination)}`)
  return parts.join(' ')
}

const legSvg = (placed: PlacedLeg, words: string): string => {
  const { leg, x1, y1, x2, y2 } = placed
  const way = x2 < x1 ? -1 : 1
  const label = words === '' ? '' : text(x1 + 8 * way, y1 - 4, words, '', way < 0)
  const line = `<line x1="${x1}" y1="${round(y1)}" x2="${x2}" y2="${round(y2)}"/>`
  if (leg.dropped === undefined) return line + tip(placed) + label
  const where = leg.by === leg.to || leg.by === undefined ? '' : `${leg.by} `
  return line + cross(x2, y2) + label + text(x2 + 10 * way, y2 + 4, `${where}${leg.dropped}`, 'reason', way < 0)
}

/** Points where its line goes. */
const tip = ({ x1, y1, x2, y2 }: PlacedLeg): string => {
  const length = Math.hypot(x2 - x1, y2 - y1) || 1
  const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length]
  const corner = (side: number): string => `${round(x2 - 9 * ux - 4 * side * uy)} ${round(y2 - 9 * uy + 4 * side * ux)}`
  return `<path class="tip" d="M${x2} ${round(y2)}L${corner(1)}L${corner(-1)}z"/>`
}

const cross = (x: number, y: number): string => `<path class="cross" d="M${x - 5} ${round(y - 5)}l10 10m0 -10l-10 10"/>`

const diamond = (x: number, y: number): string => `<path class="diamond" d="M${x} ${round(y - 6)}l6 6l-6 6l-6 -6z"/>`

/** To the right of it there is no room. */
const isLast = (x: number, width: number): boolean => x + gap > width

const remarkText = (x: number, y: number, words: string, width: number): string =>
  isLast(x, width) ? text(x - 8, y, `${words} ●`, 'remark', true) : text(x + 8, y, `● ${words}`, 'remark')

const timeText = (y: number, ms: number): string => text(70, y, ms.toFixed(1), 'time')

const text = (x: number, y: number, content: string, kind: string, isEnd = false): string =>
  `<text x="${round(x)}" y="${round(y)}"${kind === '' ? '' : ` class="${kind}"`}${isEnd ? ' text-anchor="end"' : ''}>` +
  `${escaped(content)}</text>`

const round = (value: number): number => Math.round(value * 10) / 10
