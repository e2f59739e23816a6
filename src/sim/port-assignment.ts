// Law: pure. Which external port a new mapping gets (RFC 4787 s.4.2); who holds which is asked, not known here.
import type { PortAssignment } from '../nat-profile.ts'
import { fnv1a64 } from './hash.ts'
import type { Random } from './random.ts'

export type PortWish = {
  readonly internalPort: number
  /** What the mapping depends on, as text: the same flow hashes to the same port. */
  readonly flow: string
  /** Ports beside those that the host's neighbouring ports were mapped to. */
  readonly besideNeighbours: readonly number[]
  isFree(port: number): boolean
}

/** A port, or undefined where every one of the range is taken. */
export type AssignPort = (wish: PortWish) => number | undefined

export const createPortAssignment = (ports: PortAssignment, random: Random): AssignPort => {
  const { first, last, step, parity, contiguity } = ports
  let next = first

  /** The first port that will do, from `start` on in steps of `by` and round the range. */
  const search = (start: number, by: number, { internalPort, isFree }: PortWish, low = first, high = last) => {
    const size = high - low + 1
    for (let tries = 0, port = start; tries < size; tries++, port = wrapped(port + by, low, size)) {
      if (parity && (port - internalPort) % 2 !== 0) continue
      if (isFree(port)) return port
    }
    return undefined
  }

  /** One draw, and the next free port from there. */
  const anyPort = (wish: PortWish, low = first, high = last): number | undefined =>
    search(low + Math.floor(random.next() * (high - low + 1)), 1, wish, low, high)

  const assign: Record<PortAssignment['assignment'], AssignPort> = {
    preserving(wish) {
      const { internalPort } = wish
      if (wish.isFree(internalPort)) return internalPort
      // RFC 4787 REQ-3a: the well-known ports stay among themselves.
      return internalPort < 1024 ? anyPort(wish, 1, 1023) : anyPort(wish)
    },
    sequential(wish) {
      const port = search(next, step, wish)
      if (port !== undefined) next = wrapped(port + step, first, last - first + 1)
      return port
    },
    random: wish => anyPort(wish),
    hashed: wish => search(first + (parseInt(fnv1a64(wish.flow).slice(8), 16) % (last - first + 1)), 1, wish),
  }

  return wish => {
    const beside = contiguity
      ? wish.besideNeighbours.find(port => port >= 1 && port <= 65535 && wish.isFree(port))
      : undefined
    return beside ?? assign[ports.assignment](wish)
  }
}

const wrapped = (port: number, low: number, size: number): number => low + ((((port - low) % size) + size) % size)
