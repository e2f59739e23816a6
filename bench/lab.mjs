// The lab: a whole matrix, datagrams through simulated NATs, and minutes of silence. No sockets and no processes.
import { broken } from '../dist/lab/expectation.js'
import { cellOf, pairsOf, planTrials } from '../dist/lab/matrix.js'
import { meet } from '../dist/lab/meeting.js'
import { usualNames } from '../dist/lab/sites.js'
import { createTopology } from '../dist/lab/topology.js'
import { profileNamed } from '../dist/nat-profile.js'
import { figure, median } from './stats.mjs'

const trials = 20
const datagrams = 200_000
const players = 100
const silenceMs = 300_000

/** @param {(text: string) => void} progress */
export const run = async progress => [matrix(progress), ...throughput(progress), silence(progress)]

/** @param {(text: string) => void} progress */
const matrix = progress => {
  const pairs = pairsOf(usualNames)
  const startedMs = performance.now()
  const cells = pairs.map((pair, i) => {
    progress(`lab: pair ${i + 1} of ${pairs.length}`)
    return cellOf(pair, planTrials({ pairs: [pair], trials, seed: 1 }).map(meet))
  })
  const seconds = (performance.now() - startedMs) / 1000
  const always = cells.filter(({ connected }) => connected === trials).length
  return figure('lab: full matrix', seconds, 's', {
    atMost: 60,
    note: `${pairs.length} pairs x ${trials} meetings; ${always} always connect, ${broken(cells).length} not as they must`,
  })
}

/** @param {(text: string) => void} progress */
const throughput = progress =>
  [['portrest'], ['symrand'], ['portrest', 'symrand']].map(([home = '', provider]) => {
    const story = provider ? `${home} behind ${provider}` : home
    progress(`lab: datagrams through ${story}`)
    const { world, alice, server } = createTopology(profileNamed(home), profileNamed('none'), {
      seed: 1,
      trace: false,
      ...(provider && { cgnA: profileNamed(provider) }),
    })
    const echo = server.udp({ port: 7 })
    echo.onDatagram((bytes, from) => echo.send(bytes, from))
    let left = datagrams / 2
    for (let i = 0; i < players; i++) {
      const player = alice.udp()
      const send = () => player.send(new Uint8Array(40), { address: '203.0.113.10', port: 7 })
      player.onDatagram(() => left-- > 0 && send())
      send()
    }
    const started = process.cpuUsage()
    world.run(10 * datagrams)
    const { user, system } = process.cpuUsage(started)
    const { deliver } = world.trace.counts
    return figure(`lab: datagrams through ${story}`, Math.round(deliver / ((user + system) / 1e6)), '/CPU s', {
      atLeast: 100_000,
      note: `${deliver} delivered`,
    })
  })

/** @param {(text: string) => void} progress */
const silence = progress => {
  progress('lab: five minutes in silence')
  const place = { profileA: profileNamed('portrest'), profileB: profileNamed('portrest') }
  const times = Array.from({ length: 10 }, (_, seed) => {
    const startedMs = performance.now()
    const { connected } = meet({ place, seed, first: 'alice', offsetMs: 1000, stayMs: silenceMs })
    if (!connected) throw new Error(`lost each other, seed ${seed}`)
    return performance.now() - startedMs
  })
  return figure('lab: five minutes in silence', median(times), 'ms', { atMost: 200, note: `${times.length} runs` })
}
