// Arguments -> typed options. Every mistake becomes one line that says what is wrong and what to do, and exit code 2.
import minimist from 'minimist'
import { type Endpoint, parseAddress, parseEndpoint, parsePort } from '../endpoint.ts'
import { StageError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import { type Network, parseNetwork } from '../networks.ts'

/** `switch-off`: a switch that is on unless `--no-<name>` is given. */
export type OptionKind =
  | 'text'
  | 'port'
  | 'address'
  | 'endpoint'
  | 'network'
  | 'seconds'
  | 'milliseconds'
  | 'amount'
  | 'count'
  | 'trials'
  | 'slots'
  | 'switch'
  | 'switch-off'

export type OptionSpec = {
  readonly kind: OptionKind
  /** The one-letter form. */
  readonly short?: string
  readonly many?: boolean
}

export type OptionTable = Readonly<Record<string, OptionSpec>>

export type Value = string | number | boolean | Network | Endpoint | undefined

/** What was given; a `switch` that was not is false, a `switch-off` true, anything else undefined, `many` an empty list. */
export type Options = Readonly<Record<string, Value | readonly Value[]>>

const usage = (message: string): StageError => new StageError('usage', message)

const spell = (name: string, spec: OptionSpec | undefined): string => {
  if (spec?.short) return `-${spec.short}`
  return spec?.kind === 'switch-off' ? `--no-${name}` : `--${name}`
}

/** Throws where -s is more than a name or an address. */
export const readServer = (text: string): string => {
  const withPort = /^([^:]+):(\d+)$/.exec(text)
  if (withPort) throw usage(`-s takes no port: give -s ${withPort[1]} -p ${withPort[2]}`)
  const bare = /^(?:\w+:\/\/([^/]+).*|\[(.+)\])$/.exec(text)
  if (bare) throw usage(`-s takes a name or an address: give -s ${bare[1] ?? bare[2]}`)
  return text
}

/** Of the words that are no options, the first `mostOperands` are found under `_`. */
export const parseOptions = (
  program: string,
  args: readonly string[],
  table: OptionTable,
  foreign: Foreign,
  mostOperands = 0,
): Options => {
  const operands: string[] = []
  const entries = Object.entries(table)
  const withValue = entries.filter(([, { kind }]) => !kind.startsWith('switch'))
  const switches = entries.filter(([, { kind }]) => kind.startsWith('switch'))
  const words = joined(args, withValue)
  for (const word of words) checkSpelling(program, word, table, foreign)
  const given = minimist(words, {
    string: withValue.map(([name]) => name),
    boolean: switches.map(([name]) => name),
    alias: Object.fromEntries(entries.flatMap(([name, { short }]) => (short ? [[name, short]] : []))),
    default: Object.fromEntries(switches.map(([name, { kind }]) => [name, kind === 'switch-off'])),
    unknown: argument => {
      if (!argument.startsWith('-') && operands.length < mostOperands) return operands.push(argument) > 0
      throw usage(unknownOption(program, argument, table, foreign))
    },
  })
  const values = entries.map(([name, spec]) => [name, readValue(name, spec, given[name] as unknown)] as const)
  return { ...Object.fromEntries(values), _: operands }
}

/** minimist takes `--json=maybe`, `--no-json`, `--input` for `--no-input`, and looks `--__proto__` up in its tables. */
const checkSpelling = (program: string, word: string, table: OptionTable, foreign: Foreign): void => {
  if (word === '--') throw usage(`unexpected argument "--": try ${program} --help`)
  if (!word.startsWith('--')) return
  const [spelled = '', ...value] = word.split('=')
  if (!spellings(table).includes(spelled)) throw usage(unknownOption(program, word, table, foreign))
  const { kind } = table[spelled.replace(/^--(no-)?/, '')] ?? { kind: 'text' }
  if (kind.startsWith('switch') && value.length > 0)
    throw usage(`${spelled} takes no value: leave out "=${value.join('=')}"`)
}

/** `-p 80` as `-p=80`: minimist takes neither an empty value nor one that begins with a dash. */
const joined = (args: readonly string[], withValue: readonly [string, OptionSpec][]): string[] => {
  const options = new Set(withValue.flatMap(([name, { short }]) => [`--${name}`, ...(short ? [`-${short}`] : [])]))
  const result: string[] = []
  for (let i = 0; i < args.length; i++) {
    const [argument = '', next] = [args[i], args[i + 1]]
    const takesNext = options.has(argument) && next !== undefined && !options.has(next) && !/^--[a-z]/.test(next)
    result.push(takesNext ? `${argument}=${next}` : argument)
    if (takesNext) i++
  }
  return result
}

const readValue = (name: string, spec: OptionSpec, given: unknown): Value | Value[] => {
  const option = spell(name, spec)
  if (spec.kind.startsWith('switch')) return given === true
  const texts = given === undefined ? [] : [given].flat().map(String)
  if (spec.many) return texts.map(text => readText(option, spec.kind, text))
  if (texts.length > 1) throw usage(`${option} was given ${texts.length} times: give it once`)
  return texts[0] === undefined ? undefined : readText(option, spec.kind, texts[0])
}

const readText = (option: string, kind: OptionKind, text: string): Value => {
  if (text === '') throw usage(`${option} needs a value${examples[kind] ? `, like ${option} ${examples[kind]}` : ''}`)
  const value = readers[kind]?.(text)
  if (value === undefined) throw usage(`${option} ${JSON.stringify(text)} is not ${wanted[kind]}`)
  return value
}

const readNumber = (text: string): number | undefined => {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  return value > 0 && value <= 1e6 ? value : undefined
}

const readMillion = (text: string): number | undefined =>
  /^[1-9]\d{0,6}$/.test(text) && Number(text) <= 1_000_000 ? Number(text) : undefined

const readers: Partial<Record<OptionKind, (text: string) => Value>> = {
  text: text => text,
  port: parsePort,
  address: parseAddress,
  endpoint: text => {
    const address = parseAddress(text)
    return address === undefined ? parseEndpoint(text) : { address, port: 0 }
  },
  network: parseNetwork,
  seconds: readNumber,
  milliseconds: readNumber,
  amount: text => (/^\d{1,7}(\.\d+)?$/.test(text) ? Number(text) : undefined),
  count: text => (/^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined),
  trials: readMillion,
  slots: readMillion,
}

const examples: Partial<Record<OptionKind, string>> = {
  port: '8080',
  address: '127.0.0.1',
  endpoint: '203.0.113.10',
  network: '192.0.2.0/24',
  seconds: '10',
  milliseconds: '4',
  slots: '4096',
}

const wanted: Partial<Record<OptionKind, string>> = {
  port: 'a port: give a number from 1 to 65535',
  address: 'an IP address: give one of this machine, like 127.0.0.1 or ::1',
  endpoint:
    'an IP address, with or without a port: give one like 203.0.113.10, 203.0.113.10:8080 or [2001:db8::1]:8080',
  network: 'a network: give one like 192.0.2.0/24 or 2001:db8::/32, or an address',
  seconds: 'a number of seconds above 0 (and at most a million)',
  milliseconds: 'a number of milliseconds above 0 (and at most a million)',
  amount: 'a number: give one of 0 or more, with at most seven digits',
  count: 'a whole number from 1 to 999999999',
  trials: 'a whole number from 1 to 1000000',
  slots: 'a number of slots: give a whole number from 1 to 1000000',
}

/** The options of the other programs of the house, by program. */
export type Foreign = Readonly<Record<string, OptionTable>>

const unknownOption = (program: string, argument: string, table: OptionTable, foreign: Foreign): string => {
  const help = `try ${program} --help`
  if (!argument.startsWith('-')) return `unexpected argument ${JSON.stringify(argument)}: ${help}`
  const spelled = argument.replace(/=.*$/s, '')
  for (const [other, itsTable] of Object.entries(foreign)) {
    if (spellings(itsTable).includes(spelled))
      return `${spelled} is not an option here: that is ${other}'s option; ${help}`
  }
  const near = spelled.length > 2 ? nearest(spelled, spellings(table)) : undefined
  return `unknown option ${spelled}: ${near ? `did you mean ${near}?` : help}`
}

const spellings = (table: OptionTable): string[] =>
  Object.entries(table).flatMap(([name, { kind, short }]) => [
    kind === 'switch-off' ? `--no-${name}` : `--${name}`,
    ...(short ? [`-${short}`] : []),
  ])
