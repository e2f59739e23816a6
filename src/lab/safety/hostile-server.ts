// S5: a server that lies in every way it can, to a client that looks for its peer.
import { decodeLines, decodeRegistration } from '../../dialects/phonebook/codec.ts'
import { samples } from '../../dialects/phonebook/samples.ts'
import type { Endpoint } from '../../endpoint.ts'
import { type Random, seededRandom } from '../../sim/random.ts'
import { words } from '../forger.ts'
import { mutated } from '../mutate.ts'
import { createStage, port } from '../stage.ts'
import type { WorldFigure } from './figure.ts'

const withinMs = 1000
/**
 * Of five addresses that were checked in the last 30 s the client leaves one for the truth: rule 5 puts the peace of third
 * parties first, and a server that names more of them gets the client to wait.
 */
const thirdParties = ['192.0.2.66', '192.0.2.67', '192.0.2.68', '192.0.2.69']
/** Entries of the peer at ever new addresses would be third parties too. */
const withoutEntries = samples.filter(sample => decodeLines(sample).length === 0)

const honest = 'abcdefghijklmnop'

type Asked = { readonly name: string; readonly from: Endpoint }
type Lie = (asked: Asked, random: Random) => readonly (string | Uint8Array)[]

const line = (name: string, { address, port }: Endpoint, more = '', count = 2): string =>
  `0,${count},${name},${address},${port},v=2,ok=1${more}\n`

const peerOf = (name: string): string => (name === 'alice' ? 'bob' : 'alice')
const below = (random: Random, most: number): number => Math.floor(random.next() * most)
const opaque = (random: Random): string => String(random.next()).slice(2, 18).padEnd(16, 'x')

const lies: Record<string, Lie> = {
  silence: () => [],
  garbage: (_asked, random) => Array.from({ length: 20 }, () => random.bytes(below(random, 1400))),
  'empty datagrams': () => ['', '\n', ' ', '\0'],
  'short entries': ({ name }) => ['0', '0,', '0,1', `0,1,${name}`, `0,1,${name},192.0.2.1`, `0,1,${name},192.0.2.1,`],
  'escape sequences': ({ name, from }) => [
    `0,1,\u001b[2J\u001b]0;owned\u0007,192.0.2.1,5000\n`,
    line(name, from, ',cookie=\u001b[31m'),
    `\u202e\u009b31m`,
  ],
  'mutations of what is valid': (_asked, random) => Array.from({ length: 20 }, () => mutated(withoutEntries, random)),
  'thousands of entries': (_asked, random) =>
    Array.from({ length: 100 }, (_, i) => {
      const at = (j: number): Endpoint => ({ address: `192.0.${i}.${j}`, port: 1 + below(random, 65_535) })
      return Array.from({ length: 30 }, (_, j) => line(`n${i * 30 + j}`, at(j), '', 4096)).join('')
    }),
  'entries that point at third parties': ({ name }, random) => [
    line(peerOf(name), {
      address: thirdParties[below(random, thirdParties.length)] ?? '',
      port: 1 + below(random, 65_535),
    }),
  ],
  'entries that point where nothing is to be sent': ({ name }) =>
    ['224.0.0.1', '255.255.255.255', '0.0.0.0', '127.0.0.1', '10.0.0.1', '169.254.1.1', '::1', '1.2.3'].map(address =>
      line(peerOf(name), { address, port: 7 }),
    ),
  'entries with wrong numbers': ({ name, from }) => [
    `-1,99999999999999999999,${name},${from.address},${from.port}\n`,
    `0,2,${peerOf(name)},192.0.2.1,65536\n0,2,${peerOf(name)},192.0.2.1,0\n0,2,${peerOf(name)},192.0.2.1,-1\n`,
  ],
  'another cookie each time': ({ name, from }, random) => [line(name, from, `,cookie=${opaque(random)}`)],
  'kicks: somebody else has the name': ({ name }, random) => [
    `0,2,${name},192.0.2.${below(random, 256)},${1 + below(random, 65_535)},v=2\n`,
  ],
  'wrong tokens': ({ name }, random) => [
    line(peerOf(name), { address: '192.0.2.66', port: 9 }, `,pair=${opaque(random)}`),
  ],
  'words of other dialects': () => ['ERROR:kicked', 'KICK', 'LIST_ACK:1', 'CONNECT_ACK', 'BYE', '__proto__'],
}

/** How long after the first true entry the two are connected. From then on the server tells the truth too, among its lies. */
const attempt = (seed: number): number => {
  const random = seededRandom(seed, 'hostile')
  const stage = createStage({ seed, trace: false, keepEvents: false, link: { latencyMs: 5 + random.next() * 45 } })
  const { world } = stage
  const kinds = Object.values(lies)
  const chosen = Array.from({ length: 1 + below(random, 5) }, () => kinds[below(random, kinds.length)] as Lie)
  const honestFromMs = 1000 + random.next() * 8000
  const socket = stage.hostOf('server').udp({ address: '0.0.0.0', port })
  const seen = new Map<string, Endpoint>()
  const tellTruth = (name: string): void => {
    const [own, peer] = [seen.get(name), seen.get(peerOf(name))]
    if (!own || !peer) return
    socket.send(words(line(name, own, `,cookie=${honest}`) + line(peerOf(name), peer, `,pair=${honest}`)), own)
  }
  socket.onDatagram((bytes, from) => {
    const request = decodeRegistration(bytes)
    if (typeof request === 'string') return
    seen.set(request.name, from)
    for (const lie of chosen)
      for (const said of lie({ name: request.name, from }, random))
        socket.send(typeof said === 'string' ? words(said) : said, from)
    if (world.now() >= honestFromMs) tellTruth(request.name)
  })
  world.after(honestFromMs, () => ['alice', 'bob'].forEach(tellTruth))
  const firstGoodMs = honestFromMs + 2 * stage.hostOf('server').link.latencyMs
  const alice = stage.startClient('alice', 'bob')
  const bob = stage.startClient('bob', 'alice')
  const isThere = (): boolean =>
    alice.client.endpoint?.address === bob.host.addresses()[0] && bob.client.state === 'connected'
  world.runUntil(isThere, honestFromMs + 30_000)
  const reachedMs = isThere() ? world.now() - firstGoodMs : Infinity
  world.run(world.now() + 5000) // and lives on
  return isThere() ? reachedMs : Infinity
}

export const hostileServer: WorldFigure = {
  id: 'S5',
  promised: `client against a hostile server: 0 crashes, at its true peer <= ${withinMs} ms after the first good entry`,
  measure(size) {
    const seeds = size === 'whole' ? 1000 : 50
    let slowestMs = 0
    for (let seed = 1; seed <= seeds; seed++) {
      try {
        const reachedMs = attempt(seed)
        if (reachedMs > withinMs) return { measured: `seed ${seed}: after ${reachedMs.toFixed(0)} ms`, pass: false }
        slowestMs = Math.max(slowestMs, reachedMs)
      } catch (error) {
        return { measured: `seed ${seed}: ${String(error)}`, pass: false }
      }
    }
    return { measured: `0 crashes, ${slowestMs.toFixed(0)} ms at most (${seeds} servers)`, pass: true }
  },
}
