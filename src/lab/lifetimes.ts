// Law: observation alone. How long a simulated NAT keeps a mapping, found by asking whether it is still there.
import type { NatProfile } from '../nat-profile.ts'
import { behindNat, s1 } from './behind-nat.ts'

const seconds = 1000

/** After one datagram out, and these at their seconds: the longest silence that the mapping survives, in seconds. */
export const survives = (profile: NatProfile, script: readonly (readonly [number, 'out' | 'in'])[]): number => {
  const lastMs = 1000 * (script.at(-1)?.[0] ?? 0)
  const isThere = (silenceMs: number): boolean => {
    const lab = behindNat(profile)
    const socket = lab.inside(5000)
    const external = { address: '198.51.100.2', port: 5000 }
    socket.send('first', s1)
    for (const [at, way] of script) {
      lab.world.after(at * seconds, () => (way === 'out' ? socket.send(way, s1) : lab.at(s1).send(way, external)))
    }
    lab.rest(lastMs + silenceMs)
    return lab.reaches(s1, external, socket)
  }
  let [low, high] = [0, 1000 * seconds]
  while (high - low > 100) {
    const middle = (low + high) / 2
    if (isThere(middle)) low = middle
    else high = middle
  }
  return Math.round(low / seconds)
}
