// The lab's internet out of the kernel's own parts: raised in a fifth of a second, gone when it is closed or we are.
import { StageError } from '../errors.ts'
import type { NatProfile } from '../nat-profile.ts'
import { kernelAvailability } from './available.ts'
import { type Holder, hold } from './holder.ts'
import { type PlanOptions, planTopology, scriptOf } from './plan.ts'
import { type Program, type ProgramOptions, startProgram } from './program.ts'

export type KernelTopology = {
  /** Of each host: the server, Alice, Bob and the public hosts. */
  readonly addresses: ReadonlyMap<string, readonly string[]>
  /** Runs a program on a host, or on a box: `inet`, `nat-a`, `nat-b`, `cgn-a`, `cgn-b`. */
  start(host: string, command: readonly string[], options?: ProgramOptions): Program
  /** Everything that a short command prints. */
  ask(host: string, command: readonly string[]): Promise<string>
  /** Ends every program and takes everything down. */
  close: Holder['close']
}

/** Throws a `StageError` where the machine can't, or the profile is one that the kernel can't imitate. */
export const raiseTopology = async (
  profileA: NatProfile,
  profileB: NatProfile,
  options: PlanOptions = {},
): Promise<KernelTopology> => {
  const plan = planTopology(profileA, profileB, options)
  const available = await kernelAvailability()
  if ('why' in available) throw new StageError('usage', `no kernel lab here: ${available.why}`)
  const { enter, close } = await hold(scriptOf(plan), available.rights)
  const names = new Set(plan.spaces.map(({ name }) => name))

  const start: KernelTopology['start'] = (host, command, options) => {
    if (!names.has(host)) throw new RangeError(`no ${host} in this topology: there are ${[...names].join(', ')}`)
    // What a test runner has told our Node to load is not for other programs, and it tells it to every one we start.
    return startProgram([...enter(host), 'env', '-u', 'NODE_OPTIONS', ...command], options)
  }

  return {
    addresses: plan.addresses,
    start,
    close,
    async ask(host, command) {
      const program = start(host, command)
      const code = await program.ended
      if (code !== 0) throw new Error(`${command.join(' ')} on ${host} ended with ${code}: ${program.stderr}`)
      return program.lines.map(({ text }) => text).join('\n')
    },
  }
}
