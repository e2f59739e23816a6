// Law: pure. Where the Stage Manager is in both worlds, the simulated and the kernel's; addresses for documentation (RFC 5737, RFC 3849).
import type { IpVersions } from './nat-profile.ts'

export const server4: readonly [string, string] = ['203.0.113.10', '203.0.113.11']
export const server6: readonly [string, string] = ['2001:db8:5::10', '2001:db8:5::11']
/** Its first one is where clients ask. */
export const serverAddresses: Readonly<Record<IpVersions, readonly [string, ...string[]]>> = {
  '4': server4,
  '6': server6,
  both: [...server4, ...server6],
}
