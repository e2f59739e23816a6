// Home gateways and the two protocols that they are asked for a forwarded port by, UPnP-IGD and NAT-PMP. Both through one
// library, which takes 0.1 s to load and so is loaded only for this; what it does otherwise than it says is put right here.
import { createSocket } from 'node:dgram'
import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Gateway as LibraryGateway, MapPortOptions } from '@achingbrain/nat-port-mapper'
import type { Endpoint } from '../endpoint.ts'
import type { PortMappingProtocol } from '../host.ts'

export type Gateway = {
  readonly protocol: PortMappingProtocol
  /** As the gateway spells it; it may have none yet. */
  externalAddress(signal: AbortSignal): Promise<string>
  /** Forwards a UDP port to ours, `external` if it can; resolves with its number. The same again renews the lease. */
  map(port: number, external: number, signal: AbortSignal): Promise<number>
  unmap(port: number, external: number, signal: AbortSignal): Promise<void>
}

/** The shortest lease that the library asks for by UPnP; what nobody takes back ends by itself then. */
export const leaseSeconds = 3600

const library = () =>
  import('@achingbrain/nat-port-mapper').catch((error: Error) => {
    throw new Error(`the library for it is missing: ${error.message}`)
  })

const wanted: MapPortOptions = { protocol: 'UDP', autoRefresh: false, description: 'stage-manager' }

/** The first IPv4 gateway that answers; undefined when the signal comes before that. */
export const findUpnp = async (signal: AbortSignal): Promise<Gateway | undefined> => {
  const { upnpNat } = await library()
  // Whoever reaches our port 1900 makes the library throw past us, a device that leaves out CACHE-CONTROL for one. Nothing else
  // catches what a listener of somebody else's socket throws.
  const { create } = await import('node:domain')
  const guarded = create().on('error', () => {})
  return guarded.run(async () => {
    for await (const found of upnpNat().findGateways({ signal })) if (found.family === 'IPv4') return upnpOf(found)
    return undefined
  })
}

const service = 'urn:schemas-upnp-org:service:WANIPConnection:2'

/** What the library (4.0.5) keeps to itself: how it speaks to the gateway. */
type Inside = {
  getGateway(options: { signal: AbortSignal }): Promise<{
    run(service: string, action: string, values: [string, string | number][], options: object): Promise<unknown>
  }>
}

const upnpOf = (gateway: LibraryGateway): Gateway => ({
  protocol: 'UPnP-IGD',
  externalAddress: signal => gateway.externalIp({ signal }),
  async map(port, external, signal) {
    const own = await ownAddressTowards(gateway.host)
    const options = { ...wanted, externalPort: external, ttl: 1000 * leaseSeconds, signal }
    return (await gateway.map(port, own, options)).externalPort
  },
  // Its own `unmap` deletes the internal port's number, of no protocol, and says nothing when the gateway refuses that.
  async unmap(_port, external, signal) {
    const device = await (gateway as unknown as Inside).getGateway({ signal })
    const values: [string, string | number][] = [
      ['NewRemoteHost', ''],
      ['NewExternalPort', external],
      ['NewProtocol', 'UDP'],
    ]
    await device.run(service, 'DeletePortMapping', values, { signal })
  },
})

/** Which of our addresses the gateway sees. */
const ownAddressTowards = (gateway: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    socket.once('error', reject)
    socket.connect(9, gateway, () => {
      const { address } = socket.address()
      socket.close(() => resolve(address))
    })
  })

/** What the library keeps to itself: how it reads an answer. It asks neither whose it is nor how long, and throws past its caller. */
type Reader = { onMessage(message: Uint8Array, from: Endpoint): void }

const natPmpPort = 5351
const externalAddressAnswer = 128

/** From the gateway (RFC 6886 s.3.1), and as long as its kind: s.3.2, s.3.3; s.3.5 where it says no. */
const isAnswer = ([, kind, high, low, ...rest]: Uint8Array, { address, port }: Endpoint, gateway: string): boolean => {
  const least = high || low ? 8 : kind === externalAddressAnswer ? 12 : 16
  return address === gateway && port === natPmpPort && 4 + rest.length >= least
}

export const natPmpAt = (address: string): Gateway => {
  /** A socket for each question: it has a fixed port, and of two programs that hold one the later one gets all answers. */
  const ask = async <T>(question: (gateway: LibraryGateway) => Promise<T>): Promise<T> => {
    const { pmpNat } = await library()
    const gateway = pmpNat(address)
    const reader = gateway as unknown as Reader
    const read = reader.onMessage.bind(gateway)
    reader.onMessage = (message, from) => isAnswer(message, from, address) && read(message, from)
    const failed = new Promise<never>((_, reject) => {
      if (gateway instanceof EventEmitter) gateway.once('error', reject)
    })
    try {
      return await Promise.race([question(gateway), failed])
    } finally {
      await gateway.stop().catch(() => {}) // closed already, where it failed
    }
  }
  return {
    protocol: 'NAT-PMP',
    externalAddress: signal => ask(gateway => gateway.externalIp({ signal })),
    // It asks for our own port, whatever is wanted, and sends its `ttl` as it is, as seconds. The empty address keeps it from asking
    // for the external one again.
    map: (port, _external, signal) =>
      ask(async gateway => (await gateway.map(port, '', { ...wanted, ttl: leaseSeconds, signal })).externalPort),
    // A lifetime of 0 (RFC 6886 s.3.4).
    unmap: (port, _external, signal) => ask(gateway => gateway.unmap(port, { ...wanted, signal })),
  }
}

/** Linux's own table; other systems have none that can be read as easily. */
export const defaultGateway = (): string | undefined => {
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
