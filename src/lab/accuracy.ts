// Law: pure. How often verdicts are right: profiles with parameters drawn at random, their truth as far as it can be seen
// from a socket, and the confusion of the two.
import type { Verdict } from '../behavior/verdict.ts'
import { type NatProfile, behaviors, earlyPolicies, profileNamed, profiles } from '../nat-profile.ts'
import type { Random } from '../sim/random.ts'

const [EI] = behaviors

export const properties = ['mapping', 'filtering', 'ports', 'hairpinning', 'early'] as const
export type Property = (typeof properties)[number]
/** Of each property; undefined where no answer came at all. */
export type Words = Readonly<Record<Property, string>> | undefined

/** `unseen`: no socket behind such a NAT can tell, and the right answer is `unknown`. */
export const unseen = 'unseen'

export const truthOf = (profile: NatProfile): Words => {
  const { kind, mapping, filtering, ports, hairpinning, early } = profile
  if (kind === 'blocked') return undefined
  if (kind === 'public')
    return { mapping: EI, filtering: EI, ports: 'preserving', hairpinning: 'not applicable', early: 'let in' }
  const isNat = kind === 'nat'
  const preserves = !isNat || ports.assignment === 'preserving'
  const pattern = ports.assignment === 'sequential' ? `sequential ${ports.step}` : 'no pattern'
  return {
    mapping: isNat ? mapping : EI,
    filtering,
    ports: preserves ? 'preserving' : ports.contiguity ? 'contiguous' : pattern,
    hairpinning: !isNat ? 'not applicable' : hairpinning ? 'yes' : mapping === EI || filtering === EI ? 'no' : unseen,
    early: filtering === EI ? 'let in' : isNat && mapping !== EI ? unseen : early === 'naive' ? 'naive' : 'harmless',
  }
}

export const wordsOf = (verdict: Verdict | undefined): Words =>
  verdict && {
    mapping: verdict.mapping.is,
    filtering: verdict.filtering.is,
    ports: verdict.ports.is === 'sequential' ? `sequential ${verdict.ports.delta}` : verdict.ports.is,
    hairpinning: verdict.hairpinning.is,
    early: verdict.early.is,
  }

export type Outcome = 'right' | 'wrong' | 'unknown'

/** One property of one run. Where hairpinning may be unseen, having seen it is right too. */
export const outcomeOf = (truth: Words, said: Words, property: Property): Outcome => {
  if (!truth || !said) return truth === said ? 'right' : 'wrong'
  const [is, found] = [truth[property], said[property]]
  if (is === found || (is === unseen && found === 'unknown')) return 'right'
  return found === 'unknown' ? 'unknown' : 'wrong'
}

/** What the kernel can't imitate is not drawn for it. */
export const drawProfile = (name: string, random: Random, world: 'sim' | 'kernel'): NatProfile => {
  const base = profileNamed(name)
  if (base.kind !== 'nat') return base
  const between = (low: number, high: number): number => low + Math.floor(random.next() * (high - low + 1))
  const often = (share: number): boolean => random.next() < share
  const { ports, mapping, filtering } = base
  const size = between(1000, 4000)
  const first = between(1024, (mapping === EI ? 32_767 : 65_535) - size)
  const isDrawn = ports.assignment !== 'preserving'
  const isSequential = ports.assignment === 'sequential'
  const isSim = world === 'sim'
  const sees = mapping === EI || filtering === EI
  return {
    ...base,
    ports: {
      ...ports,
      ...(isDrawn && { first, last: first + size }),
      ...(isSequential && { step: between(1, 9) }),
      contiguity: isSim && isDrawn && !isSequential && often(0.3),
    },
    lifetime: { ...base.lifetime, unrepliedMs: 1000 * between(20, 60), streamMs: 1000 * between(60, 300) },
    // What comes back through a filter that depends on the port is seen or not as chance has it.
    hairpinning: sees && often(0.5),
    early: name.endsWith('naive') ? 'naive' : (earlyPolicies[often(0.5) ? 0 : 1] ?? 'drop'),
  }
}

export type Said = {
  readonly truth: Words
  readonly said: Words
  readonly ms: number
}

export type Score = Readonly<Record<Outcome, number>>

export type Row = {
  readonly name: string
  readonly runs: number
  readonly by: Readonly<Record<Property, Score>>
  /** The longest until the verdict. */
  readonly slowestMs: number
  /** What was wrong, said in words. */
  readonly mistakes: readonly string[]
}

export const rowOf = (name: string, runs: readonly Said[]): Row => {
  const count = (property: Property): Score => {
    const score = { right: 0, wrong: 0, unknown: 0 }
    for (const { truth, said } of runs) score[outcomeOf(truth, said, property)]++
    return score
  }
  const mistakes = runs.flatMap(({ truth, said }) =>
    properties.flatMap(property =>
      outcomeOf(truth, said, property) === 'wrong'
        ? [`${name}: ${property} is ${truth?.[property] ?? 'no answer'}, said ${said?.[property] ?? 'no answer'}`]
        : [],
    ),
  )
  return {
    name,
    runs: runs.length,
    by: Object.fromEntries(properties.map(property => [property, count(property)])) as Row['by'],
    slowestMs: Math.max(0, ...runs.map(({ ms }) => ms)),
    mistakes: [...new Set(mistakes)],
  }
}

/** Each profile so many times, in an order that says nothing. */
export const shuffledNames = (names: readonly string[], times: number, random: Random): string[] =>
  names
    .flatMap(name => Array.from({ length: times }, () => ({ name, place: random.next() })))
    .sort((a, b) => a.place - b.place)
    .map(({ name }) => name)

export const everyProfile: readonly string[] = [...profiles.keys()]

export type Confusion = { readonly truth: string; readonly said: Readonly<Record<string, number>> }[]

/** Of one property: what was said, by what is true. */
export const confusionOf = (property: Property, runs: readonly Said[]): Confusion => {
  const found = new Map<string, Record<string, number>>()
  for (const { truth, said } of runs) {
    const is = kindOf(truth?.[property])
    const word =
      kindOf(said?.[property]) +
      (kindOf(said?.[property]) === is && said?.[property] !== truth?.[property] ? otherStep : '')
    const row = found.get(is) ?? {}
    found.set(is, { ...row, [word]: (row[word] ?? 0) + 1 })
  }
  return [...found].map(([truth, said]) => ({ truth, said })).sort((a, b) => (a.truth < b.truth ? -1 : 1))
}

const otherStep = ', other step'

/** All sequences in one column. */
const kindOf = (word = 'no answer'): string => word.replace(/ -?\d+$/, '')
