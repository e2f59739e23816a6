// A world's trace with what each datagram was: what the story, the ladder and the capture are made of.
import type { TraceRecord } from '../sim/trace.ts'
import type { World } from '../sim/world.ts'
import { labelOf } from './label.ts'

export type Recorded = TraceRecord & { readonly label: string; readonly bytes: Uint8Array }

/** From now on. The list grows while the world runs. */
export const record = (world: World): readonly Recorded[] => {
  const records: Recorded[] = []
  // A datagram keeps its number and its content on the way, so one copy of each serves all of its records.
  const known = new Map<number, { label: string; bytes: Uint8Array }>()
  world.trace.onRecord = (record, bytes) => {
    let content = known.get(record.id)
    if (!content) known.set(record.id, (content = { label: labelOf(bytes), bytes: Uint8Array.from(bytes) }))
    records.push({ ...record, ...content })
  }
  return records
}
