// Law: no chance but the seed's. The figures that can be had, by name.
import { StageError } from '../errors.ts'
import { type NatProfile, profileNamed, profiles } from '../nat-profile.ts'
import { nearest } from '../nearest.ts'
import { birthday } from './birthday.ts'
import type { Figure, FigureOptions } from './figure.ts'
import { survives } from './lifetimes.ts'
import { prediction } from './prediction.ts'
import { notSimulated, requirements } from './requirements.ts'
import { surveys } from './surveys.ts'
import { timing } from './timing.ts'

/** What happens at which second, and the silence after it that Linux puts up with. */
const lifetimeRows = [
  ['nobody answers', [], 30],
  ['answered once, at once', [[1, 'in']], 30],
  [
    'a stream: answered, and talking after two seconds',
    [
      [1, 'in'],
      [3, 'out'],
    ],
    120,
  ],
] as const

const lifetimes = (): Figure => {
  const portrest = profileNamed('portrest')
  const rows = lifetimeRows.map(([what, script, theirs]) => [what, theirs, survives(portrest, script)] as const)
  return {
    name: 'lifetimes',
    about: 'How long a mapping of portrest lives in silence.',
    source: 'Linux, nf_conntrack-sysctl: nf_conntrack_udp_timeout, ..._stream',
    head: ['', 'Linux, s', 'ours, s'],
    rows,
    broken: rows.flatMap(([what, theirs, ours]) => (ours === theirs ? [] : [`${what}: ${ours} s, not ${theirs} s`])),
  }
}

const checklist = (): Figure => {
  const nats: readonly NatProfile[] = [...profiles.values()].filter(({ kind }) => kind === 'nat')
  const rows = Object.entries(requirements).map(([name, isMet]) => [
    name,
    ...nats.map(profile => (isMet(profile) ? 'pass' : 'FAIL')),
  ])
  return {
    name: 'rfc4787',
    about:
      'Which requirements of RFC 4787 each profile meets, by observation; Linux has lifetimes too short for REQ-5.',
    source: `RFC 4787 s.12. ${Object.entries(notSimulated)
      .map(([name, why]) => `${name}: ${why}`)
      .join('; ')}`,
    head: ['', ...nats.map(({ name }) => name)],
    rows,
    broken: [],
  }
}

const figures: Readonly<Record<string, (options: FigureOptions) => Figure>> = {
  birthday,
  prediction,
  lifetimes,
  rfc4787: checklist,
  time: timing,
  surveys,
}

export const figureNames = Object.keys(figures)

export const figureNamed = (name: string, options: FigureOptions): Figure => {
  const make = Object.hasOwn(figures, name) ? figures[name] : undefined
  if (make) return make(options)
  const meant = nearest(name, figureNames)
  const hint = meant === undefined ? '' : `did you mean ${meant}? `
  throw new StageError('usage', `no figure ${JSON.stringify(name)}: ${hint}There are ${figureNames.join(', ')}`)
}
