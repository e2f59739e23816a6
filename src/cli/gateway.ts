// Which port-mapping protocols the gateway speaks, and the address that it says it has outside. It is only asked:
// nothing is mapped.
import { isWildcard, parseAddress } from '../endpoint.ts'
import { defaultGateway, findUpnp, natPmpAt } from '../host/gateway.ts'
import type { Check, GatewayProtocol } from '../report/check.ts'
import { visible } from '../visible.ts'

const withinMs = 1500

export const askGateway = async (): Promise<NonNullable<Check['gateway']>> => {
  const address = defaultGateway()
  const [upnp, natPmp] = await Promise.all([
    asked(async signal => (await findUpnp(signal))?.externalAddress(signal)),
    address === undefined
      ? { found: false, wan: undefined, because: 'no default gateway is known' }
      : asked(signal => natPmpAt(address).externalAddress(signal)),
  ])
  return { upnp, natPmp }
}

const silence = 'the gateway does not answer'

const asked = async (ask: (signal: AbortSignal) => Promise<string | undefined>): Promise<GatewayProtocol> => {
  const signal = AbortSignal.timeout(withinMs)
  // Not every wait in the library listens to the signal.
  const late = new Promise<undefined>(resolve => signal.addEventListener('abort', () => resolve(undefined)))
  try {
    const said = await Promise.race([ask(signal), late])
    if (said === undefined) return { found: false, wan: undefined, because: silence }
    // One that has no address yet, or one that it does not like, says nothing or 0.0.0.0.
    const wan = parseAddress(said)
    if (wan === undefined || isWildcard(wan))
      return { found: true, wan: undefined, because: 'the gateway does not say which address it has' }
    return { found: true, wan, because: `the gateway has ${wan}` }
  } catch (error) {
    return { found: false, wan: undefined, because: signal.aborted ? silence : visible((error as Error).message) }
  }
}
