// Law: pure. How many NATs there are between us and the server, as far as addresses tell.
import { classifyAddress, familyOf } from '../endpoint.ts'
import { isWithin, parseNetwork } from '../networks.ts'
import { type Finding, unknown } from './samples.ts'

export type LayersInput = {
  readonly translated: boolean
  readonly mapped: string
  readonly own: readonly string[]
  /** The address that the gateway says it has outside. */
  readonly gatewayWan: string | undefined
}

/** RFC 6598: what providers number their customers with who share an address. */
const shared = parseNetwork('100.64.0.0/10')
const isShared = (address: string): boolean => shared !== undefined && isWithin(address, shared)

export const layersOf = ({ translated, mapped, gatewayWan }: LayersInput): Finding<'0' | '1' | '2 or more'> => {
  if (!translated) return { is: '0', because: 'the server sees an address of this host' }
  if (gatewayWan === mapped) return { is: '1', because: `the gateway has ${mapped} itself` }
  if (gatewayWan !== undefined && (isShared(gatewayWan) || classifyAddress(gatewayWan) !== 'global'))
    return { is: '2 or more', because: `the gateway has ${gatewayWan}, which is not public` }
  if (gatewayWan !== undefined)
    return { is: '2 or more', because: `the gateway has ${gatewayWan}, the server sees ${mapped}` }
  return unknown('the gateway does not say which address it has')
}

/** Whether one of them is the provider's: an address of 100.64.0.0/10 outside of the gateway, or on this host itself. */
export const carrierGradeOf = ({ translated, mapped, own, gatewayWan }: LayersInput): Finding<'yes' | 'no'> => {
  if (!translated || gatewayWan === mapped) return { is: 'no', because: 'nobody shares the address' }
  if (gatewayWan !== undefined && isShared(gatewayWan)) return { is: 'yes', because: `the gateway has ${gatewayWan}` }
  // Overlay networks use that range too; so it tells something only where there is no other address.
  const ipv4 = own.filter(address => familyOf(address) === 4)
  const [only] = ipv4
  if (only !== undefined && ipv4.every(isShared)) return { is: 'yes', because: `this host has ${only}` }
  return unknown('the gateway does not say which address it has')
}
