// Law: never touches a socket or a clock. What is tried beside the checks of the candidates: one attempt after the other as
// the plan has them, until something comes through or nothing is left. An attempt is a list of shots, each with its time.
import type { NatHint } from '../dialects/phonebook/hint.ts'
import { type Endpoint, endpointKey } from '../endpoint.ts'
import { mainSocket } from './paths.ts'
import { nextPorts, sequenceOf, sprayPorts } from './odds.ts'
import { type Step, stepsOf } from './steps.ts'
import { type Parameters, type Part, type Plan, type StrategyName, planFor } from './strategy.ts'

/** What is known of the two of us. */
export type Situation = {
  readonly mine: NatHint | undefined
  readonly theirs: NatHint | undefined
  /** Where the phonebook has the peer. */
  readonly endpoint: Endpoint
  /** Other endpoints at that address that it offers. */
  readonly offered: readonly Endpoint[]
  /** Both are proven and seek each other (safety.md rule 5). */
  readonly consented: boolean
}

/** One check, to be sent so long after the attempt's begin, by this socket. */
export type Shot = { readonly afterMs: number; readonly via: number; readonly to: Endpoint; readonly ttl?: number }

export type AttemptsOptions = {
  /** Breaks ties between the two of us. */
  readonly isFirst: boolean
  readonly parameters: Parameters
  /** The only strategy to try. */
  readonly forced?: StrategyName | undefined
  readonly random: () => number
  /** Opens so many fresh sockets. */
  readonly open: (count: number, done: (vias: readonly number[], nowMs: number) => void) => void
  /** Finds out where our next flow is mapped, and tells the peer. */
  readonly sample: (nowMs: number, done: (nowMs: number) => void) => void
  /** Tells the peer where this socket is mapped. */
  readonly offer: (via: number, nowMs: number) => void
  readonly shoot: (shot: Shot, nowMs: number) => void
  readonly onPlan: (plan: Plan) => void
  readonly onAttempt: (strategy: StrategyName, attempt: number) => void
  /** Nothing is left to try. */
  readonly onExhausted: (nowMs: number) => void
}

export type Attempts = {
  readonly plan: Plan | undefined
  /** Something is known that was not, or the peer is elsewhere. */
  update(situation: Situation, nowMs: number): void
  tick(nowMs: number): void
  deadline(): number
  /** Connected, or gone: all begins anew with the next `update`. */
  stop(): void
}

/** Of the probes: what a naive router lets through has come through by then. */
const fullAfterProbes = 0.6
/** All of it again: what good manners allow is renewed once a minute. */
const pauseMs = 60_000
/** Until the peer's own opener has left. */
const holdMs = 400
const fullAfterMs = [holdMs, holdMs + 50, holdMs + 150, holdMs + 350, holdMs + 750]
/** Whose mapping is looked for may open it a little later, or its opening is lost. */
const againMs = [0, 350, 800]

export const createAttempts = (options: AttemptsOptions): Attempts => {
  const { parameters, isFirst, forced } = options
  let situation: Situation | undefined
  let plan: Plan | undefined
  let steps: Step[] = []
  let index = -1
  let stepEndsMs = Infinity
  let shots: readonly Shot[] = []
  let shotsFromMs = 0
  let nextShot = 0
  /** Of what is still to come from an attempt that is over, nothing is wanted. */
  let generation = 0
  /** Predicting both ways: our latest sample is told, and nothing has left us since. */
  let isFresh = false

  const load = (list: readonly Shot[], nowMs: number): void => {
    shots = list
    nextShot = 0
    shotsFromMs = nowMs
    fire(nowMs)
  }

  const fire = (nowMs: number): void => {
    const mine = generation
    for (let shot = shots[nextShot]; shot && shotsFromMs + shot.afterMs <= nowMs; shot = shots[nextShot]) {
      nextShot++
      options.shoot(shot, nowMs)
      if (mine !== generation) return
    }
  }

  const wanted = (run: (nowMs: number) => void): ((nowMs: number) => void) => {
    const mine = generation
    return nowMs => void (mine === generation && run(nowMs))
  }

  const openAnd = (count: number, run: (vias: readonly number[], nowMs: number) => void): void => {
    const mine = generation
    options.open(count, (vias, nowMs) => void (mine === generation && run(vias, nowMs)))
  }

  const portsToShots = (ports: readonly number[], via: number, at: Endpoint): Shot[] =>
    ports.map((port, i) => ({ afterMs: i * parameters.pacingMs, via, to: { address: at.address, port } }))

  const predict = (part: Part, now: Situation, nowMs: number): void => {
    if (part === 'both') return void (isFirst && takeSample(nowMs, () => {}))
    if (part === 'probe') return index > 0 ? probeNext(now, nowMs) : undefined // its samples are from before its checks
    const { endpoint: to } = now
    const ttl = steps[index]?.ttl
    options.sample(
      nowMs,
      wanted(() =>
        openAnd(1, ([via = mainSocket], atMs) => {
          load(
            againMs.map(afterMs => ({ afterMs, via, to, ...(ttl !== undefined && { ttl }) })),
            atMs,
          )
        }),
      ),
    )
  }

  const probeNext = ({ theirs, endpoint }: Situation, nowMs: number): void => {
    const sequence = theirs && sequenceOf(theirs.ports)
    if (!sequence) return
    const once = portsToShots(nextPorts(sequence, parameters.window), mainSocket, endpoint)
    load(
      againMs.flatMap(later => once.map(shot => ({ ...shot, afterMs: shot.afterMs + later }))),
      nowMs,
    )
  }

  const takeSample = (nowMs: number, done: (nowMs: number) => void): void => {
    isFresh = false
    options.sample(
      nowMs,
      wanted(atMs => {
        isFresh = true
        done(atMs)
      }),
    )
  }

  /**
   * One of us samples, the other one answers that with a sample of its own, and both begin where the two of them end: our
   * n-th shot leaves from the n-th port after ours to the n-th after the peer's, and its n-th the other way.
   */
  const meetHalfway = (): void => {
    const { theirs, endpoint } = situation ?? {}
    const sequence = theirs && sequenceOf(theirs.ports)
    if (!sequence || !endpoint || !isFresh) return
    isFresh = false
    openAnd(1, ([via = mainSocket], atMs) => {
      load(portsToShots(nextPorts(sequence, parameters.window), via, endpoint), atMs)
    })
  }

  const spray = (part: Part, { theirs, endpoint }: Situation, nowMs: number): void => {
    if (part === 'open') return openAnd(parameters.sockets, (vias, atMs) => load(openers(vias, endpoint), atMs))
    const seen = parameters.rangeAware ? (theirs?.ports ?? []) : []
    load(portsToShots(sprayPorts(seen, parameters.probes, options.random), mainSocket, endpoint), nowMs)
  }

  /** First with a short life: a naive router at the other end would take what came early for its own. Then, for deeper NATs, in full. */
  const openers = (vias: readonly number[], to: Endpoint): Shot[] => {
    const { pacingMs, probes, ttls } = parameters
    const [ttl] = ttls
    const short = ttl === undefined ? [] : vias.map((via, i) => ({ afterMs: i * pacingMs, via, to, ttl }))
    const fullFromMs = ttl === undefined ? 0 : fullAfterProbes * probes * pacingMs
    return [...short, ...vias.map((via, i) => ({ afterMs: fullFromMs + i * pacingMs, via, to }))]
  }

  let lowTtlVia: number | undefined
  const lowTtl = (): void =>
    openAnd(1, ([via], atMs) => {
      if (via === undefined) return
      lowTtlVia = via
      options.offer(via, atMs)
      openUp(atMs)
    })

  /** Opens our own NATs towards what the peer offers, and knocks only when it has had the time to open its own. */
  const openUp = (nowMs: number): void => {
    const via = lowTtlVia
    const ttl = steps[index]?.ttl
    if (via === undefined || ttl === undefined || !situation) return
    load(
      [0, ...fullAfterMs].flatMap((afterMs, i) =>
        (situation?.offered ?? []).map(to => ({ afterMs, via, to, ...(i === 0 && { ttl }) })),
      ),
      nowMs,
    )
  }

  const begin = (nowMs: number): void => {
    generation++
    shots = []
    index++
    const step = steps[index]
    lowTtlVia = undefined
    if (!step || !situation || !plan) {
      index = -1
      stepEndsMs = nowMs + pauseMs
      return options.onExhausted(nowMs)
    }
    stepEndsMs = nowMs + step.lastsMs
    options.onAttempt(step.strategy, index + 1)
    if (!situation.consented) return
    if (step.strategy === 'predict') predict(plan.part, situation, nowMs)
    if (step.strategy === 'spray') spray(plan.part, situation, nowMs)
    if (step.strategy === 'low-ttl') lowTtl()
  }

  const restart = (next: Plan, nowMs: number): void => {
    plan = next
    options.onPlan(next)
    steps = stepsOf(next, parameters, isFirst)
    index = -1
    isFresh = false
    begin(nowMs)
  }

  /** What came from the peer in the middle of an attempt that waits for it. */
  const react = (before: Situation, now: Situation, nowMs: number): void => {
    const step = steps[index]
    const isNews = before.theirs?.ports.join() !== now.theirs?.ports.join()
    if (step?.strategy === 'predict' && plan?.part === 'probe' && isNews) probeNext(now, nowMs)
    if (step?.strategy === 'predict' && plan?.part === 'both' && isNews) {
      if (isFirst) meetHalfway()
      else takeSample(nowMs, meetHalfway)
    }
    const isOffered = before.offered.map(endpointKey).join() !== now.offered.map(endpointKey).join()
    if (step?.strategy === 'low-ttl' && isOffered) openUp(nowMs)
  }

  return {
    get plan() {
      return plan
    },
    update(now, nowMs) {
      const before = situation
      situation = now
      const planned = planFor(now.mine, now.theirs, isFirst, parameters)
      const next: Plan = forced ? { ...planned, strategy: forced, part: partOf(planned, forced, isFirst) } : planned
      const isSame = plan && next.strategy === plan.strategy && next.part === plan.part && next.odds === plan.odds
      const isElsewhere = before !== undefined && endpointKey(before.endpoint) !== endpointKey(now.endpoint)
      if (!isSame || isElsewhere || before?.consented !== now.consented) restart(next, nowMs)
      else if (before) react(before, now, nowMs)
    },
    tick(nowMs) {
      fire(nowMs)
      if (nowMs >= stepEndsMs) begin(nowMs)
    },
    deadline() {
      const shot = shots[nextShot]
      return Math.min(stepEndsMs, shot ? shotsFromMs + shot.afterMs : Infinity)
    },
    stop() {
      generation++
      situation = plan = undefined
      shots = []
      steps = []
      stepEndsMs = Infinity
    },
  }
}

/** A forced strategy needs both parts to be played, whatever the plan would be. */
const partOf = ({ part }: Plan, forced: StrategyName, isFirst: boolean): Part =>
  forced === 'spray' && part === 'both' ? (isFirst ? 'open' : 'probe') : part
