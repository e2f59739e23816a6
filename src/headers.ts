// Law: pure. What the network adds to a payload.
import { familyOf } from './endpoint.ts'

/** IP and UDP headers of a datagram to this address, in bytes. */
export const headerBytes = (address: string): number => (familyOf(address) === 6 ? 48 : 28)
