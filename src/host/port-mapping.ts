// One forwarded port, from asking the gateway for it to taking it back.
import { setTimeout as sleep } from 'node:timers/promises'
import { isWildcard, parseAddress } from '../endpoint.ts'
import type { PortMappingNews } from '../host.ts'
import { type Gateway, defaultGateway, findUpnp, natPmpAt } from './gateway.ts'

/** It is near: an answer takes milliseconds, that of a slow one a second. */
const findWithinMs = 2000
const mapWithinMs = 2000
const unmapWithinMs = 2000
/** Often: a gateway that was restarted has forgotten it, and one may grant less than the hour that we ask for. */
const renewEveryMs = 600_000

export type PortMappingOptions = {
  readonly find?: (ending: AbortSignal) => Promise<Gateway>
  readonly renewMs?: number
}

/** `Host.mapPort`; the options are for tests. */
export const keepPortMapped = (
  port: number,
  onNews: (news: PortMappingNews) => void,
  { find = findGateway, renewMs = renewEveryMs }: PortMappingOptions = {},
): ((done: () => void) => void) => {
  const ending = new AbortController()
  let gateway: Gateway | undefined
  let external: number | undefined
  let failed = false
  let said = ''

  /** Where it is news. */
  const say = (news: PortMappingNews): void => {
    const text = JSON.stringify(news)
    if (ending.signal.aborted || text === said) return
    said = text
    onNews(news)
  }

  const renew = async (): Promise<void> => {
    try {
      if (!gateway || failed) gateway = await find(ending.signal)
      // Not interrupted by the end: whether the gateway has heard it would not be known.
      const signal = AbortSignal.timeout(mapWithinMs)
      const address = addressIn(await gateway.externalAddress(signal))
      external = await gateway.map(port, external ?? port, signal)
      failed = false
      say({ endpoint: { address, port: external }, protocol: gateway.protocol })
    } catch (error) {
      failed = true
      const { message } = error as Error
      say({ problem: error instanceof Problem ? message : `The router forwards no port (${message}): ${remedy}` })
    }
  }

  const keep = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      await renew()
      await sleep(failed ? renewMs / 10 : renewMs, undefined, { signal: ending.signal, ref: false }).catch(() => {})
    }
  }

  const kept = keep()

  const takeBack = async (): Promise<void> => {
    await kept
    if (external === undefined) return
    await gateway?.unmap(port, external, AbortSignal.timeout(unmapWithinMs)).catch(() => {})
  }

  return done => {
    ending.abort()
    void Promise.race([takeBack(), sleep(unmapWithinMs, undefined, { ref: false })]).then(done)
  }
}

/** One that needs no more words. */
class Problem extends Error {}

const remedy = 'see what its settings allow.'
const silence = 'No router answers UPnP-IGD or NAT-PMP: switch one of them on in its settings.'
const noAddress = 'The router does not say which address it has outside: is it online?'

const addressIn = (said: string): string => {
  const address = parseAddress(said)
  if (address === undefined || isWildcard(address)) throw new Problem(noAddress)
  return address
}

/** The first one that says which address it has outside, by whichever protocol. */
const findGateway = async (ending: AbortSignal): Promise<Gateway> => {
  const asking = new AbortController()
  const { signal } = asking
  const nearest = defaultGateway()
  const found = [findUpnp(signal), ...(nearest === undefined ? [] : [natPmpAt(nearest)])].map(async finding => {
    const gateway = await finding
    if (!gateway) throw new Problem(silence)
    addressIn(await gateway.externalAddress(signal))
    return gateway
  })
  // Not every wait in the library listens to the signal.
  const late = sleep(findWithinMs, undefined, { signal: ending, ref: false })
    .catch(() => {})
    .then(() => Promise.reject(new Problem(silence)))
  try {
    return await Promise.race([firstOf(found), late])
  } finally {
    asking.abort()
  }
}

/** Of several failures the one that tells more. */
const firstOf = (found: readonly Promise<Gateway>[]): Promise<Gateway> =>
  Promise.any(found).catch(({ errors }: AggregateError) => {
    const all = errors as Error[]
    throw all.find(({ message }) => message !== silence) ?? all[0]
  })
