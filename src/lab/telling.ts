// A meeting with all that can be told of it: its records, its story, what the clients said, and the hash of its trace.
import { type MeetingOptions, type MeetingResult, meetIn, peers } from './meeting.ts'
import { type Recorded, record } from './recording.ts'
import { type Story, storyOf } from './story.ts'

export type Said = { readonly timeMs: number; readonly box: string; readonly text: string }

export type Telling = {
  readonly result: MeetingResult
  readonly records: readonly Recorded[]
  readonly story: Story
  /** What the clients said of it: when each was heard, connected, lost. */
  readonly remarks: readonly Said[]
}

export const tell = (options: MeetingOptions): Telling => {
  const remarks: Said[] = []
  let records: readonly Recorded[] = []
  const { result } = meetIn({
    ...options,
    prepare(topology) {
      options.prepare?.(topology)
      records = record(topology.world)
    },
    onEvent(peer, event, atMs) {
      options.onEvent?.(peer, event, atMs)
      if (event.event === 'connected' || event.event === 'lost')
        remarks.push({ timeMs: atMs, box: peer, text: event.event })
    },
  })
  return { result, records, story: storyOf(records, peers), remarks }
}
