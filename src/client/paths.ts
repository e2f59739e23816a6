// Law: pure. A way between us and a peer: its endpoint, and which of our sockets.
import { type Endpoint, endpointKey, sameEndpoint } from '../endpoint.ts'

/** `via`: one of the fresh sockets of an attempt; without it, the one that is registered. */
export type Path = Endpoint & { readonly via?: number }

export const mainSocket = 0

export const pathKey = (path: Path): string => (path.via ? `${endpointKey(path)} by ${path.via}` : endpointKey(path))

export const samePath = (a: Path, b: Path): boolean =>
  sameEndpoint(a, b) && (a.via ?? mainSocket) === (b.via ?? mainSocket)

export const pathVia = ({ address, port }: Endpoint, via: number): Path =>
  via === mainSocket ? { address, port } : { address, port, via }
