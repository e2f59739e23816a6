// Law: pure. A host like another one but for some of it: behind a NAT that forgets, asleep, listened in on.
import type { Host } from './host.ts'

/** Every call goes on to `inner`, which need not be a plain object. */
export const hostAround = (inner: Host, other: Partial<Host>): Host => ({
  now: () => inner.now(),
  after: (ms, run) => inner.after(ms, run),
  random: () => inner.random(),
  randomBytes: count => inner.randomBytes(count),
  resolve: (name, done) => inner.resolve(name, done),
  addresses: () => inner.addresses(),
  udp: at => inner.udp(at),
  tcpListen: at => inner.tcpListen(at),
  tcpConnect: to => inner.tcpConnect(to),
  descriptorLimit: () => inner.descriptorLimit(),
  ...(inner.mapPort && { mapPort: inner.mapPort.bind(inner) }),
  ...other,
})
