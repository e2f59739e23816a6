// Law: data only. The options of the programs; here, so that each knows the other's.
import { type Door, doors } from '../entry.ts'
import type { OptionTable } from './options.ts'

/** Where a Stage Manager is that was not told where to be. */
export const defaultPort = 8080

const everywhere = {
  json: { kind: 'switch' },
  quiet: { kind: 'switch', short: 'q' },
  help: { kind: 'switch', short: 'h' },
  version: { kind: 'switch' },
} as const satisfies OptionTable

export const serverTable = {
  port: { kind: 'port', short: 'p', many: true },
  host: { kind: 'address', many: true },
  'alt-address': { kind: 'address' },
  'alt-port': { kind: 'port' },
  capacity: { kind: 'slots' },
  expiry: { kind: 'seconds' },
  broadcast: { kind: 'seconds' },
  dialects: { kind: 'text' },
  'older-ports': { kind: 'switch' },
  stages: { kind: 'switch' },
  strict: { kind: 'switch' },
  classic: { kind: 'switch' },
  allow: { kind: 'network', many: true },
  deny: { kind: 'network', many: true },
  public: { kind: 'endpoint', many: true },
  ...everywhere,
} as const satisfies OptionTable

export const clientTable = {
  server: { kind: 'text', short: 's' },
  port: { kind: 'port', short: 'p' },
  dialect: { kind: 'text' },
  name: { kind: 'text', short: 'n' },
  contact: { kind: 'text', short: 'c' },
  stage: { kind: 'text' },
  'stage-secret': { kind: 'text' },
  'stage-secret-file': { kind: 'text' },
  identity: { kind: 'text' },
  anonymous: { kind: 'switch' },
  'require-encryption': { kind: 'switch' },
  forget: { kind: 'text' },
  host: { kind: 'switch-off' },
  map: { kind: 'switch' },
  input: { kind: 'switch-off' },
  'exit-on-connect': { kind: 'switch' },
  timeout: { kind: 'seconds' },
  interval: { kind: 'seconds' },
  'keep-trying': { kind: 'switch' },
  strategy: { kind: 'text' },
  pacing: { kind: 'milliseconds' },
  explain: { kind: 'switch' },
  trace: { kind: 'text' },
  ...everywhere,
} as const satisfies OptionTable

export const isDoor = (text: string): text is Door => (doors as readonly string[]).includes(text)

export const exitCodeHelp = `Exit codes:
  0    all went well                     4    the peer never appeared
  1    internal error, please report     5    the peer was there, but not reached
  2    wrong option or value             6    the port cannot be opened
  3    server unreachable, unknown host  7    the name was refused
  8    identity or key refused        130  interrupted (Ctrl-C)`
