// What a registration costs the server's processor, against a loop that sends the same bytes without any thought.
import { startChild, startServer } from './children.mjs'
import { openLoad } from './load.mjs'
import { fillBook, measure } from './registrations.mjs'
import { figure, median } from './stats.mjs'

const pairs = 9
/** One datagram out for one in leaves the thinking nothing to hide behind: it has to be done while the loop does none. */
const targets = { plain: 0.85, packed: 0.55, seek: 0.55 }
/** The courtesy towards older clients would run dry after some eighty answers to one prefix. @param {string} kind */
export const optionsFor = kind => (kind === 'seek' ? {} : { classic: true })

/** @type {readonly { kind: import('./registrations.mjs').Kind, size: number, registrations: number, what: string }[]} */
const cases = [
  { kind: 'plain', size: 16, registrations: 2000, what: 'older client, 16 datagrams' },
  { kind: 'packed', size: 16, registrations: 10_000, what: 'v=2, 16 entries in one datagram' },
  { kind: 'seek', size: 64, registrations: 10_000, what: 'v=2 seek=, own entry and sought one' },
]

/** @param {(text: string) => void} progress */
export const run = async progress => {
  const figures = []
  for (const { kind, size, registrations, what } of cases) {
    const load = await openLoad()
    const ours = await startServer(optionsFor(kind))
    const bare = await startChild('bare-child.mjs')
    const book = await fillBook(load, ours, kind, size)
    const answer = await load.collect(ours, /** @type {Buffer} */ (book.messages[1]))
    await bare.ask('answer', answer.slice(0, kind === 'plain' ? size : 1))
    await measure(load, bare, book, registrations)
    const ratios = []
    const costs = []
    let lost = 0
    for (let pair = 0; pair < pairs; pair++) {
      progress(`cost: ${kind}, pair ${pair + 1} of ${pairs}`)
      const a = await measure(load, ours, book, registrations)
      const b = await measure(load, bare, book, registrations)
      ratios.push(b.us / a.us)
      costs.push({ ours: a.us, bare: b.us })
      lost += a.lost + b.lost
    }
    const [us, bareUs] = [median(costs.map(cost => cost.ours)), median(costs.map(cost => cost.bare))]
    figures.push(
      figure(`cost ${kind}: bare loop / server`, median(ratios), 'x', {
        atLeast: targets[kind],
        note: `${us.toFixed(1)} us against ${bareUs.toFixed(1)} us CPU; ${what}${lost > 0 ? `; ${lost} LOST` : ''}`,
      }),
    )
    for (const child of [ours, bare]) child.stop()
    load.close()
  }
  return figures
}
