// Law: pure. An experiment out of a JSON file: whom to let meet, how, and what is expected; swept over any of its fields.
import * as v from 'valibot'
import { StageError } from '../errors.ts'
import { ipVersions } from '../nat-profile.ts'
import { object, oneOf, readProfile, whole } from '../own-profile.ts'
import { type Cell, type PlanOptions, type Trial, defaultOffsetsMs, pairsOf, planTrials } from './matrix.ts'
import { peers } from './meeting.ts'
import { type Range, variedNetwork } from './network.ts'
import { siteNamed, sitesWith } from './sites.ts'

/** One of a sweep: what its fields were set to, and its trials. */
export type Instance = { readonly settings: Readonly<Record<string, unknown>>; readonly trials: readonly Trial[] }

export type Expectation = {
  /** Shares connected, 0 to 1. */
  readonly atLeast?: number | undefined
  readonly atMost?: number | undefined
  readonly medianMs?: number | undefined
}

export type Experiment = {
  readonly about: string
  readonly instances: readonly Instance[]
  readonly expect: Expectation
}

const between = (least: number, most: number, what: string) => {
  const message = `must be ${what} from ${least} to ${most}`
  return v.pipe(v.number(message), v.minValue(least, message), v.maxValue(most, message))
}

/** One value, or a least and a most one. */
const rangeOf = (item: ReturnType<typeof between>, message: string) =>
  v.pipe(
    v.union([item, v.tuple([item, item])], `${message}, or a pair of them`),
    v.transform((value): Range => (typeof value === 'number' ? [value, value] : value)),
    v.check(([least, most]) => least <= most, 'must have its smaller number first'),
  )

const longestMs = 3_600_000
const ms = between(0, longestMs, 'a number of milliseconds')
const share = between(0, 1, 'a number')
const text = v.string('must be a text')
const pair = v.strictTuple([text, text], 'must be a pair of names')

const schema = object({
  about: v.pipe(text, v.nonEmpty('must say in a sentence what it shows')),
  profiles: v.array(v.unknown(), 'must be a list of profiles'),
  pairs: v.pipe(v.array(pair, 'must be a list of pairs of names'), v.nonEmpty('must not be empty')),
  matrix: v.pipe(v.array(text, 'must be a list of names'), v.nonEmpty('must not be empty')),
  trials: whole(1, 1_000_000),
  seed: whole(1, 999_999_999),
  first: oneOf([...peers, 'either']),
  ip: oneOf([...ipVersions]),
  offsetsMs: v.pipe(v.array(ms, 'must be a list of milliseconds'), v.nonEmpty('must not be empty')),
  network: object({
    latencyMs: rangeOf(ms, 'must be a number of milliseconds'),
    jitterMs: rangeOf(ms, 'must be a number of milliseconds'),
    loss: rangeOf(share, 'must be a number from 0 to 1'),
  }),
  limitMs: ms,
  stayMs: ms,
  sweep: v.record(v.string(), v.pipe(v.array(v.unknown(), 'must be a list'), v.nonEmpty('must not be empty'))),
  expect: object({ atLeast: share, atMost: share, medianMs: ms }),
})

type Read = v.InferOutput<typeof schema>

const wrong = (field: string, message: string): StageError =>
  new StageError('usage', `experiment: ${field === '' ? 'it' : field} ${message}`)

const validated = (value: unknown): Read => {
  const read = v.safeParse(schema, value, { abortEarly: true })
  if (!read.success) throw wrong(v.getDotPath(read.issues[0]) ?? '', read.issues[0].message)
  return read.output
}

/** What may be said anew where an experiment is run. */
export type Overrides = Partial<Pick<PlanOptions, 'trials' | 'seed'>>

/** Throws a `StageError` of one line that names the field and what it may be. */
export const readExperiment = (value: unknown, overrides: Overrides = {}): Experiment => {
  const { about, sweep = {}, expect = {} } = validated(value)
  if (about === undefined) throw wrong('about', 'must say in a sentence what it shows')
  for (const field of Object.keys(sweep)) {
    if (/^(about|sweep|expect)\b/.test(field)) throw wrong(`sweep.${field}`, 'is no field to sweep over')
  }
  const instances = combinations(Object.entries(sweep)).map(settings => {
    const one = Object.entries(settings).reduce((whole, [path, part]) => withField(whole, path.split('.'), part), value)
    return { settings, trials: planTrials({ ...planOf(validated(one)), ...overrides }) }
  })
  return { about, instances, expect }
}

const planOf = ({ profiles = [], pairs, matrix, network, trials = 20, seed = 1, ...rest }: Read): PlanOptions => {
  const sites = sitesWith(profiles.map(ownProfile))
  if ((pairs === undefined) === (matrix === undefined)) {
    throw wrong('pairs', 'or matrix must be there, and only one of them')
  }
  const named = (name: string, field: string): string => {
    try {
      return siteNamed(name, sites).name
    } catch (error) {
      throw wrong(field, `has ${(error as Error).message}`)
    }
  }
  const { first = 'either', ip = '4', offsetsMs = defaultOffsetsMs, limitMs, stayMs } = rest
  return {
    pairs: matrix
      ? pairsOf(
          matrix.map((name, i) => named(name, `matrix.${i}`)),
          sites,
        )
      : (pairs ?? []).map(([a, b], i) => ({ a: named(a, `pairs.${i}.0`), b: named(b, `pairs.${i}.1`) })),
    trials,
    seed,
    sites,
    ip,
    network: { ...variedNetwork, ...network } as typeof variedNetwork,
    offsetsMs,
    orders: first === 'either' ? peers : [first],
    ...(limitMs !== undefined && { limitMs }),
    ...(stayMs !== undefined && { stayMs }),
  }
}

const ownProfile = (value: unknown, i: number) => {
  try {
    return readProfile(value)
  } catch (error) {
    throw wrong(`profiles.${i}`, `is no ${(error as Error).message}`)
  }
}

/** Every choice of one value for each field. */
const combinations = (fields: readonly (readonly [string, readonly unknown[]])[]): Record<string, unknown>[] =>
  fields.reduce<Record<string, unknown>[]>(
    (found, [field, values]) => found.flatMap(one => values.map(value => ({ ...one, [field]: value }))),
    [{}],
  )

/** A copy with the field at the path set; what is missing on the way there is made. */
const withField = (whole: unknown, [key, ...rest]: readonly string[], part: unknown): unknown => {
  if (key === undefined) return part
  if (Array.isArray(whole)) return whole.map((item, i) => (String(i) === key ? withField(item, rest, part) : item))
  const object = typeof whole === 'object' && whole !== null ? (whole as Record<string, unknown>) : {}
  return { ...object, [key]: withField(object[key], rest, part) }
}

/** In words, what is not as expected of a cell. */
export const unmet = ({ atLeast, atMost, medianMs }: Expectation, cell: Cell): string[] => {
  const found = cell.connected / cell.trials
  return [
    ...(atLeast !== undefined && found < atLeast ? [`${found} connected, at least ${atLeast} expected`] : []),
    ...(atMost !== undefined && found > atMost ? [`${found} connected, at most ${atMost} expected`] : []),
    ...(medianMs !== undefined && (cell.medianMs ?? Infinity) > medianMs
      ? [`median ${cell.medianMs ?? 'never'}, at most ${medianMs} ms expected`]
      : []),
  ]
}
