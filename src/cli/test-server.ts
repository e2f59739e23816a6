// test-server: options in, a running Stage Manager out. The server itself is loaded only when there is one to run.
import { type Endpoint, familyOf, isWildcard } from '../endpoint.ts'
import { StageError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import type { Network } from '../networks.ts'
import type { Door } from '../entry.ts'
import { parseOptions } from './options.ts'
import { run, version } from './run.ts'
import { doors } from '../entry.ts'
import type { ServeOptions } from './serve.ts'
import { clientTable, defaultPort, exitCodeHelp, isDoor, serverTable } from './tables.ts'

const help = `Usage: test-server [-p PORT]... [options]

Runs a Stage Manager: clients register with a name, and are told where the others are, so that
they can talk to each other directly through their NATs.

Options:
  -p, --port PORT        listen on this UDP port, and the TCP port of the same number for the
                         directory (8080); may be repeated
      --host ADDRESS     listen on this address only (all, IPv4 and IPv6); may be repeated
      --alt-address ADDRESS  a second address and
      --alt-port PORT    a second port (the next one, if it is free), for STUN alone:
                         NAT behavior discovery (RFC 5780)
      --capacity N       slots of the circular phonebook (4096; the older server had 16)
      --expiry SECONDS   forget a client that was not heard of for so long (120)
      --broadcast SECONDS  send the whole phonebook to everybody in this interval (never)
      --dialects A,B     speak these only: phonebook, connect, stun, directory, numbered (all)
      --older-ports      listen on 8000, 9090 and 9999 too, where other older programs look
      --stages           read an older client's name@stage as a name on a stage of its own
      --public ADDRESS   clients dial it under this address (and :PORT) too, as behind a NAT:
                         else nobody can own a name there; may be repeated
      --allow NETWORK    answer only these addresses (192.0.2.0/24); may be repeated
      --deny NETWORK     never answer these; may be repeated
      --strict           no courtesy for older clients: nobody who has not shown that he hears
                         us gets more than three times what he sent
      --classic          as the older server: no limits at all, no expiry, a plain ring of slots
                         (not for the open Internet)
      --json             print one JSON object per event, and nothing else
  -q, --quiet            print warnings and errors only
  -h, --help             print this help
      --version          print the version

SIGUSR1 prints the counters. DEBUG=stage:* in the environment shows on stderr what happens to
every datagram.

Examples:
  test-server                              on port 8080, for everybody
  test-server -p 9000 --host 127.0.0.1     for a try on this machine alone
  test-server -p 3478 --host 203.0.113.10 --alt-address 203.0.113.11 --alt-port 3479
                                           a STUN server for NAT testers too
  test-server --dialects phonebook,connect --older-ports
  test-server --json | jq -r 'select(.event=="registered").name'

${exitCodeHelp}
`

export const main = (args: readonly string[]): Promise<never> =>
  run('test-server', async () => {
    const options = parseOptions('test-server', args, serverTable, { 'test-client': clientTable })
    if (options['help'] || options['version']) {
      process.stdout.write(options['help'] ? help : `${version()}\n`)
      return 0
    }
    if (options['json'] && options['quiet'])
      throw new StageError('usage', '--json and -q exclude each other: choose one')
    if (options['strict'] && options['classic']) {
      throw new StageError('usage', '--strict and --classic exclude each other: choose one')
    }
    const places = {
      ports: options['port'] as number[],
      hosts: options['host'] as string[],
      altAddress: options['alt-address'] as string | undefined,
      altPort: options['alt-port'] as number | undefined,
      dialects: readDialects(options['dialects'] as string | undefined),
    }
    checkAlternates(places)
    const { serve } = await import('./serve.ts')
    return serve({
      ...places,
      capacity: options['capacity'] as number | undefined,
      expirySeconds: options['expiry'] as number | undefined,
      broadcastSeconds: options['broadcast'] as number | undefined,
      olderPorts: options['older-ports'] as boolean,
      splitStages: options['stages'] as boolean,
      strict: options['strict'] as boolean,
      classic: options['classic'] as boolean,
      publicEndpoints: options['public'] as Endpoint[],
      allow: options['allow'] as Network[],
      deny: options['deny'] as Network[],
      output: options['json'] ? 'json' : options['quiet'] ? 'quiet' : 'transcript',
    })
  })

type Places = Pick<ServeOptions, 'ports' | 'hosts' | 'altAddress' | 'altPort' | 'dialects'>

/** RFC 5780 s.6: a second address and port beside the first ones, and STUN on all of them. */
const checkAlternates = ({ ports, hosts, altAddress, altPort, dialects }: Places): void => {
  const given = altAddress === undefined ? altPort && '--alt-port' : '--alt-address'
  if (given && dialects && !dialects.includes('stun'))
    throw new StageError('usage', `${given} is for STUN: add stun to --dialects, or leave it out`)
  if (altPort !== undefined && (ports.length === 0 ? [defaultPort] : ports).includes(altPort))
    throw new StageError('usage', `--alt-port ${altPort} is the first port too: give another one`)
  if (altAddress === undefined) return
  if (hosts.includes(altAddress))
    throw new StageError('usage', `--alt-address ${altAddress} is the --host too: give another address of this machine`)
  const firsts = hosts.filter(host => familyOf(host) === familyOf(altAddress))
  if (firsts.length === 0 || [...firsts, altAddress].some(isWildcard)) {
    const kind = `IPv${familyOf(altAddress)}`
    throw new StageError('usage', `--alt-address needs the first ${kind} address too: give it with --host`)
  }
}

const readDialects = (text: string | undefined): Door[] | undefined =>
  text?.split(',').map(word => {
    if (isDoor(word)) return word
    const near = nearest(word, doors)
    const remedy = near ? `did you mean ${near}?` : `choose from ${doors.join(', ')}`
    throw new StageError('usage', `--dialects: there is no dialect ${JSON.stringify(word)}: ${remedy}`)
  })
