// Law: pure. How long it took to connect: a histogram as SVG, its bars with their counts for who cannot see them.
import { quantile } from '../lab/statistics.ts'
import { escaped } from './markup.ts'

const bars = 24
const [width, height, base] = [640, 170, 130]

/** Times in ms; `failed`: how many never did. */
export const distributionSvg = (times: readonly number[], failed: number, title: string): string => {
  const most = quantile(times, 0.98) ?? 0
  const step = niceStep(most / bars)
  const counts = Array<number>(bars).fill(0)
  // What is beyond the last bar is in it, and the axis says so.
  for (const time of times) {
    const bar = Math.min(bars - 1, Math.floor(time / step))
    counts[bar] = (counts[bar] ?? 0) + 1
  }
  const highest = Math.max(1, ...counts)
  const barWidth = (width - 60) / bars
  const shapes = counts.map((count, i) => {
    const tall = ((base - 20) * count) / highest
    const words = `${i * step} to ${i === bars - 1 ? 'more' : (i + 1) * step} ms: ${count}`
    return (
      `<rect class="bar" x="${(40 + i * barWidth).toFixed(1)}" y="${(base - tall).toFixed(1)}" ` +
      `width="${(barWidth - 2).toFixed(1)}" height="${tall.toFixed(1)}"><title>${words}</title></rect>`
    )
  })
  const ticks = [0, 6, 12, 18].map(
    i => `<text x="${(40 + i * barWidth).toFixed(1)}" y="${base + 16}">${(i * step).toFixed(0)}</text>`,
  )
  const shown = (share: number): string => `${quantile(times, share)?.toFixed(0) ?? '-'} ms`
  const words = `${times.length} connected: median ${shown(0.5)}, 95th percentile ${shown(0.95)}; ${failed} did not`
  return (
    `<figure class="distribution"><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(`${title}: ${words}`)}">` +
    `<line class="axis" x1="40" x2="${width - 20}" y1="${base}" y2="${base}"/><text x="4" y="24">${highest}</text>` +
    `${shapes.join('')}${ticks.join('')}<text x="${width - 20}" y="${base + 16}" text-anchor="end">ms and more</text></svg>` +
    `<figcaption>${escaped(`${title}: ${words}.`)}</figcaption></figure>`
  )
}

/** 1, 2 or 5 times a power of ten, not less than 1. */
const niceStep = (raw: number): number => {
  if (raw <= 1) return 1
  const power = 10 ** Math.floor(Math.log10(raw))
  return ([1, 2, 5, 10].find(factor => factor * power >= raw) ?? 10) * power
}
