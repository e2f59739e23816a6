// What the server keeps: of a full book, and of a flood of names that nobody heard of before.
import { startServer } from './children.mjs'
import { beginsPacked, openLoad } from './load.mjs'
import { paying } from './registrations.mjs'
import { figure } from './stats.mjs'

const capacity = 4096
const flood = 200_000
/** The flood's older clients; each of them gets 16 datagrams. */
const older = 20_000
const sockets = 200
const volleySize = 1000
const mostGrowthMiB = 16
/** Noise of the collector; what leaks keeps an entry. */
const mostHeapPerName = 10
const mebibyte = 1024 * 1024

/** @param {(text: string) => void} progress */
export const run = async progress => {
  const load = await openLoad(sockets)
  const server = await startServer({ capacity }, ['--expose-gc'])
  let lost = 0

  /** @param {number} from @param {number} to @param {boolean} newer */
  const register = async (from, to, newer) => {
    for (let at = from; at < to; at += newer ? volleySize : 100) {
      const size = Math.min(newer ? volleySize : 100, to - at)
      const messages = Array.from({ length: size }, (_, i) =>
        Buffer.from(newer ? `name${at + i} v=2 seek=name${at + i - 1}` : paying(`name${at + i}`)),
      )
      const wanted = size * (newer ? 1 : 16)
      lost += wanted - (await load.volley(server, messages, wanted, newer ? beginsPacked : () => true))
    }
  }
  const kept = async () => {
    const { rss, heapUsed, external } = await server.ask('memory')
    return { rss, kept: heapUsed + external }
  }

  progress('memory: a full book')
  // The same names again and again: the code is compiled, the buffers have their size, the book is small.
  for (let i = 0; i < 10; i++) await register(0, 64, true)
  const empty = await kept()
  await register(0, capacity, true)
  const full = await kept()
  let peak = full.rss
  progress(`memory: ${older} older clients`)
  await register(capacity, capacity + older, false)
  const warm = await kept()
  for (let at = older; at < flood; at += 30_000) {
    progress(`memory: ${at} of ${flood} names`)
    await register(capacity + at, capacity + Math.min(flood, at + 30_000), true)
    peak = Math.max(peak, (await kept()).rss)
  }
  const after = await kept()
  server.stop()
  load.close()
  const entries = capacity - 64
  const flooded = flood - older
  return [
    figure('memory: RSS with a full book', full.rss / mebibyte, 'MiB', {
      note: `${capacity} entries; ${(empty.rss / mebibyte).toFixed(1)} MiB with 64`,
    }),
    figure('memory: heap per entry', (full.kept - empty.kept) / entries, 'bytes'),
    figure('memory: RSS growth in a flood', (after.rss - warm.rss) / mebibyte, 'MiB', {
      atMost: mostGrowthMiB,
      note: `${flooded} new names from ${sockets} ports, after ${older}; peak ${(peak / mebibyte).toFixed(1)} MiB${lost > 0 ? `; ${lost} answers LOST` : ''}`,
    }),
    figure('memory: heap growth in a flood', (after.kept - warm.kept) / flooded, 'bytes/name', {
      atMost: mostHeapPerName,
      note: 'a name that leaks would keep some hundred',
    }),
  ]
}
