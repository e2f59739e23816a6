// What a registration costs when the book grows. Who seeks somebody must not pay for the size of the book. A seeker's
// registration is also pushed to the one it seeks, at most twice a second: in a large book to more of them than in a small
// one, so what is compared is the cost of a datagram that is sent.
import { startServer } from './children.mjs'
import { optionsFor } from './cost.mjs'
import { openLoad } from './load.mjs'
import { fillBook, measure } from './registrations.mjs'
import { figure, median } from './stats.mjs'

const sizes = [1, 16, 256, 4096]
const rounds = 5
const mostFlat = 1.3

/** @type {readonly import('./registrations.mjs').Kind[]} */
const kinds = ['plain', 'packed', 'seek']

/** So that a round takes some 0.1 s. @param {import('./registrations.mjs').Kind} kind @param {number} size */
const registrationsFor = (kind, size) =>
  kind === 'seek' ? 4000 : kind === 'plain' ? 800 : Math.max(40, Math.floor(40_000 / Math.max(10, size)))

/** @param {(text: string) => void} progress */
export const run = async progress => {
  const figures = []
  for (const kind of kinds) {
    const load = await openLoad()
    const books = []
    for (const size of sizes) {
      progress(`scale: ${kind}, filling a book of ${size}`)
      const server = await startServer(optionsFor(kind))
      const book = await fillBook(load, server, kind, size)
      books.push({
        size,
        server,
        book,
        us: /** @type {number[]} */ ([]),
        perDatagram: /** @type {number[]} */ ([]),
        lost: 0,
      })
    }
    for (let round = 0; round < rounds; round++) {
      progress(`scale: ${kind}, round ${round + 1} of ${rounds}`)
      for (const each of books) {
        const registrations = registrationsFor(kind, each.size)
        const before = await each.server.ask('counters')
        const result = await measure(load, each.server, each.book, registrations)
        const after = await each.server.ask('counters')
        each.us.push(result.us)
        each.perDatagram.push((result.us * registrations) / (after.datagramsOut - before.datagramsOut))
        each.lost += result.lost
      }
    }
    for (const { size, us, lost } of books) {
      figures.push(
        figure(`scale ${kind}: ${size} entries`, median(us), 'us', {
          note: `CPU per registration${lost > 0 ? `; ${lost} LOST` : ''}`,
        }),
      )
    }
    if (kind === 'seek') {
      const costs = books.map(({ perDatagram }) => median(perDatagram))
      figures.push(
        figure('scale seek: dearest / cheapest', Math.max(...costs) / Math.min(...costs), 'x', {
          atMost: mostFlat,
          note: `us a datagram: ${costs.map(cost => cost.toFixed(1)).join(', ')}; the size of the book costs a seeker nothing`,
        }),
      )
    }
    for (const { server } of books) server.stop()
    load.close()
  }
  return figures
}
