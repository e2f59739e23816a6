// test-client: options in, a conversation with the peer out. The client itself is loaded only when there is one to run.
import { StageError } from '../errors.ts'
import { isStage, nameProblem } from '../name.ts'
import { nearest } from '../nearest.ts'
import type { StrategyName } from '../client/strategy.ts'
import type { Door } from '../entry.ts'
import { type OptionSpec, type Options, parseOptions, readServer } from './options.ts'
import { run, version } from './run.ts'
import { clientTable, exitCodeHelp, serverTable } from './tables.ts'

const help = `Usage: test-client -s HOST -n NAME -c PEER [-p PORT] [options]
       test-client --dialect connect -s HOST -n ID [-c PEER_ID] [-p PORT] [options]
       test-client --dialect stun -s HOST -n ID -c PEER_ID [-p PORT] [options]
       test-client --dialect directory -s HOST [-n NICK] [-p PORT] [options]
       test-client --dialect numbered -s HOST [-p PORT] [options]

Registers NAME with the Stage Manager on HOST, waits for PEER to register too, and then talks to
PEER directly, through the NATs of both. Every line that you type goes to the peer.

Options:
  -s, --server HOST      name, IPv4 or IPv6 address of the Stage Manager
  -p, --port PORT        its UDP port (8080)
  -n, --name NAME        my name or id, 1 to 64 bytes without blanks and commas
  -c, --contact PEER     the name of whom I want to reach
      --dialect DIALECT  how the server is spoken to: phonebook (default), connect, stun,
                         directory, numbered
      --identity FILE    who I am: the key that owns my name, by which PEER knows me (one for each
                         name, made on first use, in ~/.local/state/stage-manager/identities)
      --anonymous        nobody in particular: without a key
      --require-encryption  say nothing to a peer that shows no key
      --forget PEER      forget the key that PEER was met with
      --stage STAGE      meet in a room of this name: one sees only those who are in it
      --stage-secret-file FILE  meet in a stage of those who know the secret in there
      --stage-secret SECRET  the same, but others on this machine can see it; or $STAGE_SECRET
      --exit-on-connect  end one second after both sides have heard each other
      --timeout SECONDS  give up when not connected by then (never)
      --interval SECONDS ask the server this often while looking for the peer (1, later 3)
      --keep-trying      go on where nothing is left to try (ends then, with a verdict)
      --explain          print how it tries to get through, why so, and what the odds are
      --strategy NAME    try nothing else: direct, low-ttl, predict, spray; on both sides
      --pacing MS        between two probes of a spray (4)
      --map              have the router forward a port to me (UPnP-IGD, NAT-PMP) until the end
      --no-host          do not tell the peer my own addresses, IPv6 included
      --no-input         do not read from the terminal: for running in the background
      --trace FILE       write every event and packet there, for nat-lab ladder
      --json             print one JSON object per event, and nothing else
  -q, --quiet            print the peer's messages and nothing else
  -h, --help             print this help
      --version          print the version

DEBUG=stage:* in the environment shows on stderr what happens inside, stage:stun every STUN message.

Examples:
  test-client -s stage.example.org -n alice -c bob
  test-client -s 127.0.0.1 -n bob -c alice --exit-on-connect --timeout 30
  test-client --dialect connect -s 127.0.0.1 -n 12345       then: CONNECT 12345 56789
  test-client -s stage.example.org -n alice -c bob --map    behind the hardest NATs
  tail -f app.log | test-client -s 127.0.0.1 -n bob -c alice -q

${exitCodeHelp}
`

export const main = (args: readonly string[]): Promise<never> =>
  run('test-client', async () => {
    const options = parseOptions('test-client', args, clientTable, { 'test-server': serverTable })
    if (options['help'] || options['version']) {
      process.stdout.write(options['help'] ? help : `${version()}\n`)
      return 0
    }
    if (options['forget'] !== undefined) {
      const { forgetPeer } = await import('./known-peers.ts')
      process.stdout.write(forgetPeer(options['forget'] as string))
      if (options['server'] === undefined) return 0
    }
    const dialect = readDialect(options['dialect'] as string | undefined)
    checkNeeds(dialect, options)
    if (options['json'] && options['quiet'])
      throw new StageError('usage', '--json and -q exclude each other: choose one')
    if (options['identity'] && options['anonymous'])
      throw new StageError('usage', '--identity and --anonymous exclude each other: choose one')
    const server = readServer(options['server'] as string)
    const stage = options['stage'] as string | undefined
    if (stage !== undefined && !isStage(stage)) {
      throw new StageError(
        'usage',
        `--stage ${JSON.stringify(stage)}: give 1 to 64 ASCII letters, digits or signs, no comma`,
      )
    }
    const common = {
      server,
      port: (options['port'] as number | undefined) ?? 8080,
      readInput: options['input'] as boolean,
      exitOnConnect: options['exit-on-connect'] as boolean,
      timeoutSeconds: options['timeout'] as number | undefined,
      output: options['json'] ? 'json' : options['quiet'] ? 'quiet' : 'transcript',
    } as const
    const [name, peer, offerHosts] = [options['name'], options['contact'], options['host']] as [string, string, boolean]
    if (dialect === 'directory') {
      const { talkDirectory } = await import('./talk-directory.ts')
      return talkDirectory({ ...common, nickname: options['name'] as string | undefined })
    }
    if (dialect !== 'phonebook') {
      const { chatIn } = await import('./doors/index.ts')
      return chatIn(dialect, common, { name, peer, offerHosts })
    }
    const { talk } = await import('./talk.ts')
    const { stageSecret } = await import('./stage-secret.ts')
    const { whoIs } = await import('./identity.ts')
    const secret = stageSecret({
      text: options['stage-secret'] as string | undefined,
      file: options['stage-secret-file'] as string | undefined,
      env: process.env['STAGE_SECRET'],
    })
    const who = { file: options['identity'] as string | undefined, anonymous: options['anonymous'] as boolean }
    const identity = whoIs(name, who)
    const requireEncryption = options['require-encryption'] as boolean
    if ((secret !== undefined || requireEncryption) && !identity)
      throw new StageError(
        'usage',
        'a private line needs a key of mine: leave out --anonymous, or give --identity FILE',
      )
    return talk({
      ...common,
      name,
      peer,
      stage: stage ?? '',
      stageSecret: secret,
      requireEncryption,
      identity,
      offerHosts,
      map: options['map'] as boolean,
      intervalSeconds: options['interval'] as number | undefined,
      keepTrying: options['keep-trying'] as boolean,
      explain: options['explain'] as boolean,
      strategy: readStrategy(options['strategy'] as string | undefined),
      pacingMs: options['pacing'] as number | undefined,
      tracePath: options['trace'] as string | undefined,
    })
  })

/** Of no use to the older dialects. */
const phonebookOnly = [
  'stage',
  'stage-secret',
  'stage-secret-file',
  'map',
  'interval',
  'trace',
  'identity',
  'anonymous',
  'require-encryption',
  'keep-trying',
  'strategy',
  'pacing',
  'explain',
] as const

/** What has to be given, and what has no meaning, in each dialect that this client speaks. */
const needs = {
  phonebook: { required: ['server', 'name', 'contact'], foreign: [] },
  connect: { required: ['server', 'name'], foreign: phonebookOnly },
  stun: { required: ['server', 'name', 'contact'], foreign: phonebookOnly },
  directory: { required: ['server'], foreign: ['contact', ...phonebookOnly, 'exit-on-connect'] },
  numbered: { required: ['server'], foreign: ['name', 'contact', ...phonebookOnly, 'exit-on-connect'] },
} as const satisfies Record<Door, { required: readonly Named[]; foreign: readonly Named[] }>

type Named = keyof typeof clientTable

const spoken = Object.keys(needs)

const readDialect = (text = 'phonebook'): Door => {
  if (Object.hasOwn(needs, text)) return text as Door
  const near = nearest(text, spoken)
  const remedy = near ? `did you mean ${near}?` : `choose from ${spoken.join(', ')}`
  throw new StageError('usage', `--dialect: there is no dialect ${JSON.stringify(text)}: ${remedy}`)
}

const readStrategy = (text: string | undefined): StrategyName | undefined => {
  if (text === undefined || isStrategy(text)) return text
  const near = nearest(text, forcible)
  const remedy = near ? `did you mean ${near}?` : `choose from ${forcible.join(', ')}`
  throw new StageError('usage', `--strategy: there is no strategy ${JSON.stringify(text)}: ${remedy}`)
}

const forcible: readonly string[] = ['direct', 'low-ttl', 'predict', 'spray'] satisfies StrategyName[]
const isStrategy = (text: string): text is StrategyName => forcible.includes(text)

const usages: Readonly<Record<Door, string>> = {
  phonebook: '-s HOST -n MY_NAME -c PEER_NAME',
  connect: '--dialect connect -s HOST -n MY_ID [-c PEER_ID]',
  stun: '--dialect stun -s HOST -n MY_ID -c PEER_ID',
  directory: '--dialect directory -s HOST [-n NICK]',
  numbered: '--dialect numbered -s HOST',
}

const flagOf = (name: Named): string => {
  const spec: OptionSpec = clientTable[name]
  return spec.short ? `-${spec.short}` : `--${name}`
}

const checkNeeds = (dialect: Door, options: Options): void => {
  const { required, foreign } = needs[dialect]
  const usage = `test-client ${usages[dialect]}`
  const missing = required.filter(name => options[name] === undefined).map(flagOf)
  if (missing.length > 0) {
    const flags = missing.join(', ').replace(/, ([^,]*)$/, ' and $1')
    const verb = missing.length > 1 ? 'are' : 'is'
    throw new StageError('usage', `${flags} ${verb} missing: ${usage}; try --help`)
  }
  const strange = foreign.find(name => options[name] !== undefined && options[name] !== false)
  if (strange) throw new StageError('usage', `${flagOf(strange)} means nothing to the dialect ${dialect}: ${usage}`)
  if (dialect === 'phonebook') return // the client checks them itself
  for (const name of ['name', 'contact'] as const) {
    const text = options[name] as string | undefined
    const problem = text === undefined ? undefined : (nameProblem(text) ?? (text.includes('=') ? '=' : undefined))
    if (problem) {
      const rule = '1 to 64 bytes, no blanks, commas, "=" or invisible characters, no word of the protocol'
      throw new StageError('name-refused', `${flagOf(name)} ${JSON.stringify(text)} can be no id: ${rule}`)
    }
  }
  if (options['name'] !== undefined && options['name'] === options['contact'])
    throw new StageError('usage', `-n and -c are both ${JSON.stringify(options['name'])}: choose two`)
}
