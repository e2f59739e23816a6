// Law: pure. What a pair's behaviors allow, whatever a client knows of them: the goal that a matrix is held against. Made
// of the profiles' own truth; of the client's it knows only the formula, and how much it sends.
import { mostShots } from '../client/manners.ts'
import { allPorts, hitProbability } from '../client/odds.ts'
import { type Parameters, ourParameters } from '../client/strategy.ts'
import { type IpVersions, type NatProfile, behaviors, withoutTranslation } from '../nat-profile.ts'
import type { Cell, Pair } from './matrix.ts'
import { type Place, type Sites, builtInSites, placeOf, siteNamed } from './sites.ts'

const [EI, , APD] = behaviors

export type Goal = {
  /** What gets them through: one endpoint each or an open side; counting on from a port; chance; nothing but a relay. */
  readonly by: 'checks' | 'prediction' | 'spray' | 'relay'
  /** Shares of the meetings, 0 to 1. */
  readonly least: number
  readonly most: number
  /** What chance gives where nothing is lost. */
  readonly theory?: number
}

/** Where chance decides, and allows it. */
const leastOfSpray = 0.97

const byChecks: Goal = { by: 'checks', least: 1, most: 1 }
const byPrediction: Goal = { by: 'prediction', least: 1, most: 1 }
const never: Goal = { by: 'relay', least: 0, most: 0 }

/** From the inside out. */
type Layers = readonly [NatProfile, ...NatProfile[]]

/** As the outside sees it: two layers count as the harder one. */
type Side = {
  readonly mapping: number
  readonly filtering: number
  /** Of new mappings; the ports where nobody can count them up. */
  readonly assignment: NatProfile['ports']['assignment']
  readonly ports: number
}

const sideOf = (layers: Layers): Side => {
  const boxes = layers.filter(({ kind }) => kind !== 'public')
  const moving = boxes.slice(boxes.findIndex(({ mapping }) => mapping !== EI))
  const hardest = (of: 'mapping' | 'filtering'): number => Math.max(0, ...boxes.map(box => behaviors.indexOf(box[of])))
  const chooser = moving.findLast(({ ports }) => ports.assignment !== 'preserving') ?? layers[0]
  const { assignment, first, last } = chooser.ports
  return { mapping: hardest('mapping'), filtering: hardest('filtering'), assignment, ports: last - first + 1 }
}

const hasOneEndpoint = ({ mapping }: Side): boolean => behaviors[mapping] === EI
const isFiltered = ({ filtering }: Side): boolean => behaviors[filtering] === APD

/** Whoever knows of the endpoint that the phonebook shows gets in, at the latest once this side has sent to his address. */
const isOpen = (side: Side): boolean => behaviors[side.filtering] === EI || (hasOneEndpoint(side) && !isFiltered(side))

/** Undefined: a hairpin decides, or ports that are preserved where they can be. */
export const goalOf = ({ ip = '4', ...place }: Place, amounts: Parameters = ourParameters): Goal | undefined => {
  const [four, six] = [goalOver4(place, amounts), goalOver4(over6(place), amounts)]
  if (ip !== 'both') return ip === '4' ? four : six
  const better = [four, six].find(goal => goal?.least === 1)
  return better ?? (four && six && (four.least > six.least ? four : six))
}

/** No provider translates there, and who has the same one is behind a firewall of his own. */
const over6 = ({ profileA, profileB, shared }: Place): Place => ({
  profileA: withoutTranslation(profileA),
  profileB: withoutTranslation(profileB),
  ...(shared === 'nat' && { shared }),
})

const goalOver4 = (
  { profileA, profileB, cgnA, cgnB, shared }: Place,
  { sockets, probes, rangeAware, window }: Parameters,
): Goal | undefined => {
  const [layersA, layersB]: [Layers, Layers] = [
    [profileA, ...(cgnA ? [cgnA] : [])],
    [profileB, ...(cgnB ? [cgnB] : [])],
  ]
  if ([...layersA, ...layersB].some(({ kind }) => kind === 'blocked')) return shared === 'nat' ? undefined : never
  if (shared === 'nat') return byChecks
  if (shared === 'cgn') return undefined
  const [one, other] = [sideOf(layersA), sideOf(layersB)]
  const moving = [one, other].filter(side => !hasOneEndpoint(side))
  if (moving.length === 0 || isOpen(one) || isOpen(other)) return byChecks
  if (moving.some(({ assignment }) => assignment === 'preserving')) return undefined
  // A mapping that is open to wherever the other side's probes come from can be hit.
  const targets = moving.filter(side => !isFiltered(side) || hasOneEndpoint(side === one ? other : one))
  const counting = (side: Side): boolean => side.assignment === 'sequential' && window > 0
  if (targets.length > 0 ? targets.some(counting) : moving.every(counting)) return byPrediction
  if (targets.length > 0) {
    const ports = rangeAware ? Math.max(...targets.map(({ ports }) => ports)) : allPorts.last - allPorts.first + 1
    const theory = hitProbability(ports, sockets, probes)
    return { by: 'spray', least: Math.min(leastOfSpray, theory), most: 1, theory }
  }
  // Each datagram opens one pair of ports, and the other side's own port has to be the one that was guessed.
  const guessed = moving.filter(side => !counting(side)).map(({ ports }) => ports)
  return { by: 'relay', least: 0, most: Math.min(1, mostShots / Math.min(...guessed)) }
}

/** In words, for each cell whose 95 % interval does not reach into what is due. */
export const broken = (
  cells: readonly Cell[],
  parameters = ourParameters,
  sites: Sites = builtInSites,
  ip?: IpVersions,
): string[] =>
  cells.flatMap(cell => {
    const { a, b, connected, trials, low, high } = cell
    const goal = goalOfPair(cell, parameters, sites, ip)
    if (!goal || (high >= goal.least && low <= goal.most)) return []
    const words = goal.most < 1 ? `at most ${percent(goal.most)} may` : `at least ${percent(goal.least)} must`
    return [`${a} x ${b}: ${connected} of ${trials} connected, ${words}`]
  })

export const goalOfPair = (
  { a, b }: Pair,
  parameters: Parameters = ourParameters,
  sites: Sites = builtInSites,
  ip?: IpVersions,
): Goal | undefined => {
  const place = placeOf(siteNamed(a, sites), siteNamed(b, sites), ip)
  return place && goalOf(place, parameters)
}

const percent = (share: number): string => `${Number((100 * share).toFixed(1))} %`
