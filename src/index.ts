// The public names, nothing else.
export {
  type ConnectOptions,
  type LibraryServerOptions,
  type Message,
  type Session,
  connect,
  createServer,
} from './library.ts'
export type { ClientEvent, Waiting } from './client/events.ts'
export type { Counters, Disposition, ServerEvent } from './server/events.ts'
export type { Server } from './server/server.ts'
export { type Endpoint, formatEndpoint, parseEndpoint } from './endpoint.ts'
export { type Identity, fingerprintOf, identityOf, identitySeedLength } from './identity.ts'
export { type ErrorCode, StageError, exitCodes } from './errors.ts'
export type { Host, TcpConnection, TcpListener, UdpSocket } from './host.ts'
