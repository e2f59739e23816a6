// Law: pure. Who stands where in a ladder, by what the trace shows: Alice, her boxes, the server, Bob's boxes, Bob.
import type { Journey, Scene } from './journeys.ts'

/** From left to right. `isHost`: it sends and receives itself; else it is a box on the way. */
export type Lifeline = { readonly name: string; readonly isHost: boolean }

export const lifelinesOf = (journeys: readonly Journey[], { boxes }: Pick<Scene, 'boxes'>): Lifeline[] => {
  const hosts = new Set(
    journeys.flatMap(({ from, delivered }) => (delivered === undefined ? [from] : [from, delivered])),
  )
  const server = serverOf([...hosts], journeys)
  const toServer = new Map([...hosts].map(host => [host, chainOf(host, server, journeys, hosts)]))
  const known = new Set([...toServer.values()].flat())
  const doors = otherDoors(journeys, hosts)
  const chains = new Map(
    [...toServer].map(([host, chain]) => [host, [...chain, ...(doors.get(host) ?? []).filter(box => !known.has(box))]]),
  )
  const [first, ...others] = [...hosts].filter(host => host !== server).sort()
  const left: string[] = first === undefined ? [] : [first, ...(chains.get(first) ?? [])]
  const right: string[] = []
  for (const host of others) {
    const chain = chains.get(host) ?? []
    const shared = left.findIndex(name => chain.includes(name))
    // Who shares the other's box stands with him, behind it.
    if (shared > 0) left.splice(shared, 0, host, ...chain.filter(name => !left.includes(name)))
    else right.unshift(...chain.toReversed(), host)
  }
  const placed = [...left, ...(server === undefined ? [] : [server]), ...right]
  const rest = [...boxes].filter(box => !placed.includes(box))
  return [...placed, ...rest].map(name => ({ name, isHost: hosts.has(name) }))
}

/** The boxes between a host and the server, the nearest first: those that everything passes that comes there. */
const chainOf = (
  host: string,
  server: string | undefined,
  journeys: readonly Journey[],
  hosts: ReadonlySet<string>,
): string[] => {
  const own = journeys.filter(({ from }) => from === host)
  const arrived = own.filter(({ delivered }) => delivered !== undefined && delivered === server)
  const ways = (arrived.length > 0 ? arrived : own).map(({ legs }) =>
    legs.flatMap(({ to }) => (to === undefined || hosts.has(to) ? [] : [to])),
  )
  return [...new Set(ways[0])].filter(box => ways.every(way => way.length === 0 || way.includes(box)))
}

/** The boxes that something of one host, and of no other, passes first: a way out beside that to the server. */
const otherDoors = (journeys: readonly Journey[], hosts: ReadonlySet<string>): ReadonlyMap<string, string[]> => {
  const users = new Map<string, Set<string>>()
  for (const { from, legs } of journeys) {
    const first = legs[0]?.to
    if (first === undefined || hosts.has(first)) continue
    users.set(first, (users.get(first) ?? new Set()).add(from))
  }
  return new Map(
    [...hosts].map(host => [
      host,
      [...users].flatMap(([box, { size }]) => (size === 1 && users.get(box)?.has(host) ? [box] : [])),
    ]),
  )
}

/** The one by that name, else the one with whom the most others talk. */
const serverOf = (hosts: readonly string[], journeys: readonly Journey[]): string | undefined => {
  if (hosts.length < 3) return hosts.find(host => host === 'server')
  if (hosts.includes('server')) return 'server'
  const partners = new Map(hosts.map(host => [host, new Set<string>()]))
  for (const { from, delivered } of journeys) if (delivered !== undefined) partners.get(delivered)?.add(from)
  return hosts.toSorted((a, b) => (partners.get(b)?.size ?? 0) - (partners.get(a)?.size ?? 0))[0]
}
