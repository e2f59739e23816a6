// Law: pure. Port prediction against a NAT of sequential ports: the ports that the server saw, and so many after them, as
// the client guesses them. It works as long as fewer other flows than that began in between.
import { nextPorts, sequenceOf } from '../client/odds.ts'
import { ourParameters } from '../client/strategy.ts'
import type { Endpoint } from '../endpoint.ts'
import { profileNamed } from '../nat-profile.ts'
import { createMappings } from '../sim/mappings.ts'
import { seededRandom } from '../sim/random.ts'
import type { Figure, FigureCell, FigureOptions } from './figure.ts'
import { meet } from './meeting.ts'
import { wilson } from './statistics.ts'

const nat = '198.51.100.2'
const socket: Endpoint = { address: '10.1.0.2', port: 5000 }
const servers: readonly Endpoint[] = [8080, 8081, 8082].map(port => ({ address: '203.0.113.10', port }))
const elsewhere: Endpoint = { address: '203.0.113.77', port: 443 }
const peer: Endpoint = { address: '192.0.2.2', port: 5000 }

/** Whether one of the `window` ports after the sampled ones is the punch's, with `noise` other flows in between. */
export const predicts = (window: number, noise: number, seed: string): boolean => {
  const random = seededRandom(seed, 'flows')
  const mappings = createMappings({ profile: profileNamed('symseq'), addresses: [nat], random, most: 65_536 })
  let flows = 0
  const others = (count: number): void => {
    for (let i = 0; i < count; i++) mappings.outbound({ address: '10.1.0.3', port: 10_000 + flows++ }, elsewhere, 0)
  }
  others(Math.floor(random.next() * 900)) // anywhere in the sequence
  const samples = servers.flatMap(server => {
    const made = mappings.outbound(socket, server, 0)
    return typeof made === 'string' ? [] : made.from.port
  })
  others(noise)
  mappings.outbound(socket, peer, 0)
  const sequence = sequenceOf(samples)
  return (sequence ? nextPorts(sequence, window) : []).some(
    port => typeof mappings.inbound({ address: nat, port }, peer, 0) !== 'string',
  )
}

/** Measured in the kernel when the client was planned: window, other flows, of forty. */
const published = [
  [5, 3, 40],
  [5, 8, 0],
  [50, 30, 40],
] as const
const ofKernel = 40
/** The client's own window, at its edge. */
const { window: own } = ourParameters
const edge = [
  [own, own - 1, ofKernel],
  [own, own, 0],
] as const
const meetings = 20

export const prediction = ({ seed }: FigureOptions): Figure => {
  const broken: string[] = []
  const rows = [...published, ...edge].map(([window, noise, theirs], i): FigureCell[] => {
    const isPublished = i < published.length
    const seeds = Array.from({ length: ofKernel }, (_, i) => `${seed} ${window} ${noise} ${i}`)
    const ours = seeds.filter(own => predicts(window, noise, own)).length
    if (ours !== theirs) broken.push(`window ${window}, ${noise} other flows: ${ours}, not ${theirs} of ${ofKernel}`)
    const name = `window ${window}${isPublished ? '' : ', ours'}`
    return [name, noise, isPublished ? `${theirs}/${ofKernel}` : '', `${ours}/${ofKernel}`, interval(ours, ofKernel)]
  })
  const place = { profileA: profileNamed('symseq'), profileB: profileNamed('portrest') }
  const met = Array.from({ length: meetings }, (_, i) =>
    meet({ place, seed: `${seed} ${i}`, first: i % 2 === 0 ? 'alice' : 'bob', offsetMs: 1000 }),
  ).filter(({ connected }) => connected).length
  if (met < meetings) broken.push(`the client: ${met} of ${meetings} meetings`)
  return {
    name: 'prediction',
    about:
      'The next ports of a sequential NAT, guessed: good while fewer other flows begin in between than are guessed.',
    source: 'this project, Linux with nftables, 40 runs each',
    head: ['', 'other flows', 'kernel', 'ours', '95 %'],
    rows: [...rows, ['meetings', 0, '', `${met}/${meetings}`, interval(met, meetings)]],
    broken,
  }
}

const interval = (successes: number, trials: number): string => {
  const { low, high } = wilson(successes, trials)
  return `${low.toFixed(3)}-${high.toFixed(3)}`
}
