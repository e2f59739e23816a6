// Law: pure. A NAT profile of somebody's own, read from JSON: what it leaves out is as in the profile it is `like`.
// Apart from its neighbour so that only who reads one loads valibot.
import * as v from 'valibot'
import { StageError } from './errors.ts'
import {
  type NatProfile,
  assignments,
  behaviors,
  earlyPolicies,
  kinds,
  poolings,
  profileNamed,
  profiles,
  refreshDirections,
} from './nat-profile.ts'

export const oneOf = <const T extends readonly string[]>(values: T) =>
  v.picklist(values, `must be one of ${values.join(', ')}`)

export const whole = (least: number, most: number) => {
  const message = `must be a whole number from ${least} to ${most}`
  return v.pipe(v.number(message), v.integer(message), v.minValue(least, message), v.maxValue(most, message))
}

const yesOrNo = v.boolean('must be true or false')
const behavior = oneOf(behaviors)
const port = whole(1, 65_535)
const lifetimeMs = whole(1, 86_400_000)

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value)

/** An object of these entries, each of which may be left out; no others. */
export const object = <const T extends v.ObjectEntries>(entries: T) => {
  const unknown = `is not one of ${Object.keys(entries).join(', ')}`
  return v.pipe(v.custom<object>(isObject, 'must be an object'), v.partial(v.strictObject(entries, unknown)))
}

const schema = object({
  name: v.pipe(v.string('must be a text'), v.regex(/^[\w-]{1,40}$/, 'must be 1 to 40 letters, digits, - or _')),
  like: oneOf([...profiles.keys()]),
  kind: oneOf(kinds),
  mapping: behavior,
  filtering: behavior,
  ports: object({
    assignment: oneOf(assignments),
    first: port,
    last: port,
    step: v.pipe(whole(-1000, 1000), v.notValue(0, 'must not be 0')),
    parity: yesOrNo,
    contiguity: yesOrNo,
    overloading: yesOrNo,
  }),
  lifetime: object({ unrepliedMs: lifetimeMs, streamMs: lifetimeMs, refresh: oneOf(refreshDirections) }),
  hairpinning: yesOrNo,
  early: oneOf(earlyPolicies),
  addresses: whole(1, 64),
  pooling: oneOf(poolings),
})

const wrong = (field: string, message: string): StageError =>
  new StageError('usage', `NAT profile: ${field === '' ? 'it' : field} ${message}`)

/** Throws a `StageError` of one line that names the field and what it may be. */
export const readProfile = (value: unknown): NatProfile => {
  const read = v.safeParse(schema, value, { abortEarly: true })
  if (!read.success) throw wrong(v.getDotPath(read.issues[0]) ?? '', read.issues[0].message)
  const { like = 'portrest', ports, lifetime, ...rest } = read.output
  const base = profileNamed(like)
  const filtering = rest.filtering ?? base.filtering
  // Undefined is what JSON cannot say, so a field that is there has a value.
  const profile = {
    ...base,
    name: `like-${like}`,
    ...rest,
    ports: { ...base.ports, overloading: filtering === behaviors[2] && base.ports.overloading, ...ports },
    lifetime: { ...base.lifetime, ...lifetime },
  } as NatProfile
  return checked(profile)
}

const checked = (profile: NatProfile): NatProfile => {
  const { ports, filtering } = profile
  if (ports.first > ports.last) throw wrong('ports.first', `must not be above ports.last, ${ports.last}`)
  if (ports.overloading && filtering !== behaviors[2]) {
    throw wrong(
      'ports.overloading',
      `must be false, or filtering ${behaviors[2]}: else nobody knows whose a datagram is`,
    )
  }
  if (profiles.has(profile.name)) throw wrong('name', `must not be that of a built-in profile, ${profile.name}`)
  return profile
}
