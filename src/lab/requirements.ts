// Law: observation alone. The requirements of RFC 4787, each as an experiment that a simulated NAT passes or fails.
import { formatEndpoint } from '../endpoint.ts'
import type { NatProfile } from '../nat-profile.ts'
import { behindNat, endpointOf, s1, s1b, s2, s2b } from './behind-nat.ts'

const seconds = 1000

/** Whether a mapping is there after `idleMs` in which, every ten seconds, something or nothing went out. */
const lasts = (profile: NatProfile, idleMs: number, refresh: 'nothing' | 'out'): boolean => {
  const lab = behindNat(profile)
  const socket = lab.inside(5000)
  const external = endpointOf(lab.seen(socket, s1))
  for (let leftMs = idleMs; leftMs > 0; leftMs -= 10 * seconds) {
    lab.rest(Math.min(10 * seconds, leftMs))
    if (leftMs > 10 * seconds && refresh === 'out') socket.send('still here', s1)
  }
  return lab.reaches(s1, external, socket)
}

/** Each gives whether a NAT meets it. */
export const requirements: Record<string, (profile: NatProfile) => boolean> = {
  'REQ-1 endpoint-independent mapping': profile => {
    const lab = behindNat(profile)
    const socket = lab.inside(5000)
    return new Set([s1, s1b, s2, s2b].map(remote => lab.seen(socket, remote))).size === 1
  },
  'REQ-2 paired pooling': profile => {
    const lab = behindNat({ ...profile, addresses: 4 })
    const addresses = Array.from({ length: 20 }, (_, i) => endpointOf(lab.seen(lab.inside(5000 + i), s1)).address)
    return new Set(addresses).size === 1
  },
  'REQ-3 no port overloading': ({ ports, ...profile }) => {
    // Thirty ports for forty flows: some can have none, or some share one.
    const lab = behindNat({ ...profile, ports: { ...ports, last: ports.first + 29 } })
    const mine = Array.from({ length: 20 }, (_, i) => lab.seen(lab.inside(5000 + i), s1))
    const theirs = Array.from({ length: 20 }, (_, i) => lab.seen(lab.inside(5000 + i, lab.neighbour), s2))
    const seen = [...mine, ...theirs].filter(each => each !== undefined)
    return new Set(seen).size === seen.length
  },
  'REQ-3a well-known ports stay below 1024, others above': profile => {
    const lab = behindNat(profile)
    const classes = [500, 5000].flatMap(port =>
      [lab.alice, lab.neighbour].map(host => {
        const seen = endpointOf(lab.seen(lab.inside(port, host), s1)).port
        return seen < 1024 === port < 1024
      }),
    )
    return classes.every(Boolean)
  },
  'REQ-4 parity, also where the port is taken': profile => {
    const lab = behindNat(profile)
    const ports = Array.from({ length: 20 }, (_, i) => 5000 + i + (i >> 1))
    const keeps = (port: number, host = lab.alice): boolean =>
      (endpointOf(lab.seen(lab.inside(port, host), s1)).port - port) % 2 === 0
    return ports.every(port => keeps(port)) && ports.every(port => keeps(port, lab.neighbour))
  },
  'REQ-5 two minutes at least': profile => lasts(profile, 119 * seconds, 'nothing'),
  // With random ports, a mapping that was made anew is not taken for the old one.
  'REQ-6 refreshed by what goes out': ({ ports, ...profile }) =>
    lasts({ ...profile, ports: { ...ports, assignment: 'random' } }, 1000 * seconds, 'out'),
  'REQ-8 no stricter than address-dependent filtering': profile => {
    const lab = behindNat(profile)
    const socket = lab.inside(5000)
    return lab.reaches(s1b, endpointOf(lab.seen(socket, s1)), socket)
  },
  'REQ-9 hairpinning, with the external source': profile => {
    const lab = behindNat(profile)
    const [mine, theirs] = [lab.inside(5000), lab.inside(6000, lab.neighbour)]
    const [my, their] = [lab.seen(mine, s1), lab.seen(theirs, s1)]
    theirs.send('a hole for strict filters', endpointOf(my))
    lab.rest()
    mine.send('over the hairpin', endpointOf(their))
    lab.rest()
    return theirs.heard.some(({ text, from }) => text === 'over the hairpin' && formatEndpoint(from) === my)
  },
  'REQ-10 no application gateway touches the payload': profile => {
    const lab = behindNat(profile)
    lab.inside(5000).send('I am 10.1.0.2:5000', s1)
    lab.rest()
    return lab.at(s1).heard[0]?.text === 'I am 10.1.0.2:5000'
  },
  'REQ-11 the same behavior when ports collide': profile => {
    const lab = behindNat(profile)
    lab.seen(lab.inside(5000), s1)
    const late = lab.inside(5000, lab.neighbour)
    const verdict = (socket: typeof late) => {
      const seen = [s2, s1, s2b].map(remote => lab.seen(socket, remote))
      return seen.map(each => seen.indexOf(each)).join()
    }
    return verdict(late) === verdict(lab.inside(7000, lab.neighbour))
  },
}

export const notSimulated = {
  'REQ-7': 'every segment has addresses of its own; an address in use on both sides is the one inside',
  'REQ-12': 'no ICMP, so none can end a mapping',
  'REQ-13': 'no fragments, and nothing is too large',
  'REQ-14': 'no fragments',
}
