// Which port-mapping protocols the gateway speaks, and the address that it says it has outside. It is only asked:
// nothing is mapped. The library is loaded when it is needed, and by nobody else.
import { readFileSync } from 'node:fs'
import { isWildcard, parseAddress } from '../endpoint.ts'
import { StageError } from '../errors.ts'
import type { Check, GatewayProtocol } from '../report/check.ts'
import { visible } from '../visible.ts'

const withinMs = 1500

export const askGateway = async (): Promise<NonNullable<Check['gateway']>> => {
  const { upnpNat, pmpNat } = await import('@achingbrain/nat-port-mapper').catch(error => {
    throw new StageError('internal', `--no-gateway does without it: ${(error as Error).message}`)
  })
  const address = defaultGateway()
  const [upnp, natPmp] = await Promise.all([
    asked(async signal => {
      for await (const gateway of upnpNat().findGateways({ signal })) {
        if (gateway.family === 'IPv4') return gateway.externalIp({ signal })
      }
      return undefined
    }),
    address === undefined
      ? { found: false, wan: undefined, because: 'no default gateway is known' }
      : asked(signal => pmpNat(address).externalIp({ signal })),
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

/** Linux's own table; other systems have none that can be read as easily. */
const defaultGateway = (): string | undefined => {
  try {
    return gatewayIn(readFileSync('/proc/net/route', 'utf8'))
  } catch {
    return undefined
  }
}

/** Destination 0, its gateway in the third column: hexadecimal, its bytes in the order of the machine. */
export const gatewayIn = (table: string): string | undefined => {
  const rows = table.split('\n').map(line => line.split('\t'))
  const hex = rows.find(([, destination]) => destination === '00000000')?.[2]
  const bytes = hex?.match(/../g)?.map(byte => parseInt(byte, 16))
  return bytes?.length === 4 && bytes.some(byte => byte !== 0) ? bytes.toReversed().join('.') : undefined
}
