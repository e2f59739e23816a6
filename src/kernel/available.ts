// Whether this machine can raise a topology, found out by raising one; where it can't, why, in words.
import { accessSync, constants } from 'node:fs'
import { profileNamed } from '../nat-profile.ts'
import { type Rights, hold, rights, toolPath } from './holder.ts'
import { planTopology, scriptOf } from './plan.ts'

export type Availability = { readonly rights: Rights } | { readonly why: string }

/** Each program and the Debian package that has it. */
const tools = { ip: 'iproute2', nft: 'nftables', unshare: 'util-linux', nsenter: 'util-linux', mount: 'mount' }

const isInstalled = (tool: string): boolean =>
  toolPath.split(':').some(folder => {
    try {
      accessSync(`${folder}/${tool}`, constants.X_OK)
      return true
    } catch {
      return false
    }
  })

const look = async (): Promise<Availability> => {
  if (process.platform !== 'linux') return { why: `network namespaces are Linux's; this is ${process.platform}` }
  const missing = Object.entries(tools).filter(([tool]) => !isInstalled(tool))
  if (missing.length > 0) {
    const packages = [...new Set(missing.map(([, name]) => name))].join(' ')
    return { why: `${missing.map(([tool]) => tool).join(', ')} not found: install ${packages}` }
  }
  const script = scriptOf(planTopology(profileNamed('restricted'), profileNamed('adm')))
  const said: string[] = []
  for (const as of process.getuid?.() === 0 ? rights : rights.slice(1)) {
    try {
      const holder = await hold(script, as)
      await holder.close()
      return { rights: as }
    } catch (error) {
      said.push(
        `${as === 'root' ? 'as root' : 'in a user namespace'}: ${(error as Error).message.replaceAll('\n', '; ')}`,
      )
    }
  }
  return { why: `no right to make network namespaces, or a kernel without them or nftables (${said.join(' | ')})` }
}

let found: Promise<Availability> | undefined

/** Looks once. */
export const kernelAvailability = (): Promise<Availability> => (found ??= look())
