// How long two of one endpoint each take to meet, against the bound that the speed of their ways sets.
import { profiles } from '../nat-profile.ts'
import { seededRandom } from '../sim/random.ts'
import type { Figure, FigureOptions } from './figure.ts'
import { meet } from './meeting.ts'
import { type Network, draw, drawWays } from './network.ts'
import { quantile } from './statistics.ts'

const plain: Network = { latencyMs: [1, 200], jitterMs: [0, 0], loss: [0, 0] }
const allowedMs = 20
const most = 300

/** Naive routers left out: whose datagram comes early is chance. */
const cones = [...profiles.values()].filter(
  ({ kind, mapping, early }) => kind !== 'blocked' && mapping === 'endpoint-independent' && early !== 'naive',
)

type Over = { readonly heardMs: number; readonly connectedMs: number }

/** The time beyond the bound: max(2 s_late, s_late + s_other) + p until heard, and p more until connected. */
export const overBound = (seed: string): Over => {
  const random = seededRandom(seed, 'pair')
  const pick = () => cones[Math.floor(random.next() * cones.length)] ?? cones[0]
  const [profileA, profileB] = [pick(), pick()]
  if (!profileA || !profileB) throw new RangeError('no profiles')
  const first = random.next() < 0.5 ? 'alice' : 'bob'
  const offsetMs = draw([2000, 60_000], random)
  const { aliceServer, bobServer, aliceBob } = drawWays(plain, seededRandom(seed, 'ways'))
  const [alice, bob, p] = [aliceServer, bobServer, aliceBob].map(way => way.latencyMs) as [number, number, number]
  const [late, other] = first === 'alice' ? [bob, alice] : [alice, bob]
  const bound = Math.max(2 * late, late + other) + p
  const result = meet({ place: { profileA, profileB }, seed, first, offsetMs, network: plain })
  return { heardMs: (result.heardMs ?? Infinity) - bound, connectedMs: (result.connectedMs ?? Infinity) - bound - p }
}

export const timing = ({ trials, seed }: FigureOptions): Figure => {
  const all = Array.from({ length: Math.min(trials, most) }, (_, i) => overBound(`${seed} ${i}`))
  const broken: string[] = []
  const rows = (['heardMs', 'connectedMs'] as const).map(field => {
    const over = all.map(each => each[field])
    const worst = Math.max(...over)
    const what = field === 'heardMs' ? 'heard, both ways' : 'connected, both ways'
    if (worst > allowedMs) broken.push(`${what}: ${worst.toFixed(1)} ms over the bound`)
    return [what, `<= ${allowedMs} ms`, ms(quantile(over, 0.5)), ms(quantile(over, 0.95)), ms(worst)]
  })
  return {
    name: 'time',
    about: `${all.length} pairs of one endpoint each, on random maps: the time to meet over what their ways make inevitable.`,
    source: 'the goal of this project: max(2 s_late, s_late + s_other) + p until heard, p more until connected',
    head: ['over the bound', 'goal', 'ours, median', 'p95', 'worst'],
    rows,
    broken,
  }
}

/** Sums of fractions are off in their last digits. */
const ms = (value = Infinity): string => `${(Math.abs(value) < 0.0005 ? 0 : value).toFixed(3)} ms`
