// Books of N entries, and the registrations that are measured on them: as an older client, as a newer one that wants the
// whole book (packed), and as a newer one that seeks its partner, who seeks it too.
import { mostInFlight, beginsPacked } from './load.mjs'

/** @typedef {'plain' | 'packed' | 'seek'} Kind */
/** `datagrams`: of one answer; `perAnswer` of these count. */
/** @typedef {{ messages: Buffer[], datagrams: number, perAnswer: number, counts: import('./load.mjs').Counts }} Book */

const warmUp = 4000
const volleySize = 200

/**
 * Blanks behind an older client's name, so that its answer is paid for by the rule of three and not out of the buckets of
 * the courtesy, which would be empty after the first hundred. @param {string} text
 */
export const paying = text => text.padEnd(400)

/**
 * Fills the book of a fresh server, and warms it up.
 * @param {import('./load.mjs').Load} load @param {import('./children.mjs').Child} server
 * @param {Kind} kind @param {number} size @param {number} [registrants] so many of them register again when it is measured
 * @returns {Promise<Book>}
 */
export const fillBook = async (load, server, kind, size, registrants = size) => {
  const [first] = await load.collect(server, Buffer.from('name0 v=2 seek=nobody'.padEnd(1000)))
  const cookie = /cookie=([^,\n]+)/.exec(String(first))?.[1]
  if (!cookie) throw new Error(`no cookie in the answer ${first}`)
  const names = Array.from({ length: size }, (_, i) => `name${i}`)
  const text = {
    plain: (/** @type {number} */ i) => paying(`name${i}`),
    packed: (/** @type {number} */ i) => `name${i} v=2 cookie=${cookie}`,
    seek: (/** @type {number} */ i) => `name${i} v=2 seek=name${i ^ 1} cookie=${cookie}`,
  }[kind]
  // Seeking nobody has the shortest answer: a quick way to fill a book.
  const fillers = names.map(name => Buffer.from(`${name} v=2 seek=nobody cookie=${cookie}`))
  for (let i = 0; i < size; i += volleySize) {
    const part = fillers.slice(i, i + volleySize)
    await load.volley(server, part, part.length, beginsPacked)
  }
  const messages = names.slice(0, registrants).map((_, i) => Buffer.from(text(i)))
  const one = await load.collect(server, messages[0] ?? Buffer.alloc(0))
  const book = {
    messages,
    datagrams: one.length,
    perAnswer: kind === 'plain' ? one.length : 1,
    counts: kind === 'plain' ? () => true : beginsPacked,
  }
  await measure(load, server, book, Math.max(100, Math.floor(warmUp / one.length), kind === 'seek' ? registrants : 0))
  return book
}

/**
 * CPU time of the server per registration; every registration gets its answer before the next volley.
 * @param {import('./load.mjs').Load} load @param {import('./children.mjs').Child} server
 * @param {Book} book @param {number} registrations
 */
export const measure = async (load, server, { messages, datagrams, perAnswer, counts }, registrations) => {
  const most = Math.max(1, Math.min(volleySize, Math.floor(mostInFlight / datagrams)))
  let wanted = 0
  let got = 0
  let at = 0
  const before = await server.ask('cpu')
  for (let left = registrations; left > 0; left -= most) {
    const size = Math.min(most, left)
    const part = Array.from({ length: size }, () => /** @type {Buffer} */ (messages[at++ % messages.length]))
    wanted += size * perAnswer
    got += await load.volley(server, part, size * perAnswer, counts)
    if (got < wanted / 2) throw new Error(`the server has sent ${got} datagrams where ${wanted} were due`)
  }
  return { us: ((await server.ask('cpu')) - before) / registrations, lost: wanted - got }
}
