// Law: never touches a socket or a clock; datagrams and the time come in. Asks a server all that the verdicts need: first
// who answers, then how ports are assigned, one fresh socket after the other, and then everything else at the same time,
// each test on a socket of its own that the server has seen and nobody else.
import type { Change } from '../dialects/stun/forms.ts'
import type { Endpoint } from '../endpoint.ts'
import type { Core } from './drive.ts'
import { type Outside, type Socket, createExchanges } from './exchanges.ts'
import type { FilteringTests } from './filtering.ts'
import type { HairpinTest } from './hairpinning.ts'
import type { MappingTests } from './mapping.ts'
import { type Paces, firstPausesMs, pacesFor } from './paces.ts'
import { type Sample, mappedOf } from './samples.ts'
import { mayBeAsked } from './server.ts'

export type Evidence = {
  /** The first of those asked that answered. */
  readonly server: Endpoint | undefined
  readonly other: Endpoint | undefined
  /** Bindings of fresh sockets with the server, in their order. */
  readonly ports: readonly Sample[]
  readonly mapping: readonly MappingTests[]
  readonly filtering: FilteringTests
  /** What the sender of the datagram that came too early sees of the socket that it came to. */
  readonly early: { readonly before: Sample | undefined; readonly after: Sample | undefined }
  readonly hairpin: HairpinTest | undefined
}

/** The next server is asked too where the one before is silent for so long. */
const nextServerAfterMs = 600
const fewSockets = 7
const both: Change = { ip: true, port: true }
const portOnly: Change = { ip: false, port: true }
const addressOnly: Change = { ip: true, port: false }

/** A fresh socket and its first binding. */
type Bound = { readonly socket: Socket; readonly sample: Sample }

export const createProbe = (
  outside: Outside,
  servers: readonly Endpoint[],
  onDone: (evidence: Evidence, nowMs: number) => void,
): Core => {
  const exchanges = createExchanges(outside)
  const ports: Sample[] = []
  const bound: Bound[] = []
  const mapping: MappingTests[] = []
  const controls: Sample[] = []
  const filtering: { two?: Sample; three?: Sample; four?: Sample } = {}
  let early: Evidence['early'] = { before: undefined, after: undefined }
  let hairpin: { sent: number; arrived: number } | undefined
  let hairpinSockets: readonly number[] = []
  let server: Endpoint | undefined
  let said: Endpoint | undefined
  /** Where what was said is a place to send to. */
  let other: Endpoint | undefined
  let paces: Paces = pacesFor(0)

  const finish = (nowMs: number): void =>
    onDone({ server, other: said, ports, mapping, filtering: { ...filtering, controls }, early, hairpin }, nowMs)

  const find = (socket: Socket, nowMs: number): void => {
    let silent = 0
    const onAnswer = (sample: Sample, atMs: number): void => {
      if (server) return
      if (!sample.answer?.mapped) return void (++silent === servers.length && finish(atMs))
      server = sample.to
      said = sample.answer.other
      other = said && mayBeAsked(server, said) ? said : undefined
      // Which of several requests was answered is not known: rather too long than too short.
      paces = pacesFor(sample.answer.afterMs)
      ports.push(sample)
      bound.push({ socket, sample })
      fill(atMs)
    }
    for (const [i, to] of servers.entries()) {
      const ask = (atMs: number): void => {
        if (!server) exchanges.ask({ test: 'binding', socket, to, pausesMs: firstPausesMs }, atMs, onAnswer)
      }
      if (i === 0) ask(nowMs)
      else exchanges.after(i * nextServerAfterMs, nowMs, ask)
    }
  }

  /** One after the other: two at a time might overtake each other on their way to the NAT. */
  const bind = (port: number, nowMs: number, done: (bound: Bound | undefined, nowMs: number) => void): void => {
    const to = server
    if (!to) return done(undefined, nowMs)
    exchanges.open(port, (socket, openedMs) => {
      if (!socket) return done(undefined, openedMs)
      exchanges.ask({ test: 'binding', socket, to, pausesMs: paces.answered }, openedMs, (sample, atMs) => {
        ports.push(sample)
        done(mappedOf(sample) ? { socket, sample } : undefined, atMs)
      })
    })
  }

  const fill = (nowMs: number, missing = 0): void => {
    if (bound.length + missing >= fewSockets) return neighbours(nowMs)
    bind(0, nowMs, (found, atMs) => {
      if (found) bound.push(found)
      fill(atMs, found ? missing : missing + 1)
    })
  }

  /** The port above one that was asked about before, and the one below: is the order of the ports kept? */
  const neighbours = (nowMs: number): void => {
    const locals = bound.map(({ socket }) => socket.localPort)
    const [highest, lowest] = [Math.max(...locals), Math.min(...locals)]
    const above = highest < 65_535 ? highest + 1 : 0
    const below = lowest > 1024 ? lowest - 1 : 0
    bind(above, nowMs, (_above, aboveMs) => bind(below, aboveMs, (_below, belowMs) => test(belowMs)))
  }

  const test = (nowMs: number): void => {
    let running = 1
    const end = (atMs: number): void => {
      if (--running === 0) finish(atMs)
    }
    const run = (
      on: Bound | undefined,
      what: (on: Bound, nowMs: number, end: (atMs: number) => void) => void,
    ): void => {
      if (!on) return
      running++
      what(on, nowMs, end)
    }
    // Not neighbours: where contiguity is kept, what befalls one befalls the other.
    const [a, two, b, three, four, one, another] = bound
    run(a, (on, atMs, end) => testMapping(on, atMs, end, controlled => testControls(on.socket, controlled, end)))
    run(b, (on, atMs, end) => testMapping(on, atMs, end, end))
    if (other) {
      run(two, testEarly)
      run(four, (on, atMs, end) =>
        askFrom('filtering IV', on.socket, addressOnly, atMs, (sample, endMs) => {
          filtering.four = sample
          end(endMs)
        }),
      )
    }
    // A server with one address can still change its port.
    run(three, (on, atMs, end) =>
      askFrom('filtering III', on.socket, portOnly, atMs, (sample, answeredMs) => {
        filtering.three = sample
        if (a && !other && sample.answer) askOtherPort(a, sample.answer.from, answeredMs, end)
        else end(answeredMs)
      }),
    )
    run(another, (on, atMs, end) => (one ? testHairpin(one, on, atMs, end) : end(atMs)))
    end(nowMs)
  }

  const ask = (
    test: string,
    socket: Socket,
    to: Endpoint,
    nowMs: number,
    done: (sample: Sample, nowMs: number) => void,
  ): void => exchanges.ask({ test, socket, to, pausesMs: paces.answered }, nowMs, done)

  const askFrom = (
    test: string,
    socket: Socket,
    change: Change,
    nowMs: number,
    done: (sample: Sample, nowMs: number) => void,
  ): void => {
    if (server) exchanges.ask({ test, socket, to: server, change, pausesMs: paces.silent }, nowMs, done)
  }

  /** Ends where there is nothing to ask; otherwise goes on to what comes next. */
  const testMapping = (
    { socket, sample: one }: Bound,
    nowMs: number,
    end: (atMs: number) => void,
    next: (atMs: number) => void,
  ): void => {
    if (!server || !other || other.address === server.address) {
      mapping.push({ one })
      return end(nowMs)
    }
    const found: { two?: Sample; three?: Sample } = {}
    const onAnswer = (atMs: number): void => {
      if (!found.two || !found.three) return
      mapping.push({ one, ...found })
      next(atMs)
    }
    ask('mapping II', socket, { address: other.address, port: server.port }, nowMs, (sample, atMs) => {
      found.two = sample
      onAnswer(atMs)
    })
    ask('mapping III', socket, other, nowMs, (sample, atMs) => {
      found.three = sample
      onAnswer(atMs)
    })
  }

  const testControls = (socket: Socket, nowMs: number, end: (atMs: number) => void): void => {
    if (!server || !other) return end(nowMs)
    ask('control', socket, { address: server.address, port: other.port }, nowMs, (_sample, askedMs) => {
      for (const change of [both, portOnly, addressOnly]) {
        askFrom('control', socket, change, askedMs, (sample, atMs) => {
          if (controls.push(sample) === 3) end(atMs)
        })
      }
    })
  }

  const testEarly = ({ socket, sample: before }: Bound, nowMs: number, end: (atMs: number) => void): void => {
    const alternate = other
    if (!alternate) return end(nowMs)
    askFrom('filtering II', socket, both, nowMs, (sample, atMs) => {
      filtering.two = sample
      if (sample.answer) return end(atMs)
      ask('early', socket, alternate, atMs, (after, askedMs) => {
        early = { before, after }
        end(askedMs)
      })
    })
  }

  const askOtherPort = ({ socket }: Bound, to: Endpoint, nowMs: number, end: (atMs: number) => void): void => {
    if (!server || to.address !== server.address || to.port === server.port) return end(nowMs)
    ask('mapping, other port', socket, to, nowMs, (otherPort, atMs) => {
      const [first] = mapping
      if (first) mapping[0] = { ...first, otherPort }
      end(atMs)
    })
  }

  /** What arrives is counted, and not answered. */
  const testHairpin = (one: Bound, another: Bound, nowMs: number, end: (atMs: number) => void): void => {
    const [toOne, toAnother] = [mappedOf(one.sample), mappedOf(another.sample)]
    if (!server || !toOne || !toAnother) return end(nowMs)
    if (!mayBeAsked(server, toOne) || !mayBeAsked(server, toAnother)) return end(nowMs)
    hairpin = { sent: 0, arrived: 0 }
    hairpinSockets = [one.socket.id, another.socket.id]
    let open = 2
    const done = (sample: Sample, atMs: number): void => {
      if (hairpin) hairpin.sent = Math.max(hairpin.sent, sample.sent)
      if (--open === 0) end(atMs)
    }
    const pausesMs = paces.silent
    exchanges.ask({ test: 'hairpinning', socket: one.socket, to: toAnother, pausesMs }, nowMs, done)
    exchanges.ask({ test: 'hairpinning', socket: another.socket, to: toOne, pausesMs }, nowMs, done)
  }

  return {
    start: () => exchanges.open(0, (socket, openedMs) => (socket ? find(socket, openedMs) : finish(openedMs))),
    opened: exchanges.opened,
    receive(id, bytes, from, nowMs) {
      if (exchanges.receive(id, bytes, from, nowMs) || !hairpin) return
      if (hairpinSockets.includes(id) && exchanges.isOwn(bytes)) hairpin.arrived++
    },
    tick: exchanges.tick,
    deadline: exchanges.deadline,
  }
}
