// test-client: options in, a conversation with the peer out. The client itself is loaded only when there is one to run.
import { StageError } from '../errors.ts'
import { isStage } from '../name.ts'
import { parseOptions } from './options.ts'
import { run, version } from './run.ts'
import { clientTable, exitCodeHelp, serverTable } from './tables.ts'

const help = `Usage: test-client -s HOST -n NAME -c PEER [-p PORT] [options]

Registers NAME with the Stage Manager on HOST, waits for PEER to register too, and then talks to
PEER directly, through the NATs of both. Every line that you type goes to the peer.

Options:
  -s, --server HOST      name, IPv4 or IPv6 address of the Stage Manager
  -p, --port PORT        its UDP port (8080)
  -n, --name NAME        my name, 1 to 64 bytes without blanks and commas
  -c, --contact PEER     the name of whom I want to reach
      --dialect DIALECT  phonebook, or directory: nicknames, and whom to talk to is chosen
                         later (list, query NICK); needs no -c, and asks where -n is left out
      --stage STAGE      meet in a room of this name: one sees only those who are in it
      --exit-on-connect  end one second after both sides have heard each other
      --timeout SECONDS  give up when not connected by then (never)
      --interval SECONDS ask the server this often while looking for the peer (1, later 3)
      --no-host          do not tell the peer my addresses behind the NAT
      --no-input         do not read from the terminal: for running in the background
      --json             print one JSON object per event, and nothing else
  -q, --quiet            print the peer's messages and nothing else
  -h, --help             print this help
      --version          print the version

DEBUG=stage:* in the environment shows on stderr what happens inside.

Examples:
  test-client -s stage.example.org -n alice -c bob
  test-client -s 127.0.0.1 -n bob -c alice --exit-on-connect --timeout 30
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
    const dialect = (options['dialect'] as string | undefined) ?? 'phonebook'
    if (dialect !== 'phonebook' && dialect !== 'directory') {
      throw new StageError('usage', `--dialect ${JSON.stringify(dialect)}: give phonebook or directory`)
    }
    const needed = dialect === 'directory' ? (['server'] as const) : (['server', 'name', 'contact'] as const)
    const missing = needed.filter(name => options[name] === undefined)
    if (missing.length > 0) {
      const flags = missing
        .map(name => `-${clientTable[name].short}`)
        .join(', ')
        .replace(/, ([^,]*)$/, ' and $1')
      const verb = missing.length > 1 ? 'are' : 'is'
      const usage = dialect === 'directory' ? '--dialect directory -s HOST' : '-s HOST -n MY_NAME -c PEER_NAME'
      throw new StageError('usage', `${flags} ${verb} missing: test-client ${usage}; try --help`)
    }
    if (options['json'] && options['quiet'])
      throw new StageError('usage', '--json and -q exclude each other: choose one')
    const withPort = /^([^:]+):(\d+)$/.exec(options['server'] as string)
    if (withPort) throw new StageError('usage', `-s takes no port: give -s ${withPort[1]} -p ${withPort[2]}`)
    const bare = /^(?:\w+:\/\/([^/]+).*|\[(.+)\])$/.exec(options['server'] as string)
    if (bare) throw new StageError('usage', `-s takes a name or an address: give -s ${bare[1] ?? bare[2]}`)
    const stage = options['stage'] as string | undefined
    if (stage !== undefined && !isStage(stage)) {
      throw new StageError(
        'usage',
        `--stage ${JSON.stringify(stage)}: give 1 to 64 ASCII letters, digits or signs, no comma`,
      )
    }
    const server = options['server'] as string
    const port = (options['port'] as number | undefined) ?? 8080
    const timeoutSeconds = options['timeout'] as number | undefined
    const output = options['json'] ? 'json' : options['quiet'] ? 'quiet' : 'transcript'
    if (dialect === 'directory') {
      const { talkDirectory } = await import('./talk-directory.ts')
      const nickname = options['name'] as string | undefined
      return talkDirectory({ server, port, nickname, readInput: options['input'] as boolean, timeoutSeconds, output })
    }
    const { talk } = await import('./talk.ts')
    return talk({
      server,
      port,
      name: options['name'] as string,
      peer: options['contact'] as string,
      stage: stage ?? '',
      offerHosts: options['host'] as boolean,
      readInput: options['input'] as boolean,
      exitOnConnect: options['exit-on-connect'] as boolean,
      timeoutSeconds,
      intervalSeconds: options['interval'] as number | undefined,
      output,
    })
  })
