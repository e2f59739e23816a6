// Law: never touches a socket or a clock. The cheap part of what `nat-lab check` finds out: how our own NAT maps, from the
// server's other sockets, and what its latest ports were. Nobody waits for it: the punch goes on meanwhile.
import type { Exchanges, Socket } from '../behavior/exchanges.ts'
import { enoughRequests } from '../behavior/filtering.ts'
import { pacesFor } from '../behavior/paces.ts'
import { type Sample, mappedOf } from '../behavior/samples.ts'
import type { Alternate } from '../dialects/phonebook/codec.ts'
import { type NatHint, mostHintPorts } from '../dialects/phonebook/hint.ts'
import { type Endpoint, sameEndpoint } from '../endpoint.ts'
import { type Behavior, behaviors } from '../nat-profile.ts'

const [EI, AD, APD] = behaviors
const freshSockets = 2

export type OwnNatOptions = {
  readonly exchanges: Exchanges
  /** The socket that is registered. */
  readonly main: () => Socket
  /** The server sees us where we are. */
  readonly hasNone: () => boolean
  /** Is of no more use. */
  readonly release: (socket: Socket) => void
  /** Something new is known of it. */
  readonly onNews: (hint: NatHint) => void
}

export type OwnNat = {
  readonly hint: NatHint | undefined
  /** The server sees our main socket there, and has these other sockets; finds out once, and anew where we have moved. */
  registered(server: Endpoint, mapped: Endpoint, alternates: readonly Alternate[], nowMs: number): void
  /** Asks from a fresh socket where the next flow is mapped. `done` always comes. */
  sample(nowMs: number, done: (nowMs: number) => void): void
}

export const createOwnNat = ({ exchanges, main, hasNone, release, onNews }: OwnNatOptions): OwnNat => {
  let server: Endpoint | undefined
  let known: Endpoint | undefined
  let mapping: Behavior | undefined
  let filtering: Behavior | undefined
  let ports: number[] = []
  const paces = pacesFor(0)

  const hint = (): NatHint | undefined => {
    if (hasNone()) return { mapping: EI, filtering: undefined, ports: [] }
    return mapping && { mapping, filtering, ports: mapping === EI ? [] : ports }
  }

  const tell = (): void => {
    const news = hint()
    if (news) onNews(news)
  }

  const note = (sample: Sample): void => {
    const mapped = mappedOf(sample)
    if (mapped) ports = [...ports, mapped.port].slice(-mostHintPorts)
  }

  const ask = (to: Endpoint, nowMs: number, done: (sample: Sample) => void): void =>
    exchanges.ask({ test: 'mapping', socket: main(), to, pausesMs: paces.answered }, nowMs, done)

  const start = (at: Endpoint, mapped: Endpoint, others: readonly Endpoint[], nowMs: number): void => {
    const samples: Sample[] = []
    for (const other of others) {
      ask(other, nowMs, sample => {
        if (known !== mapped) return // we have moved meanwhile
        note(sample)
        samples.push(sample)
        if (samples.length < others.length) return
        mapping = mappingFrom(at, mapped, samples)
        if (mapping === AD || mapping === APD) lookCloser(at)
        else tell()
      })
    }
  }

  /** More samples, and what lets somebody through who has such a mapping too: the filter. Told in one, as a server passes on little. */
  const lookCloser = (at: Endpoint): void => {
    let missing = freshSockets
    for (let i = 0; i < freshSockets; i++) {
      bind(at, (socket, atMs) => {
        if (--missing === 0) tell()
        if (i === 0 && socket) testFilter(socket, at, atMs)
        else if (socket) release(socket)
      })
    }
  }

  const testFilter = (socket: Socket, at: Endpoint, nowMs: number): void => {
    const question = { test: 'filtering', socket, to: at, change: { ip: false, port: true } }
    exchanges.ask({ ...question, pausesMs: paces.silent }, nowMs, ({ answer, sent }) => {
      release(socket)
      if (answer?.errorCode !== undefined || (!answer && sent < enoughRequests)) return
      filtering = answer && answer.from.port !== at.port ? AD : APD
      tell()
    })
  }

  /** A fresh socket, which the server has seen. */
  const bind = (at: Endpoint, done: (socket: Socket | undefined, nowMs: number) => void): void =>
    exchanges.open(0, (socket, openedMs) => {
      if (!socket) return done(undefined, openedMs)
      exchanges.ask({ test: 'ports', socket, to: at, pausesMs: paces.answered }, openedMs, (sample, atMs) => {
        note(sample)
        done(socket, atMs)
      })
    })

  return {
    get hint() {
      return hint()
    },
    registered(at, mapped, alternates, nowMs) {
      if (known && sameEndpoint(known, mapped) && server && sameEndpoint(server, at)) return
      server = at
      known = mapped
      mapping = filtering = undefined
      ports = [mapped.port]
      if (hasNone()) return // the answer to this datagram says so already
      const others = alternates.map(({ address = at.address, port }) => ({ address, port }))
      if (others.length > 0) start(at, mapped, others, nowMs)
    },
    sample(nowMs, done) {
      if (!server) return done(nowMs)
      bind(server, (socket, atMs) => {
        if (socket) release(socket)
        tell()
        done(atMs)
      })
    },
  }
}

/** RFC 5780 s.4.3, as far as the server's other sockets allow: without another address, address-dependent is not seen. */
const mappingFrom = (server: Endpoint, mapped: Endpoint, samples: readonly Sample[]): Behavior | undefined => {
  const isSame = (sample: Sample | undefined): boolean | undefined => {
    const there = mappedOf(sample)
    return there && sameEndpoint(there, mapped)
  }
  const here = isSame(samples.find(({ to }) => to.address === server.address))
  const elsewhere = isSame(samples.find(({ to }) => to.address !== server.address))
  if (here === false) return APD
  if (elsewhere === false) return here ? AD : APD
  return here || elsewhere ? EI : undefined
}
