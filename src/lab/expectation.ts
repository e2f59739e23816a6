// Law: pure. What two behaviors alone make certain, whatever the client does: the floor that a matrix is held against.
import { type IpVersions, type NatProfile, withoutTranslation } from '../nat-profile.ts'
import type { Cell } from './matrix.ts'
import { type Place, type Sites, builtInSites, placeOf, siteNamed } from './sites.ts'

const [EI, AD] = ['endpoint-independent', 'address-dependent']

const isNaive = ({ early }: NatProfile): boolean => early === 'naive'
const isBlocked = ({ kind }: NatProfile): boolean => kind === 'blocked'

/** One mapping for everybody: what the phonebook shows is where a hole can be punched. */
const hasOneEndpoint = ({ mapping }: NatProfile): boolean => mapping === EI

/** Whether the endpoint that the phonebook shows is open to whatever source the other side comes from. */
const isOpen = ({ kind, mapping, filtering }: NatProfile): boolean =>
  kind === 'public' || filtering === EI || (mapping === EI && filtering === AD)

/** True: each of them has to connect. False: none can. Undefined: it depends. */
export const mustConnect = ({ ip = '4', ...place }: Place): boolean | undefined => {
  const [four, six] = [mustOver4(place), mustOver4(over6(place))]
  if (ip !== 'both') return ip === '4' ? four : six
  return four || six || (four === six ? four : undefined)
}

/** No provider translates there, and who has the same one is behind a firewall of his own. */
const over6 = ({ profileA, profileB, shared }: Place): Place => ({
  profileA: withoutTranslation(profileA),
  profileB: withoutTranslation(profileB),
  ...(shared === 'nat' && { shared }),
})

const mustOver4 = ({ profileA, profileB, cgnA, cgnB, shared }: Place): boolean | undefined => {
  const [sideA, sideB] = [
    [profileA, ...(cgnA ? [cgnA] : [])],
    [profileB, ...(cgnB ? [cgnB] : [])],
  ]
  const all = [...sideA, ...sideB]
  if (all.some(isBlocked)) return shared === 'nat' ? undefined : false
  if (shared === 'nat') return true
  if (shared === 'cgn') return undefined // its hairpin decides
  if (all.some(isNaive)) return undefined // chance decides whose packet is early
  const isCertain = all.every(hasOneEndpoint) || sideA.every(isOpen) || sideB.every(isOpen)
  return isCertain ? true : undefined
}

/** In one line each: the cells that are not as they must be. */
export const broken = (cells: readonly Cell[], sites: Sites = builtInSites, ip?: IpVersions): string[] =>
  cells.flatMap(({ a, b, connected, trials }) => {
    const place = placeOf(siteNamed(a, sites), siteNamed(b, sites), ip)
    const must = place && mustConnect(place)
    if (must === undefined || connected === (must ? trials : 0)) return []
    return [`${a} x ${b}: ${connected} of ${trials} connected, ${must ? 'all' : 'none'} must`]
  })
