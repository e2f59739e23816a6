// Law: pure. What test-client --trace wrote down, as the records of a trace: of one peer, or of both on one time axis. What
// the boxes between them did nobody saw; a datagram that one sent and the other never got was lost somewhere.
import { labelOf } from '../lab/label.ts'
import type { Recorded } from '../lab/recording.ts'
import { type Endpoint, formatEndpoint, parseEndpoint } from '../endpoint.ts'
import { StageError } from '../errors.ts'
import type { Remark } from './ladder.ts'

type Datagram = {
  readonly timeMs: number
  readonly direction: 'sent' | 'received'
  readonly local: Endpoint
  readonly remote: Endpoint
  readonly content: string
}

export type RealTrace = {
  readonly name: string
  readonly peer: string
  readonly startedMs: number
  readonly datagrams: readonly Datagram[]
  readonly remarks: readonly Remark[]
  /** As text, the endpoints that the client took for servers. */
  readonly servers: ReadonlySet<string>
}

type Line = Readonly<Record<string, unknown>>

const remarked = ['registered', 'located', 'heard', 'connected', 'moved', 'lost', 'failed']

/** Throws a `StageError` that names the line. `parseTime`: an ISO date as milliseconds. */
export const readTrace = (text: string, file: string, parseTime: (iso: string) => number): RealTrace => {
  const [head, ...lines] = text
    .trimEnd()
    .split('\n')
    .map((line, i) => readLine(line, `${file}, line ${i + 1}`))
  if (head?.['trace'] !== 1) throw wrong(file, 'is no trace of test-client')
  const name = String(head['name'])
  return {
    name,
    peer: String(head['peer']),
    startedMs: parseTime(String(head['startedAt'])),
    datagrams: lines.flatMap((line, i) => ('datagram' in line ? [datagramOf(line, `${file}, line ${i + 2}`)] : [])),
    remarks: lines.flatMap(({ event, timeMs }) =>
      remarked.includes(String(event)) ? [{ timeMs: Number(timeMs), box: name, text: String(event) }] : [],
    ),
    servers: new Set(lines.flatMap(({ event, server }) => (event === 'registering' ? [String(server)] : []))),
  }
}

const wrong = (where: string, problem: string): StageError =>
  new StageError('usage', `${where} ${problem}: give a file that test-client --trace wrote`)

const readLine = (text: string, where: string): Line => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Line
  } catch {}
  throw wrong(where, 'is not a JSON object')
}

const datagramOf = ({ timeMs, datagram, local, remote, bytes }: Line, where: string): Datagram => {
  const [near, far] = [parseEndpoint(String(local)), parseEndpoint(String(remote))]
  if (!near || !far || typeof timeMs !== 'number' || typeof bytes !== 'string') throw wrong(where, 'is no datagram')
  return { timeMs, direction: datagram === 'sent' ? 'sent' : 'received', local: near, remote: far, content: bytes }
}

type Placed = Datagram & { readonly me: string; readonly far: string }

/** `decode`: base64 as bytes. */
export const recordsOf = (
  traces: readonly RealTrace[],
  decode: (base64: string) => Uint8Array,
): { records: Recorded[]; remarks: Remark[] } => {
  const offsets = offsetsOf(traces)
  const isShown = (name: string): boolean => traces.some(trace => trace.name === name)
  const all = traces
    .flatMap(({ name, peer, servers, datagrams }, i) =>
      datagrams.map((one): Placed => ({
        ...one,
        timeMs: one.timeMs + (offsets[i] ?? 0),
        me: name,
        far: servers.has(formatEndpoint(one.remote)) ? 'server' : peer,
      })),
    )
    .sort((a, b) => a.timeMs - b.timeMs)
  const waiting = new Map<string, { id: number; from: string; isLost: boolean; sent: Placed }[]>()
  const records: Recorded[] = []
  const add = (one: Placed, id: number, kind: Recorded['kind'], box: string, from: Endpoint, to: Endpoint): void => {
    const bytes = decode(one.content)
    const reason = kind === 'drop' ? ({ reason: 'loss' } as const) : {}
    records.push({
      timeMs: one.timeMs,
      kind,
      id,
      box,
      from,
      to,
      length: bytes.length,
      bytes,
      label: labelOf(bytes),
      ...reason,
    })
  }
  all.forEach((one, id) => {
    const { direction, me, far, local, remote, content } = one
    if (direction === 'sent') {
      add(one, id, 'send', me, local, remote)
      if (!isShown(far)) return add(one, id, 'deliver', far, local, remote)
      waiting.set(content, [...(waiting.get(content) ?? []), { id, from: me, isLost: true, sent: one }])
      return
    }
    const sent = waiting.get(content)?.find(({ from, isLost }) => from === far && isLost)
    if (sent) {
      sent.isLost = false
      return add(one, sent.id, 'deliver', me, remote, local)
    }
    add(one, id, 'send', far, remote, local)
    add(one, id, 'deliver', me, remote, local)
  })
  for (const { id, isLost, sent } of [...waiting.values()].flat()) {
    if (isLost) add(sent, id, 'drop', 'somewhere', sent.local, sent.remote)
  }
  const remarks = traces.flatMap(({ remarks }, i) =>
    remarks.map(remark => ({ ...remark, timeMs: remark.timeMs + (offsets[i] ?? 0) })),
  )
  return { records, remarks }
}

/** Added to the times of each, so that the later one fits the first: two clocks never agree. */
const offsetsOf = ([first, second]: readonly RealTrace[]): number[] => {
  if (!first) return []
  if (!second) return [0]
  const wallMs = second.startedMs - first.startedMs
  const there = quickest(first, second)
  const back = quickest(second, first)
  // Where both ways are known, the quickest of each are taken to be equally quick.
  if (there !== undefined && back !== undefined) return [0, (back - there) / 2]
  const least = Math.max(wallMs, there === undefined ? -Infinity : -there)
  return [0, Math.min(least, back === undefined ? Infinity : back)]
}

/** From one's clock to the other's, the least time that a datagram took. */
const quickest = (from: RealTrace, to: RealTrace): number | undefined => {
  const sent = new Map(
    from.datagrams.filter(({ direction }) => direction === 'sent').map(one => [one.content, one.timeMs]),
  )
  const times = to.datagrams.flatMap(({ direction, content, timeMs }) => {
    const at = direction === 'received' ? sent.get(content) : undefined
    return at === undefined ? [] : [timeMs - at]
  })
  return times.length === 0 ? undefined : Math.min(...times)
}
