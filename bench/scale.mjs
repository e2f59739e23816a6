// What a registration costs when the book grows. Who seeks somebody must not pay for the size of the book: two that seek
// each other in a book of N. When all N register in turn, what each of them needs is no longer in the processor's caches,
// and more of their registrations are pushed to the one they seek (at most twice a second each): that is printed too.
import { startServer } from './children.mjs'
import { optionsFor } from './cost.mjs'
import { openLoad } from './load.mjs'
import { fillBook, measure } from './registrations.mjs'
import { figure, median } from './stats.mjs'

const sizes = [1, 16, 256, 4096]
const rounds = 5
const mostFlat = 1.3

/** @type {readonly import('./registrations.mjs').Kind[]} */
const kinds = ['plain', 'packed', 'seek', 'seek']
const pair = 2

/** So that a round takes some 0.1 s. @param {import('./registrations.mjs').Kind} kind @param {number} size */
const registrationsFor = (kind, size) =>
  kind === 'seek' ? 4000 : kind === 'plain' ? 800 : Math.max(40, Math.floor(40_000 / Math.max(10, size)))

/** @param {(text: string) => void} progress */
export const run = async progress => {
  const figures = []
  for (const [i, kind] of kinds.entries()) {
    const isPair = kind === 'seek' && i === kinds.indexOf('seek')
    const load = await openLoad()
    const books = []
    for (const size of sizes) {
      progress(`scale: ${kind}, filling a book of ${size}`)
      const server = await startServer(optionsFor(kind))
      const book = await fillBook(load, server, kind, isPair ? Math.max(pair, size) : size, isPair ? pair : size)
      books.push({ size, server, book, us: /** @type {number[]} */ ([]), lost: 0 })
    }
    for (let round = 0; round < rounds; round++) {
      progress(`scale: ${kind}, round ${round + 1} of ${rounds}`)
      for (const each of books) {
        const result = await measure(load, each.server, each.book, registrationsFor(kind, each.size))
        each.us.push(result.us)
        each.lost += result.lost
      }
    }
    for (const { size, us, lost } of books) {
      figures.push(
        figure(`scale ${kind}: ${size} entries`, median(us), 'us', {
          note: `CPU per registration${kind !== 'seek' ? '' : isPair ? ' of two' : ' of all in turn'}${lost > 0 ? `; ${lost} LOST` : ''}`,
        }),
      )
    }
    if (isPair) {
      const costs = books.map(({ us }) => median(us))
      figures.push(
        figure('scale seek: dearest / cheapest', Math.max(...costs) / Math.min(...costs), 'x', {
          atMost: mostFlat,
          note: 'of two: the size of the book costs a seeker nothing',
        }),
      )
    }
    for (const { server } of books) server.stop()
    load.close()
  }
  return figures
}
