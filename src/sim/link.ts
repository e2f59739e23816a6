// Law: pure. What a link does to one datagram: delay it, lose it, double it, or hold it back so that later ones overtake.
import type { Random } from './random.ts'

export type LinkOptions = {
  /** One way. */
  latencyMs: number
  /** Adds 0 to jitterMs, uniform, drawn for each copy: more jitter than the gap between datagrams reorders them. */
  jitterMs: number
  /** Probability that a datagram is lost, 0 to 1. */
  loss: number
  /** Probability that a datagram arrives twice, 0 to 1. */
  duplicate: number
  /** Probability that a copy is held back another 1 to `longestHoldMs` milliseconds, 0 to 1. */
  reorder: number
}

export const longestHoldMs = 20

export const perfectLink: Readonly<LinkOptions> = {
  latencyMs: 0,
  jitterMs: 0,
  loss: 0,
  duplicate: 0,
  reorder: 0,
}

/** The one-way delay in milliseconds of each copy that arrives; none where the datagram is lost. Unset options are 0. */
export const copyDelays = (link: Partial<LinkOptions>, random: Random): number[] => {
  if (happens(link.loss, random)) return []
  const delays = [copyDelay(link, random)]
  if (happens(link.duplicate, random)) delays.push(copyDelay(link, random))
  return delays
}

const copyDelay = (link: Partial<LinkOptions>, random: Random): number => {
  let delay = link.latencyMs ?? 0
  if (link.jitterMs) delay += random.next() * link.jitterMs
  if (happens(link.reorder, random)) delay += 1 + random.next() * (longestHoldMs - 1)
  return delay
}

const happens = (probability: number | undefined, random: Random): boolean =>
  probability !== undefined && probability > 0 && random.next() < probability
