// Law: pure. Where the parts of a ladder stand, in pixels. Time runs downwards: what happened later stands lower, so that
// datagrams which crossed on their way cross here too; but a second in which nothing happens takes little room.
import type { Leg } from './journeys.ts'
import type { Ladder, Remark, Rung } from './ladder.ts'

export type PlacedLeg = {
  readonly leg: Leg
  readonly x1: number
  readonly y1: number
  readonly x2: number
  readonly y2: number
}
export type PlacedRung = {
  readonly rung: Rung
  readonly y: number
  readonly bottom: number
  readonly legs: readonly PlacedLeg[]
}
export type PlacedRemark = { readonly remark: Remark; readonly x: number; readonly y: number }

export type Layout = {
  readonly width: number
  readonly height: number
  readonly columns: ReadonlyMap<string, number>
  readonly rungs: readonly PlacedRung[]
  readonly remarks: readonly PlacedRemark[]
}

export const gutter = 130
export const gap = 250
export const headHeight = 40
const margin = 60
const startRoom = 32
const changeRoom = 18
const arrivalRoom = 9
const mostForTime = 30
const pixelsPerMs = 0.15

type Event = { readonly timeMs: number; readonly room: number; readonly place: (y: number) => void }

export const layoutOf = ({ lifelines, rungs, remarks }: Ladder): Layout => {
  const columns = new Map(lifelines.map(({ name }, i) => [name, gutter + i * gap]))
  const starts = new Map<Rung, number>()
  const arrivals = new Map<Leg, number>()
  const heights = new Map<Remark, number>()
  const events: Event[] = [
    ...rungs.flatMap(rung => [
      { timeMs: rung.journey.sentMs, room: startRoom, place: (y: number) => void starts.set(rung, y) },
      ...rung.journey.legs.map((leg, i) => ({
        timeMs: leg.arriveMs,
        room: i + 1 < rung.journey.legs.length ? changeRoom : arrivalRoom,
        place: (y: number) => void arrivals.set(leg, y),
      })),
    ]),
    ...remarks.map(remark => ({
      timeMs: remark.timeMs,
      room: startRoom,
      place: (y: number) => void heights.set(remark, y),
    })),
  ]
  const bottom = placed(events)

  const legsOf = (rung: Rung): PlacedLeg[] => {
    const { legs } = rung.journey
    return legs.map((leg, i) => {
      const before = legs.slice(0, i).findLast(one => one.to === leg.from && one.arriveMs <= leg.departMs)
      const y1 = (before && arrivals.get(before)) ?? starts.get(rung) ?? 0
      const x1 = columns.get(leg.from) ?? 0
      const x2 = columns.get(leg.to ?? '') ?? underWay(x1, columns.get(leg.towards ?? ''))
      return { leg, x1, y1, x2, y2: arrivals.get(leg) ?? y1 }
    })
  }
  return {
    width: gutter + (lifelines.length - 1) * gap + margin,
    height: bottom + startRoom,
    columns,
    rungs: rungs.map(rung => {
      const legs = legsOf(rung)
      const y = starts.get(rung) ?? 0
      return { rung, y, bottom: Math.max(y, ...legs.map(({ y2 }) => y2)), legs }
    }),
    remarks: remarks.map(remark => ({ remark, x: columns.get(remark.box) ?? gutter, y: heights.get(remark) ?? 0 })),
  }
}

const placed = (events: Event[]): number => {
  let y = headHeight
  let last = 0
  // A sort keeps the order of what happened at the same time.
  for (const { timeMs, room, place } of events.sort((a, b) => a.timeMs - b.timeMs)) {
    y += room + Math.min(mostForTime, (timeMs - last) * pixelsPerMs)
    last = timeMs
    place(y)
  }
  return y
}

const underWay = (x: number, towards: number | undefined): number =>
  x + (gap / 2) * (towards !== undefined && towards < x ? -1 : 1)
