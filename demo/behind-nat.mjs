// The demo behind NATs of one's choice: the production server and clients in a simulated world, whose clock goes as fast
// as ours. Needs no rights and no network.
import { setTimeout as sleep } from 'node:timers/promises'
import colors from 'picocolors'
import { createClientTranscript } from '../dist/cli/client-transcript.js'
import { createServerTranscript } from '../dist/cli/server-transcript.js'
import { directMessage } from '../dist/dialects/phonebook/peer.js'
import { placeOf, siteNamed } from '../dist/lab/sites.js'
import { fourSockets, port, stageIn } from '../dist/lab/stage.js'
import { createTopology } from '../dist/lab/topology.js'
import { whyOf } from '../dist/lab/why.js'
import { print, rowMs, show, showEnd, showHead } from './columns.mjs'

const help = `Usage: npm run demo [-- --nat NAT NAT]

Lets Alice and Bob meet: as processes on this computer, or in a simulation, Alice behind the first
NAT and Bob behind the second. The names are those of nat-lab matrix: none, portrest, symrand ...
`

const bobLaterMs = 1000
const limitMs = 20_000
/** From host to host, one way. */
const latencyMs = 25
const stepMs = 5
const plain = colors.createColors(false)

/** Resolves with the exit code. */
export const demonstrate = async args => {
  if (args[0] === '--help' || args[0] === '-h') {
    process.stdout.write(help)
    return 0
  }
  try {
    const [option, ...nats] = args
    if (option !== '--nat' || nats.length !== 2)
      throw new Error('give two NATs, like: npm run demo -- --nat portrest symrand')
    const [a, b] = nats.map(name => siteNamed(name))
    const place = placeOf(a, b)
    if (!place) throw new Error(`${a.name} and ${b.name} cannot be put together: there is no box to share`)
    return await run(place, `alice behind ${a.name} and bob behind ${b.name}`)
  } catch (error) {
    process.stderr.write(`demo: ${error.message}\n`)
    return 2
  }
}

const run = async (place, who) => {
  const ways = { aliceServer: { latencyMs }, bobServer: { latencyMs }, aliceBob: { latencyMs } }
  const topology = createTopology(place.profileA, place.profileB, { ...place, seed: 1, ways, trace: true })
  const { world } = topology
  const stage = stageIn(world, topology.hosts)
  const heard = new Set()

  const startClient = (name, peer) => {
    const line = text => show(name, text)
    const transcript = createClientTranscript({
      name,
      port,
      line,
      note: line,
      colors: plain,
      explain: true,
      isKnown: () => false,
      now: () => world.now(),
    })
    const side = stage.startClient(name, peer, {
      onEvent(event) {
        transcript(event)
        if (event.event === 'connected') world.after(0, () => side.client.send(directMessage(name, peer)))
        if (event.event === 'message') heard.add(name)
      },
    })
    return side
  }
  const untilReal = async startedMs => {
    await sleep(stepMs)
    world.run(performance.now() - startedMs)
  }

  showHead()
  const server = createServerTranscript(
    text => show('server', text),
    text => show('server', text),
    plain,
  )
  const startedMs = performance.now()
  stage.startServer({ listen: fourSockets('4'), onEvent: server.show })
  const alice = startClient('alice', 'bob')
  while (world.now() < bobLaterMs) await untilReal(startedMs)
  const bob = startClient('bob', 'alice')
  const bobMs = world.now()
  const isOver = () => [alice, bob].every(side => side.of('verdict').length > 0)
  while (heard.size < 2 && !isOver() && world.now() < bobMs + limitMs) await untilReal(startedMs)
  await sleep(2 * rowMs)

  const sides = [alice, bob]
  const sent = world.trace.records.filter(({ kind, box }) => kind === 'send' && box !== 'server').length
  const costs = `they have sent ${sent} datagrams, and every way takes ${latencyMs} ms`
  if (heard.size === 2) {
    const connectedMs = Math.max(...sides.map(side => side.first('connected').atMs)) - bobMs
    showEnd(
      `${who} talk directly, connected ${connectedMs.toFixed(0)} ms after bob's first word to the server: ${costs}.`,
    )
    return 0
  }
  const listeners = ['alice', 'bob'].filter((_, i) => sides[i].of('heard').length > 0)
  const why = whyOf(world.trace.records, listeners)
  showEnd(
    `${who} are not connected after ${((world.now() - bobMs) / 1000).toFixed(0)} s: what stopped them most is ${why}; ${costs}.`,
  )
  print('nat-lab matrix shows who gets through to whom.')
  return 1
}
