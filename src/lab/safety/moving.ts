// R3: the server's name means another address, after a while without any; a client's NAT forgets it.
import { connect } from '../../client/client.ts'
import { sameEndpoint } from '../../endpoint.ts'
import { seededRandom } from '../../sim/random.ts'
import { behindForgetfulNat } from '../rebinding.ts'
import { windowMs } from '../soak.ts'
import { createStage, port, serverAddress } from '../stage.ts'
import type { WorldFigure } from './figure.ts'

const name = 'stage.test'
const lookersMs = 5000

const rough = (seed: number) => {
  const random = seededRandom(seed, 'network')
  const link = { latencyMs: random.next() * 60, jitterMs: random.next() * 20, loss: 0.005 }
  return { stage: createStage({ seed, trace: false, keepEvents: false, link }), random }
}

/** When the lookers of a server that moved have met, and its connected ones are in its book. */
const serverMoves = (seed: number): { lookers: number; connected: number } => {
  const { stage, random } = rough(seed)
  const { world } = stage
  world.dns.set(name, [serverAddress])
  stage.startServer()
  const start = (who: string, peer: string) => stage.startClient(who, peer, { server: name })
  const [alice, bob, carol] = [start('alice', 'bob'), start('bob', 'alice'), start('carol', 'dave')]
  world.run(5000)
  stage.hostOf('server').stop()
  world.dns.delete(name)
  world.run(world.now() + random.next() * 60_000)
  const { phonebook } = stage.startServer({}, world.host({ address: '203.0.113.99', name: 'moved' })).server
  world.dns.set(name, ['203.0.113.99'])
  const movedMs = world.now()
  const dave = start('dave', 'carol')
  const are = (...all: readonly (typeof alice)[]): boolean => all.every(({ client }) => client.state === 'connected')
  const met = world.runUntil(() => are(carol, dave), movedMs + 60_000)
  const lookers = met ? world.now() - movedMs : Infinity
  const inBook = (): boolean => phonebook.find('alice') !== undefined && phonebook.find('bob') !== undefined
  const back = world.runUntil(inBook, movedMs + 60_000)
  return { lookers, connected: back && are(alice, bob) ? world.now() - movedMs : Infinity }
}

/** When a looker whose port changed is in the book with the new one, and a connected client talks both ways again. */
const portChanges = (seed: number): { lookers: number; connected: number } => {
  const { stage, random } = rough(seed)
  const { world } = stage
  const { phonebook } = stage.startServer().server
  const start = (who: string, peer: string) => {
    const nat = behindForgetfulNat(stage.hostOf(who))
    const heard: string[] = []
    const client = connect(nat.host, {
      server: serverAddress,
      port,
      name: who,
      peer,
      onEvent: event => event.event === 'message' && heard.push(event.text),
    })
    return { nat, client, heard }
  }
  const [alice, bob, carol] = [start('alice', 'bob'), start('bob', 'alice'), start('carol', 'nobody')]
  world.run(5000 + random.next() * 20_000)
  const before = phonebook.find('carol')?.endpoint
  const sinceMs = world.now()
  for (const { nat } of [alice, carol]) nat.rebind()
  const isSeen = (): boolean => {
    const now = phonebook.find('carol')?.endpoint
    return before !== undefined && now !== undefined && !sameEndpoint(before, now)
  }
  const lookers = world.runUntil(isSeen, sinceMs + 60_000) ? world.now() - sinceMs : Infinity
  const question = (): void => {
    bob.client.send('are you there?')
    alice.client.send('are you there?')
    world.after(250, question)
  }
  for (const { heard } of [alice, bob]) heard.length = 0
  question()
  const both = (): boolean => [alice, bob].every(({ heard }) => heard.length > 0)
  return { lookers, connected: world.runUntil(both, sinceMs + 60_000) ? world.now() - sinceMs : Infinity }
}

const figure = (what: string, story: typeof serverMoves): WorldFigure => ({
  id: 'R3',
  promised: `${what}: lookers back <= 5 s, connected ones <= one interval + 5 s`,
  measure(size) {
    const seeds = size === 'whole' ? 500 : 50
    const results = Array.from({ length: seeds }, (_, i) => story(i + 1))
    const lookers = Math.max(...results.map(result => result.lookers))
    const connected = Math.max(...results.map(result => result.connected))
    return {
      measured: `lookers ${(lookers / 1000).toFixed(1)} s, connected ${(connected / 1000).toFixed(1)} s at most (${seeds} seeds)`,
      pass: lookers <= lookersMs && connected <= windowMs,
    }
  },
})

export const serverThatMoves = figure('address or DNS of the server changes, NXDOMAIN for a while', serverMoves)
export const clientThatMoves = figure("a client's port changes", portChanges)
