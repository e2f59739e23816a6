// What the commands of nat-lab have in common: options, and how a run is named so that it can be repeated.
import type { Family } from '../endpoint.ts'
import { presetNames } from '../client/presets.ts'
import { strategies } from '../client/strategy.ts'
import { StageError } from '../errors.ts'
import { type Conditions, type PlanOptions, defaultOffsetsMs } from '../lab/matrix.ts'
import { kernelNetwork, variedNetwork } from '../lab/network.ts'
import { type IpVersions, ipVersions } from '../nat-profile.ts'
import { type Setting, punchingOf } from '../lab/setting.ts'
import { siteNamed } from '../lab/sites.ts'
import type { OptionTable, Options } from './options.ts'
import { type WorldName, worldNames } from './worlds.ts'

export const usage = (message: string): StageError => new StageError('usage', message)

export const ipHelp = `  --ip VERSION     4 (default). 6: the same boxes as firewalls that translate nothing, each in
                   front of a /64. both: the NAT for IPv4, and beside it that firewall for IPv6
`

export const sized = {
  profiles: { kind: 'text' },
  trials: { kind: 'trials' },
  seed: { kind: 'count' },
  ip: { kind: 'text' },
} as const satisfies OptionTable

export const readIp = (options: Options): IpVersions => {
  const text = (options['ip'] as string | undefined) ?? '4'
  const found = ipVersions.find(ip => ip === text)
  if (!found) throw usage(`--ip ${JSON.stringify(text)}: choose ${ipVersions.slice(0, -1).join(', ')} or both`)
  return found
}

/** One of the two; undefined where nothing was given. */
export const readFamily = (options: Options): Family | undefined => {
  const text = options['ip'] as string | undefined
  if (text === undefined) return undefined
  if (text !== '4' && text !== '6') throw usage(`--ip ${JSON.stringify(text)}: choose 4 or 6`)
  return text === '4' ? 4 : 6
}

/** In percent; undefined where nothing was given. */
export const readLoss = (options: Options): number | undefined => {
  const percent = options['loss'] as number | undefined
  if (percent !== undefined && percent > 100) throw usage(`--loss ${percent}: give 0 to 100 percent`)
  return percent
}

/** For a command line that says the same; the default is left out. */
export const ipWords = (ip: IpVersions): string[] => (ip === '4' ? [] : ['--ip', ip])

/** How both clients go about it, in the simulation. */
export const punching = { strategy: { kind: 'text' }, preset: { kind: 'text' } } as const satisfies OptionTable

export const punchingHelp = `  --strategy NAME  both try this one only: ${strategies.join(', ')}
  --preset NAME    whose sockets, probes and pace: ${presetNames.join(', ')}
`

/** The names that were given, what they stand for, and the same as one would type it. */
export const readPunching = (
  options: Options,
): Pick<Setting, 'strategy' | 'preset'> & { of: Conditions; words: string[] } => {
  const given = { strategy: options['strategy'] as string | undefined, preset: options['preset'] as string | undefined }
  const words = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]))
  return { ...given, of: punchingOf(given), words }
}

/** `none,portrest`: each of them known; undefined where nothing was given. */
export const readNames = (options: Options): string[] | undefined => {
  const text = options['profiles'] as string | undefined
  const names = text?.split(',').map(name => name.trim())
  for (const name of names ?? []) siteNamed(name)
  return names && [...new Set(names)]
}

export const readWorld = (options: Options): WorldName => {
  const text = (options['world'] as string | undefined) ?? 'sim'
  const found = worldNames.find(name => name === text)
  if (!found) throw usage(`--world ${JSON.stringify(text)}: choose ${worldNames.join(' or ')}`)
  return found
}

/** What a world has of a network, and offsets that one can wait for. */
export const conditionsOf = (world: WorldName): Required<Pick<PlanOptions, 'network' | 'offsetsMs'>> =>
  world === 'sim'
    ? { network: variedNetwork, offsetsMs: defaultOffsetsMs }
    : { network: kernelNetwork, offsetsMs: [0, 200, 2000] }

/** As one would type it. */
export const commandLine = (words: readonly (string | number | undefined)[]): string =>
  ['nat-lab', ...words.flatMap(word => (word === undefined ? [] : [String(word)]))].map(quoted).join(' ')

const quoted = (word: string): string =>
  /^[\w.,:/=@+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
