// Law: pure, but for its host's timers. One end of a TCP connection inside a world: bytes arrive once and in order, so that
// what a link loses, doubles or overtakes becomes delay. Not modelled: windows, congestion, the size of a segment.
import type { Endpoint } from '../endpoint.ts'
import type { TcpConnection } from '../host.ts'

/** What a datagram carries beside its bytes. Each part but `ack` and `rst` takes a number, and is sent until that is acknowledged. */
export type TcpPart = {
  readonly kind: 'syn' | 'data' | 'probe' | 'fin' | 'ack' | 'rst'
  readonly number: number
  /** The number that is expected next. */
  readonly acknowledges: number
}

/** What an end needs of its host. */
export type TcpEndHost = {
  now(): number
  after(ms: number, run: () => void): () => void
  /** Sends to the other end. */
  emit(part: TcpPart, bytes: Uint8Array): void
  /** The other end has agreed to talk. */
  opened(): void
  /** It is over; no part belongs to this end any more. */
  release(): void
}

type Piece = { readonly kind: 'syn' | 'data' | 'probe' | 'fin'; readonly number: number; readonly bytes: Uint8Array }

const firstRetryMs = 250
const longestRetryMs = 1000
/** Nothing acknowledged for so long: the other end is gone. Real hosts try for a quarter of an hour. */
const giveUpMs = 10_000
/** As on a real host: see `host/node-tcp.ts`. */
const keepaliveMs = 30_000
const lingerMs = 2000
const nothing = new Uint8Array()

export class TcpEnd implements TcpConnection {
  readonly remote: Endpoint
  readonly #host: TcpEndHost
  #state: 'opening' | 'open' | 'over' = 'opening'
  #unacknowledged: Piece[] = []
  #nextNumber = 0
  #expected = 0
  readonly #early = new Map<number, Piece>()
  #retryMs = firstRetryMs
  #progressMs = 0
  /** Since when nothing has been heard, or asked. */
  #quietSinceMs = 0
  #saidAll = false
  #heardAll = false
  /** By the program: it wants to hear no more. */
  #closed = false
  #cancelRetry = (): void => {}
  #cancelKeepalive = (): void => {}
  #cancelLinger = (): void => {}
  #onOpen = (): void => {}
  #onData: (bytes: Uint8Array) => void = () => {}
  #onClose: (error?: Error) => void = () => {}

  constructor(host: TcpEndHost, remote: Endpoint) {
    this.#host = host
    this.remote = remote
  }

  get unsentBytes(): number {
    return this.#unacknowledged.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  onOpen(handler: () => void): void {
    this.#onOpen = handler
  }

  onData(handler: (bytes: Uint8Array) => void): void {
    this.#onData = handler
  }

  onClose(handler: (error?: Error) => void): void {
    this.#onClose = handler
  }

  /** The first word of either end. */
  begin(): void {
    this.#say('syn')
  }

  send(bytes: Uint8Array): void {
    if (!this.#saidAll && bytes.length > 0) this.#say('data', new Uint8Array(bytes))
  }

  close(): void {
    this.#closed = true
    this.#end()
  }

  abort(): void {
    if (this.#state === 'over') return
    this.#closed = true
    this.#emit('rst', this.#nextNumber)
    this.#host.after(0, () => this.#onClose())
    this.#finish()
  }

  /** Over without a word to the program: its host has crashed. */
  vanish(): void {
    this.#emit('rst', this.#nextNumber)
    this.#finish()
  }

  fail(error: Error | undefined): void {
    if (this.#state === 'over') return
    this.#finish()
    this.#onClose(this.#closed ? undefined : error)
  }

  receive({ kind, number, acknowledges }: TcpPart, bytes: Uint8Array): void {
    if (this.#state === 'over') return
    this.#quietSinceMs = this.#host.now()
    if (kind === 'rst') return this.fail(this.#isDone() ? undefined : broken(this.#state, this.remote))
    this.#acknowledged(acknowledges)
    if (kind === 'ack') return
    if (number >= this.#expected) this.#early.set(number, { kind, number, bytes })
    for (let next = this.#next(); next; next = this.#next()) {
      this.#early.delete(this.#expected++)
      this.#take(next)
    }
    this.#emit('ack', this.#nextNumber)
    this.#settle()
  }

  /** Nobody is told anything before both have agreed to talk. */
  #next(): Piece | undefined {
    const next = this.#early.get(this.#expected)
    return this.#state === 'open' || next?.kind === 'syn' ? next : undefined
  }

  #take({ kind, bytes }: Piece): void {
    if (kind === 'syn') this.#open()
    if (kind === 'data' && !this.#closed) this.#onData(bytes)
    if (kind !== 'fin') return
    this.#heardAll = true
    this.#end()
  }

  #acknowledged(upTo: number): void {
    const before = this.#unacknowledged.length
    this.#unacknowledged = this.#unacknowledged.filter(({ number }) => number >= upTo)
    if (this.#unacknowledged.length === before) return
    this.#retryMs = firstRetryMs
    this.#progressMs = this.#host.now()
    this.#armRetry()
    this.#open()
    this.#settle()
  }

  /** Once each has had the other's first word. */
  #open(): void {
    const isHeard = this.#nextNumber > 0 && this.#unacknowledged[0]?.kind !== 'syn'
    if (this.#state !== 'opening' || !isHeard || this.#expected === 0) return
    this.#state = 'open'
    for (const { kind, number, bytes } of this.#unacknowledged) this.#emit(kind, number, bytes)
    this.#armKeepalive()
    this.#host.opened()
    if (!this.#closed) this.#onOpen()
  }

  #end(): void {
    if (this.#saidAll || this.#state === 'over') return
    this.#say('fin')
    this.#saidAll = true
    this.#cancelLinger = this.#host.after(lingerMs, () => {
      this.#emit('rst', this.#nextNumber)
      this.fail(undefined)
    })
  }

  #isDone(): boolean {
    return this.#saidAll && this.#heardAll
  }

  #settle(): void {
    if (this.#isDone() && this.#unacknowledged.length === 0) this.fail(undefined)
  }

  #say(kind: Piece['kind'], bytes: Uint8Array = nothing): void {
    if (this.#state === 'over') return
    const piece = { kind, number: this.#nextNumber++, bytes }
    this.#unacknowledged.push(piece)
    if (this.#unacknowledged.length === 1) {
      this.#progressMs = this.#host.now()
      this.#armRetry()
    }
    // Until the other end has agreed, the first word is all that is said.
    if (this.#state === 'open' || kind === 'syn') this.#emit(kind, piece.number, bytes)
  }

  #armRetry(): void {
    this.#cancelRetry()
    if (this.#unacknowledged.length === 0) return
    this.#cancelRetry = this.#host.after(this.#retryMs, () => {
      if (this.#host.now() - this.#progressMs >= giveUpMs) return this.fail(timedOut(this.remote))
      this.#retryMs = Math.min(2 * this.#retryMs, longestRetryMs)
      const due =
        this.#state === 'open' ? this.#unacknowledged : this.#unacknowledged.filter(({ kind }) => kind === 'syn')
      for (const { kind, number, bytes } of due) this.#emit(kind, number, bytes)
      this.#armRetry()
    })
  }

  #armKeepalive(): void {
    const dueMs = this.#quietSinceMs + keepaliveMs
    this.#cancelKeepalive = this.#host.after(dueMs - this.#host.now(), () => {
      if (this.#host.now() >= this.#quietSinceMs + keepaliveMs) {
        if (this.#unacknowledged.length === 0) this.#say('probe')
        this.#quietSinceMs = this.#host.now()
      }
      this.#armKeepalive()
    })
  }

  #emit(kind: TcpPart['kind'], number: number, bytes: Uint8Array = nothing): void {
    this.#host.emit({ kind, number, acknowledges: this.#expected }, new Uint8Array(bytes))
  }

  #finish(): void {
    this.#state = 'over'
    this.#unacknowledged = []
    for (const cancel of [this.#cancelRetry, this.#cancelKeepalive, this.#cancelLinger]) cancel()
    this.#host.release()
  }
}

const broken = (state: string, { address, port }: Endpoint): Error => {
  const code = state === 'opening' ? 'ECONNREFUSED' : 'ECONNRESET'
  return Object.assign(new Error(`${code} ${address}:${port}`), { code })
}

const timedOut = ({ address, port }: Endpoint): Error =>
  Object.assign(new Error(`ETIMEDOUT ${address}:${port}`), { code: 'ETIMEDOUT' })
