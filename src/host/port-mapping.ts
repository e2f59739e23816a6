// One forwarded port, from asking the gateway for it to taking it back.
import { setTimeout as sleep } from 'node:timers/promises'
import { isWildcard, parseAddress } from '../endpoint.ts'
import type { PortMappingNews } from '../host.ts'
import { type Gateway, defaultGateway, findUpnp, natPmpAt } from './gateway.ts'

/** Both protocols are for the same network: an answer takes milliseconds, a slow router one second. */
const findWithinMs = 2000
const mapWithinMs = 2000
const unmapWithinMs = 2000
/** Often: a gateway that was restarted has forgotten it, and one may grant less than the hour that we ask for. */
const renewEveryMs = 600_000

export type PortMappingOptions = {
  readonly find?: (signal: AbortSignal) => Promise<Found>
  readonly renewMs?: number
}

type Found = { readonly gateway: Gateway; readonly address: string }
type Mapped = Found & { readonly port: number }

/** `Host.mapPort`; the options are for tests. */
export const keepPortMapped = (
  port: number,
  onNews: (news: PortMappingNews) => void,
  { find = findGateway, renewMs = renewEveryMs }: PortMappingOptions = {},
): ((done: () => void) => void) => {
  const ending = new AbortController()
  let mapped: Mapped | undefined
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
      const found = await find(AbortSignal.any([ending.signal, AbortSignal.timeout(findWithinMs)]))
      // Not to be interrupted: whether the gateway has heard it would not be known.
      const external = await found.gateway.map(port, AbortSignal.timeout(mapWithinMs))
      mapped = { ...found, port: external }
      say({ endpoint: { address: found.address, port: external }, protocol: found.gateway.protocol })
    } catch (error) {
      say({ problem: error instanceof NotFound ? error.message : refusal((error as Error).message) })
    }
  }

  const keep = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      await renew()
      await sleep(renewMs, undefined, { signal: ending.signal, ref: false }).catch(() => {})
    }
  }

  const kept = keep()

  const takeBack = async (): Promise<void> => {
    await kept
    await mapped?.gateway.unmap(port, mapped.port, AbortSignal.timeout(unmapWithinMs)).catch(() => {})
  }

  return done => {
    ending.abort()
    void Promise.race([takeBack(), sleep(unmapWithinMs, undefined, { ref: false })]).then(done)
  }
}

class NotFound extends Error {}

const refusal = (text: string): string => `The router forwards no port (${text}): see what its settings allow.`

/** The first one that says which address it has outside, by whichever protocol. */
const findGateway = async (signal: AbortSignal): Promise<Found> => {
  const address = defaultGateway()
  const asked = [findUpnp(signal), ...(address === undefined ? [] : [natPmpAt(address)])].map(async finding => {
    const gateway = await finding
    if (!gateway) throw new NotFound(silence)
    const said = parseAddress(await gateway.externalAddress(signal).catch(() => Promise.reject(new NotFound(silence))))
    if (said === undefined || isWildcard(said)) throw new NotFound(noAddress)
    return { gateway, address: said }
  })
  // Not every wait in the library listens to the signal.
  const late = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new NotFound(silence))))
  return Promise.race([firstOf(asked), late])
}

const silence = 'No router answers UPnP-IGD or NAT-PMP: switch one of them on in its settings.'
const noAddress = 'The router does not say which address it has outside: is it online?'

/** Of several failures the one that tells more. */
const firstOf = (asked: readonly Promise<Found>[]): Promise<Found> =>
  Promise.any(asked).catch(({ errors }: AggregateError) => {
    const all = errors as Error[]
    throw all.find(({ message }) => message !== silence) ?? all[0]
  })
