// One meeting in the kernel's network: a stage manager, Alice and Bob as programs, ours or other people's, and what came
// of it. A program is a command and the lines by which it says how far it is.
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { IpVersions, NatProfile } from '../nat-profile.ts'
import { serverAddresses } from '../server-addresses.ts'
import type { PlanOptions } from './plan.ts'
import type { Line, Program } from './program.ts'
import { type KernelTopology, raiseTopology } from './topology.ts'

/** Of each word `{server}`, `{port}`, `{me}` and `{peer}` are replaced. */
export type Command = readonly string[]

export type ServerProgram = { readonly command: Command; readonly ready: RegExp }
export type ClientProgram = {
  readonly command: Command
  /** A line that says that something of the peer has arrived. Default: as `connected`. */
  readonly heard?: RegExp
  readonly connected: RegExp
}

const bin = (name: string): Command => [process.execPath, fileURLToPath(new URL(`../../bin/${name}`, import.meta.url))]

export const ourServer = (ip: IpVersions = '4'): ServerProgram => ({
  command: [
    ...bin('test-server'),
    ...`-p {port} --host {server} --alt-address ${serverAddresses[ip === '6' ? '6' : '4'][1]}`.split(' '),
    ...(ip === 'both' ? ['--host', serverAddresses['6'][0]] : []),
  ],
  ready: /ready/,
})

export const ourClient: ClientProgram = {
  command: [...bin('test-client'), ...'-s {server} -p {port} -n {me} -c {peer} --json --no-input'.split(' ')],
  heard: /"event":"heard"/,
  connected: /"event":"connected"/,
}

type Name = 'alice' | 'bob'

export type MeetingOptions = PlanOptions & {
  /** Who starts first. Default: Alice. */
  readonly first?: Name
  /** From the first one's first line to the start of the other one. Default: 0. */
  readonly offsetMs?: number
  /** From there on, so long until it counts as failed. Default: 10 s. */
  readonly timeoutMs?: number
  readonly server?: ServerProgram
  readonly alice?: ClientProgram
  readonly bob?: ClientProgram
}

/** Times since the later one's first line, as its program started then. */
export type SideResult = {
  readonly heardMs: number | undefined
  readonly connectedMs: number | undefined
  /** That its host sent over UDP until then, registrations included. */
  readonly datagrams: number
  readonly lines: readonly Line[]
  readonly events: Program['events']
  readonly stderr: string
}

export type MeetingResult = {
  /** Both ways. */
  readonly connected: boolean
  /** The only one who heard the other. */
  readonly oneWay: Name | undefined
  readonly alice: SideResult
  readonly bob: SideResult
}

const port = '8080'
const readyWithinMs = 10_000
/** A program that says nothing has started by then. */
const firstLineWithinMs = 5000

export const meet = async (
  profileA: NatProfile,
  profileB: NatProfile,
  options: MeetingOptions = {},
): Promise<MeetingResult> => {
  const topology = await raiseTopology(profileA, profileB, options)
  try {
    return await meetIn(topology, options)
  } finally {
    await topology.close()
  }
}

/** In a topology that is there already, and stays. */
export const meetIn = async (topology: KernelTopology, options: MeetingOptions = {}): Promise<MeetingResult> => {
  const { ip = '4', first = 'alice', offsetMs = 0, timeoutMs = 10_000, server = ourServer(ip) } = options
  const asked = serverAddresses[ip][0]
  const manager = topology.start('server', filled(server.command, asked, 'server', ''))
  const isReady = await manager.until(server.ready, readyWithinMs)
  if (!isReady) throw new Error(`the server did not start: ${manager.stderr}`)

  const start = (me: Name, peer: Name): Side => {
    const client = options[me] ?? ourClient
    return { name: me, client, program: topology.start(me, filled(client.command, asked, me, peer)) }
  }
  const second: Name = first === 'alice' ? 'bob' : 'alice'
  const earlier = start(first, second)
  await earlier.program.until(anything, firstLineWithinMs)
  await sleep(offsetMs)
  const later = start(second, first)
  const zero = await later.program.until(anything, firstLineWithinMs)
  const sides = first === 'alice' ? { alice: earlier, bob: later } : { alice: later, bob: earlier }
  await Promise.all([earlier, later].map(({ program, client }) => program.until(client.connected, timeoutMs)))

  const zeroMs = zero?.atMs ?? performance.now()
  const [alice, bob] = await Promise.all([
    resultOf(topology, sides.alice, zeroMs),
    resultOf(topology, sides.bob, zeroMs),
  ])
  const programs = [manager, earlier.program, later.program]
  for (const program of programs) program.kill('SIGKILL')
  await Promise.all(programs.map(({ ended }) => ended))
  const [aliceHeard, bobHeard] = [alice.heardMs !== undefined, bob.heardMs !== undefined]
  return {
    connected: alice.connectedMs !== undefined && bob.connectedMs !== undefined,
    oneWay: aliceHeard === bobHeard ? undefined : aliceHeard ? 'alice' : 'bob',
    alice,
    bob,
  }
}

type Side = { readonly name: Name; readonly client: ClientProgram; readonly program: Program }

const anything = /^/

const filled = (command: Command, server: string, me: string, peer: string): string[] => {
  const values: Record<string, string> = { server, port, me, peer }
  return command.map(word => word.replace(/\{(server|port|me|peer)\}/g, (_, key: string) => values[key] ?? ''))
}

const resultOf = async (
  topology: KernelTopology,
  { name, client, program }: Side,
  zeroMs: number,
): Promise<SideResult> => {
  const { connected, heard = connected } = client
  const sinceZero = (pattern: RegExp): number | undefined => {
    const line = program.lines.find(({ text }) => pattern.test(text))
    return line && line.atMs - zeroMs
  }
  return {
    heardMs: sinceZero(heard),
    connectedMs: sinceZero(connected),
    datagrams: sentDatagrams(await topology.ask(name, ['sh', '-c', 'cat /proc/net/snmp /proc/net/snmp6 || :'])),
    lines: program.lines,
    events: program.events,
    stderr: program.stderr,
  }
}

/** `OutDatagrams` of the two lines that begin with `Udp:`, names and values; and `Udp6OutDatagrams`, a line of its own. */
const sentDatagrams = (snmp: string): number => {
  const [names = [], values = []] = [...snmp.matchAll(/^Udp: (.*)$/gm)].map(([, row = '']) => row.split(' '))
  const [, six = '0'] = /^Udp6OutDatagrams\s+(\d+)/m.exec(snmp) ?? []
  return Number(values[names.indexOf('OutDatagrams')]) + Number(six)
}
