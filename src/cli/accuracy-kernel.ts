// One run of `nat-lab check` in the kernel lab, as people run it: it gets an address, and the network is what it is. The
// other testers run behind the same NAT, after it, so that they don't disturb the order of its ports.
import { fileURLToPath } from 'node:url'
import type { Family } from '../endpoint.ts'
import { type Property, type Said, type Words, properties, truthOf } from '../lab/accuracy.ts'
import { type KernelTopology, raiseTopology } from '../kernel/topology.ts'
import { type NatProfile, profileNamed, withoutTranslation } from '../nat-profile.ts'
import { type Tester, type TesterWords, commandOf, testers, wordsIn } from './other-testers.ts'

export type KernelRun = Said & { readonly others: Readonly<Partial<Record<Tester, TesterWords>>> }

const bin = (name: string): string => fileURLToPath(new URL(`../../bin/${name}`, import.meta.url))
const [port, otherPort] = ['3478', '3479']
const readyWithinMs = 20_000

export const runInKernel = async (
  profile: NatProfile,
  { lossPercent, withOthers, family = 4 }: { lossPercent: number; withOthers: boolean; family?: Family },
): Promise<KernelRun> => {
  const topology = await raiseTopology(profile, profileNamed('none'), { lossPercent, ip: `${family}` })
  try {
    const [address = '', other = ''] = topology.addresses.get('server') ?? []
    const ports = ['-p', port, '--alt-port', otherPort]
    const server = [bin('test-server'), '--host', address, '--alt-address', other, ...ports, '--dialects', 'stun']
    const manager = topology.start('server', [process.execPath, ...server])
    if (!(await manager.until(/ready/, readyWithinMs))) throw new Error(`no server: ${manager.stderr}`)
    const startedMs = performance.now()
    const check = [bin('nat-lab'), 'check', '-s', address, '-p', port, '--no-gateway', '--json']
    const said = wordsOfJson(await outputOf(topology, [process.execPath, ...check]))
    const ms = performance.now() - startedMs
    const answers = await Promise.all(
      (withOthers ? testers : []).map(async tester => {
        const output = await outputOf(topology, commandOf(tester, address))
        return [tester, wordsIn(tester, output)] as const
      }),
    )
    return {
      truth: truthOf(family === 4 ? profile : withoutTranslation(profile)),
      said,
      ms,
      others: Object.fromEntries(answers),
    }
  } finally {
    await topology.close()
  }
}

const outputOf = async (topology: KernelTopology, command: readonly string[]): Promise<string> => {
  const program = topology.start('alice', command)
  await program.ended
  return program.lines.map(({ text }) => text).join('\n')
}

const wordsOfJson = (text: string): Words => {
  const found = JSON.parse(text) as Record<Property, { is: string; delta?: number }> & { mapped: string | null }
  if (found.mapped === null) return undefined
  const word = ({ is, delta }: { is: string; delta?: number }): string => (delta === undefined ? is : `${is} ${delta}`)
  return Object.fromEntries(properties.map(property => [property, word(found[property])])) as Words
}
