// Law: pure. A ladder as text, a line for each rung: `o` a box that passed it on, `>` who got it, `X` where it
// was dropped; `|` it only passes by.
import { type Endpoint, formatEndpoint, sameEndpoint } from '../endpoint.ts'
import { portsText } from '../lab/ports-text.ts'
import type { Journey } from './journeys.ts'
import type { Ladder, Rung } from './ladder.ts'

export type Paint = { readonly red: (text: string) => string; readonly bold: (text: string) => string }

const plain: Paint = { red: text => text, bold: text => text }
const gap = 12

export const ladderText = (ladder: Ladder, { red, bold }: Paint = plain): string => {
  const names = ladder.lifelines.map(({ name }) => name)
  const width = Math.max(gap, ...names.map(({ length }) => length + 2))
  const head = `${'ms'.padStart(11)}   ${names.map(name => name.padEnd(width)).join('')}`.trimEnd()
  const lines = ladder.rungs.map(rung => {
    const track = trackOf(rung.journey, names, width)
    const text = `${time(rung.journey.sentMs)} ${rung.decisive === undefined ? ' ' : '*'} ${track}  ${wordsOf(rung)}`
    const painted = rung.journey.dropped === undefined ? text : red(text)
    return { timeMs: rung.journey.sentMs, text: rung.decisive === undefined ? painted : bold(painted) }
  })
  const remarks = ladder.remarks.map(({ timeMs, box, text }) => {
    const track = [...blankTrack(names, width)]
    return { timeMs, text: `${time(timeMs)}   ${track.join('')}  -- ${box}: ${text}` }
  })
  // Equal times: a remark is of what came before it.
  const all = [...lines, ...remarks].sort((a, b) => a.timeMs - b.timeMs)
  return [head, ...all.map(({ text }) => text)].join('\n')
}

const time = (ms: number): string => ms.toFixed(3).padStart(11)

const blankTrack = (names: readonly string[], width: number): string =>
  names.map((_, i) => (i === names.length - 1 ? '|' : `|${' '.repeat(width - 1)}`)).join('')

const trackOf = ({ legs, delivered }: Journey, names: readonly string[], width: number): string => {
  const track = [...blankTrack(names, width)]
  const columnOf = (name: string | undefined): number => names.indexOf(name ?? '') * width
  for (const { from, to, towards, dropped } of legs) {
    const start = columnOf(from)
    const end = to === undefined ? between(start, columnOf(towards), width) : columnOf(to)
    if (start < 0 || end < 0) continue
    const step = Math.sign(end - start)
    for (let at = start + step; at !== end; at += step) if (track[at] === ' ') track[at] = '-'
    if (dropped !== undefined) track[end] = 'X'
    else track[end] = to === delivered ? (step > 0 ? '>' : '<') : 'o'
  }
  return track.join('')
}

/** Half a gap away, towards whom it was for; to the right where nobody knows. */
const between = (start: number, towards: number, width: number): number =>
  start + Math.floor(width / 2) * (towards >= 0 && towards < start ? -1 : 1)

/** `check 10.1.0.2:49152 > 192.0.2.2:49152 (nat-a: from 198.51.100.2:49152), dropped at nat-b: filtering`. */
export const wordsOf = ({ journey, count, lastMs, spray, decisive }: Rung): string => {
  const { label, source, destination, dropped, sentMs } = journey
  const changes = changesOf(journey, spray ? ({ address }) => address : formatEndpoint)
  return (
    `${label} ${portsText(source, spray?.sources)} > ${portsText(destination, spray?.destinations)}` +
    (changes.length > 0 ? ` (${changes.join(', ')})` : '') +
    (dropped === undefined ? '' : `, dropped at ${dropped.replace(' ', ': ')}`) +
    (count > 1 ? `, ${count} times until ${(lastMs - sentMs).toFixed(0)} ms later` : '') +
    (decisive === undefined ? '' : ` <- ${decisive}`)
  )
}

/** What the boxes on the way made of it. */
const changesOf = ({ legs, source, destination }: Journey, textOf: (endpoint: Endpoint) => string): string[] => {
  let [was, were] = [source, destination]
  return legs.flatMap(leg => {
    const said: string[] = []
    if (!sameEndpoint(leg.source, was)) said.push(`from ${textOf(leg.source)}`)
    if (!sameEndpoint(leg.destination, were)) said.push(`to ${textOf(leg.destination)}`)
    was = leg.source
    were = leg.destination
    return said.length > 0 ? [`${leg.from}: ${said.join(' ')}`] : []
  })
}
