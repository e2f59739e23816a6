// Law: never touches a socket or a clock. Questions to the server, one at a time and in order, each repeated until it is
// answered; as long as no address of the server has answered, every repetition goes to the next one.
import { type Endpoint, sameEndpoint } from '../endpoint.ts'
import { jittered, retryDelayMs } from './schedule.ts'

export type Question = {
  readonly bytes: Uint8Array
  /** After so many without an answer it is given up. Default: never. */
  readonly most?: number
  /** The pause after it was sent so often (from 1). Default: 250, 500, 1000, 1000 ... ms, with jitter. */
  readonly pauseMs?: (sent: number) => number
  readonly onGivenUp?: (nowMs: number) => void
}

export type AskerOptions = {
  readonly random: () => number
  readonly send: (bytes: Uint8Array, to: Endpoint) => void
  /** Looks the server's host up again. */
  readonly lookup: () => void
}

/** Unanswered, of one question, after which the host is looked up again. */
const missesUntilLookup = 3
const mostServers = 8
const mostWaiting = 16

export class Asker {
  readonly #options: AskerOptions
  #servers: readonly Endpoint[] = []
  #active: Endpoint | undefined
  #asked = 0
  readonly #waiting: Question[] = []
  #sent = 0
  #nextMs = Infinity

  constructor(options: AskerOptions) {
    this.#options = options
  }

  /** The server that answers us; before that, the one asked first. */
  get server(): Endpoint | undefined {
    return this.#active ?? this.#servers[0]
  }

  get answered(): boolean {
    return this.#active !== undefined
  }

  /** What is being asked now. */
  get question(): Question | undefined {
    return this.#waiting[0]
  }

  found(servers: readonly Endpoint[], nowMs: number): void {
    const isFirst = this.#servers.length === 0
    this.#servers = servers.slice(0, mostServers)
    if (isFirst && this.question) this.#send(this.question, nowMs)
  }

  isServer(from: Endpoint): boolean {
    const known = this.#active ? [this.#active, ...this.#servers] : this.#servers
    return known.some(server => sameEndpoint(server, from))
  }

  /** False where too many questions are waiting. */
  ask(question: Question, nowMs: number): boolean {
    if (this.#waiting.length >= mostWaiting) return false
    this.#waiting.push(question)
    if (this.question === question) this.#begin(nowMs)
    return true
  }

  /** The question of now is answered, or of no interest any more. */
  settle(nowMs: number): void {
    this.#waiting.shift()
    this.#nextMs = Infinity
    this.#begin(nowMs)
  }

  /** A server of ours said something. */
  heard(from: Endpoint): void {
    this.#active = from
  }

  tick(nowMs: number): void {
    const { question } = this
    if (nowMs < this.#nextMs || !question) return
    if (this.#sent >= missesUntilLookup) {
      this.#active = undefined
      this.#options.lookup()
    }
    if (this.#sent < (question.most ?? Infinity)) return this.#send(question, nowMs)
    this.settle(nowMs)
    question.onGivenUp?.(nowMs)
  }

  deadline(): number {
    return this.#nextMs
  }

  #begin(nowMs: number): void {
    this.#sent = 0
    if (this.question && this.#servers.length > 0) this.#send(this.question, nowMs)
  }

  #send({ bytes, pauseMs }: Question, nowMs: number): void {
    const server = this.#active ?? this.#servers[this.#asked++ % this.#servers.length]
    this.#sent++
    this.#nextMs = nowMs + (pauseMs?.(this.#sent) ?? jittered(retryDelayMs(this.#sent - 1), this.#options.random()))
    if (server) this.#options.send(bytes, server)
  }
}
