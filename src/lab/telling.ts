// A meeting with all that can be told of it: its records, its story, what the clients said, and the hash of its trace.
import type { Plan } from '../client/strategy.ts'
import { type MeetingOptions, type MeetingResult, type Peer, meetIn, peers } from './meeting.ts'
import { type Recorded, record } from './recording.ts'
import { type Story, storyOf } from './story.ts'

export type Said = { readonly timeMs: number; readonly box: string; readonly text: string }

export type Telling = {
  readonly result: MeetingResult
  readonly records: readonly Recorded[]
  readonly story: Story
  /** What the clients said of it: what they meant to do and did, connected, lost. */
  readonly remarks: readonly Said[]
  /** What each of them meant to do in the end. */
  readonly plans: readonly string[]
}

const planText = ({ strategy, part, odds, because }: Plan): string => {
  const share = odds === undefined ? '' : `, ${Number((100 * odds).toFixed(2))} %`
  return `${strategy}${part === 'both' ? '' : `, ${part}`}${share}: ${because}`
}

export const tell = (options: MeetingOptions): Telling => {
  const remarks: Said[] = []
  const plans = new Map<Peer, string>()
  let records: readonly Recorded[] = []
  const { result } = meetIn({
    ...options,
    prepare(topology) {
      options.prepare?.(topology)
      records = record(topology.world)
    },
    onEvent(peer, event, atMs) {
      options.onEvent?.(peer, event, atMs)
      const say = (text: string): void => void remarks.push({ timeMs: atMs, box: peer, text })
      if (event.event === 'connected' || event.event === 'lost') say(event.event)
      if (event.event === 'attempt') say(`tries ${event.strategy}`)
      if (event.event !== 'plan') return
      plans.set(peer, planText(event))
      say(`plans ${planText(event)}`)
    },
  })
  return {
    result,
    records,
    story: storyOf(records, peers),
    remarks,
    plans: peers.flatMap(peer => (plans.has(peer) ? [`${peer} plans ${plans.get(peer)}.`] : [])),
  }
}
