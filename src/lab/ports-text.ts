// Law: pure. An endpoint, or so many ports of its address, in words.
import { type Endpoint, formatEndpoint } from '../endpoint.ts'

export const portsText = (endpoint: Endpoint, ports = 1): string =>
  ports > 1 ? `${ports} ports of ${endpoint.address}` : formatEndpoint(endpoint)
