// Law: pure. Where a peer may sit: behind a profile, behind two of them, or with the other one behind the same box. What
// has a row in the matrix; and a pair of them as a topology.
import { StageError } from '../errors.ts'
import { type IpVersions, type NatProfile, profileNamed, profiles } from '../nat-profile.ts'
import { nearest } from '../nearest.ts'

export type Site =
  | { readonly name: string; readonly profile: NatProfile; readonly cgn?: NatProfile }
  /** In the other one's LAN, or another customer of his provider. */
  | { readonly name: string; readonly shares: 'nat' | 'cgn' }

export type Sites = ReadonlyMap<string, Site>

/** What a topology is made of, in either world. */
export type Place = {
  readonly profileA: NatProfile
  readonly profileB: NatProfile
  readonly cgnA?: NatProfile
  readonly cgnB?: NatProfile
  readonly shared?: 'nat' | 'cgn'
  /** Default 4. */
  readonly ip?: IpVersions
}

const hairpinning: NatProfile = { ...profileNamed('portrest'), name: 'portrest-hairpin', hairpinning: true }

const special: readonly Site[] = [
  { name: 'cgn', profile: profileNamed('portrest'), cgn: profileNamed('eim-random') },
  { name: 'cgn-hairpin', profile: profileNamed('portrest'), cgn: hairpinning },
  { name: 'same-nat', shares: 'nat' },
  { name: 'same-cgn', shares: 'cgn' },
]

const named = (sites: readonly Site[]): Sites => new Map(sites.map(site => [site.name, site]))

/** Every profile by its name, `cgn` (portrest behind a provider's eim-random), and who shares a box with the other. */
export const builtInSites: Sites = named([
  ...[...profiles.values()].map(profile => ({ name: profile.name, profile })),
  ...special,
])

/** The rows of a matrix, unless one asks for others. */
export const usualNames: readonly string[] = [...builtInSites.keys()].filter(name => name !== 'cgn-hairpin')

/** The built-in ones and one for each of somebody's own profiles. */
export const sitesWith = (own: readonly NatProfile[]): Sites =>
  named([...builtInSites.values(), ...own.map(profile => ({ name: profile.name, profile }))])

export const siteNamed = (name: string, sites: Sites = builtInSites): Site => {
  const found = sites.get(name)
  if (found) return found
  const names = [...sites.keys()]
  const meant = nearest(name, names)
  const hint = meant === undefined ? '' : `did you mean ${meant}? `
  throw new StageError('usage', `no profile ${JSON.stringify(name)}: ${hint}There are ${names.join(', ')}`)
}

/** Alice at `a`, Bob at `b`; undefined where there is nothing that the two could share. */
export const placeOf = (a: Site, b: Site, ip: IpVersions = '4'): Place | undefined => {
  const place = placeOver4(a, b)
  return ip === '4' ? place : place && { ...place, ip }
}

const placeOver4 = (a: Site, b: Site): Place | undefined => {
  if ('shares' in a) return undefined
  const mine = { profileA: a.profile, ...(a.cgn && { cgnA: a.cgn }) }
  if (!('shares' in b)) return { ...mine, profileB: b.profile, ...(b.cgn && { cgnB: b.cgn }) }
  if (b.shares === 'cgn') return a.cgn && { ...mine, profileB: a.profile, shared: 'cgn' }
  return a.profile.kind === 'nat' ? { ...mine, profileB: a.profile, shared: 'nat' } : undefined
}
