// Law: never touches a socket or a clock. Binding requests that are sent again until they are answered or given up, any
// number at a time; and what is to happen later.
import type { Attribute } from '../dialects/stun/attributes.ts'
import type { Change } from '../dialects/stun/forms.ts'
import { binding, decode, encode, first, newTransactionId } from '../dialects/stun/message.ts'
import type { Endpoint } from '../endpoint.ts'
import type { Answer, Sample } from './samples.ts'

export type Socket = { readonly id: number; readonly localPort: number }

export type Outside = {
  /** Says later that it is `opened` or has `failed`. */
  open(id: number, port: number): void
  send(id: number, bytes: Uint8Array, to: Endpoint): void
  randomBytes(count: number): Uint8Array
}

export type Question = {
  readonly test: string
  readonly socket: Socket
  readonly to: Endpoint
  readonly change?: Change
  /** The answer is to come to that socket, which the server sees at that port (RFC 5780 s.7.5). Default: who asked. */
  readonly response?: { readonly socket: Socket; readonly port: number }
  /** From each request to the next, and from the last one until it is given up. */
  readonly pausesMs: readonly number[]
}

type Pending = { readonly question: Question; readonly firstMs: number; sent: number; nextMs: number } & {
  readonly bytes: Uint8Array
  readonly done: (sample: Sample, nowMs: number) => void
}

export type Exchanges = ReturnType<typeof createExchanges>

export const createExchanges = (outside: Outside) => {
  const pending = new Map<string, Pending>()
  const waiting = new Map<number, (socket: Socket | undefined, nowMs: number) => void>()
  const timers = new Set<{ readonly atMs: number; readonly run: (nowMs: number) => void }>()
  let sockets = 0

  const finish = (key: string, { question, sent, done }: Pending, answer: Answer | undefined, nowMs: number): void => {
    const { test, socket, to, change } = question
    pending.delete(key)
    done({ test, localPort: socket.localPort, to, ...(change && { change }), sent, answer }, nowMs)
  }

  const advance = (key: string, asked: Pending, nowMs: number): void => {
    const pause = asked.question.pausesMs[asked.sent]
    if (pause === undefined) return finish(key, asked, undefined, nowMs)
    asked.sent++
    asked.nextMs = nowMs + pause
    outside.send(asked.question.socket.id, asked.bytes, asked.question.to)
  }

  return {
    /** A socket of its own; none where the port is taken. */
    open(port: number, done: (socket: Socket | undefined, nowMs: number) => void): void {
      waiting.set(++sockets, done)
      outside.open(sockets, port)
    },

    opened(id: number, localPort: number | undefined, nowMs: number): void {
      const done = waiting.get(id)
      waiting.delete(id)
      done?.(localPort === undefined ? undefined : { id, localPort }, nowMs)
    },

    ask(question: Question, nowMs: number, done: (sample: Sample, nowMs: number) => void): void {
      const transactionId = newTransactionId(outside.randomBytes(12))
      const attributes: Attribute[] = []
      if (question.change) attributes.push({ name: 'CHANGE-REQUEST', value: question.change })
      if (question.response) attributes.push({ name: 'RESPONSE-PORT', value: question.response.port })
      const bytes = encode({ class: 'request', method: binding, transactionId, attributes })
      const asked = { question, firstMs: nowMs, sent: 0, nextMs: nowMs, bytes, done }
      pending.set(keyOf(transactionId), asked)
      advance(keyOf(transactionId), asked, nowMs)
    },

    after(ms: number, nowMs: number, run: (nowMs: number) => void): void {
      timers.add({ atMs: nowMs + ms, run })
    },

    /** True where it was an answer to one of ours, on the socket that it is for: others may share its external port. */
    receive(id: number, bytes: Uint8Array, from: Endpoint, nowMs: number): boolean {
      const message = decode(bytes)
      if (typeof message === 'string' || !message.class.endsWith('response')) return false
      const key = keyOf(message.transactionId)
      const asked = pending.get(key)
      if (!asked || message.method !== binding) return false
      const { socket, response } = asked.question
      // An error says that the server does not answer elsewhere: it comes to who asked.
      if (id !== socket.id && id !== response?.socket.id) return false
      if (response && id === socket.id && message.class === 'success response') return false
      const mapped = first(message, 'XOR-MAPPED-ADDRESS') ?? first(message, 'MAPPED-ADDRESS')
      const error = message.class === 'error response' ? (first(message, 'ERROR-CODE')?.code ?? 500) : undefined
      if (error === undefined && !mapped) return false
      const other = first(message, 'OTHER-ADDRESS') ?? first(message, 'CHANGED-ADDRESS')
      const afterMs = nowMs - asked.firstMs
      const answer = { mapped: error === undefined ? mapped : undefined, from, other, errorCode: error, afterMs }
      finish(key, asked, answer, nowMs)
      return true
    },

    /** Whether it is one of our own requests that has come back to us. */
    isOwn(bytes: Uint8Array): boolean {
      const message = decode(bytes)
      return typeof message !== 'string' && message.class === 'request' && pending.has(keyOf(message.transactionId))
    },

    tick(nowMs: number): void {
      for (const [key, asked] of pending) if (asked.nextMs <= nowMs) advance(key, asked, nowMs)
      for (const timer of timers) {
        if (timer.atMs > nowMs) continue
        timers.delete(timer)
        timer.run(nowMs)
      }
    },

    deadline: (): number =>
      Math.min(
        ...Array.from(pending.values(), ({ nextMs }) => nextMs),
        ...Array.from(timers, ({ atMs }) => atMs),
        Infinity,
      ),
  }
}

const keyOf = (transactionId: Uint8Array): string => transactionId.join()
