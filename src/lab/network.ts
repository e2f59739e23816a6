// Law: pure. What the ways between Alice, Bob and the server are like in one trial: drawn from ranges, on a map where no
// way is longer than the two others together.
import type { LinkOptions } from '../sim/link.ts'
import type { Random } from '../sim/random.ts'

export type Range = readonly [least: number, most: number]

type Ways = {
  /** One way. */
  readonly latencyMs: Range
  readonly jitterMs: Range
  /** 0 to 1. */
  readonly loss: Range
}

/** `direct`: between Alice and Bob, where that is unlike their ways to the server. */
export type Network = Ways & { readonly direct?: Ways }

/** Near and far, a little jitter, a little loss: no trial is like the other. */
export const variedNetwork: Network = { latencyMs: [1, 100], jitterMs: [0, 5], loss: [0, 0.02] }

const wire: Ways = { latencyMs: [0.05, 0.05], jitterMs: [0, 0], loss: [0, 0] }

/**
 * As in the kernel's namespaces, where a wire takes no time, but a process takes its own until it has read what the server
 * has sent: one of the two is always early.
 */
export const kernelNetwork: Network = { ...wire, jitterMs: [5, 5], direct: wire }

export const draw = ([least, most]: Range, random: Random): number => least + random.next() * (most - least)

type Drawn = { readonly aliceServer: Link; readonly bobServer: Link; readonly aliceBob: Link }
type Link = Pick<LinkOptions, 'latencyMs' | 'jitterMs' | 'loss'>

export const drawWays = ({ direct, ...ways }: Network, random: Random): Drawn => {
  const [aliceServer, bobServer] = [draw(ways.latencyMs, random), draw(ways.latencyMs, random)]
  const [least, most] = (direct ?? ways).latencyMs
  const between = draw([Math.max(least, direct ? 0 : Math.abs(aliceServer - bobServer)), most], random)
  const way = (latencyMs: number, { jitterMs, loss }: Ways): Link => ({
    latencyMs,
    jitterMs: draw(jitterMs, random),
    loss: draw(loss, random),
  })
  return {
    aliceServer: way(aliceServer, ways),
    bobServer: way(bobServer, ways),
    aliceBob: way(between, direct ?? ways),
  }
}
