// Law: pure. What will happen, ordered by (time, sequence): at equal times, first come first served. A binary heap.

export type QueuedEvent = {
  readonly atMs: number
  readonly sequence: number
  /** Gone once it was taken or cancelled. */
  run: (() => void) | undefined
}

const before = (a: QueuedEvent, b: QueuedEvent): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)

export class EventQueue {
  #heap: QueuedEvent[] = []
  #sequence = 0
  #cancelled = 0

  get size(): number {
    return this.#heap.length - this.#cancelled
  }

  add(atMs: number, run: () => void): QueuedEvent {
    const event: QueuedEvent = { atMs, sequence: this.#sequence++, run }
    const heap = this.#heap
    let index = heap.length
    while (index > 0) {
      const parent = heap[(index - 1) >> 1] as QueuedEvent
      if (!before(event, parent)) break
      heap[index] = parent
      index = (index - 1) >> 1
    }
    heap[index] = event
    return event
  }

  /** No effect on an event that was taken or cancelled before. */
  cancel(event: QueuedEvent): void {
    if (!event.run) return
    event.run = undefined
    this.#cancelled++
    if (this.#cancelled > 1000 && this.#cancelled > this.#heap.length / 2) this.#sweep()
  }

  /** The time of the next event, or Infinity. */
  get nextMs(): number {
    for (let first = this.#heap[0]; first; first = this.#heap[0]) {
      if (first.run) return first.atMs
      this.#removeFirst()
      this.#cancelled--
    }
    return Infinity
  }

  /** Removes the next event and gives what it runs. */
  take(): (() => void) | undefined {
    if (this.nextMs === Infinity) return undefined
    const event = this.#removeFirst()
    const run = event?.run
    if (event) event.run = undefined
    return run
  }

  #removeFirst(): QueuedEvent | undefined {
    const first = this.#heap[0]
    const last = this.#heap.pop()
    if (last && last !== first) this.#sink(last, 0)
    return first
  }

  #sink(event: QueuedEvent, from: number): void {
    const heap = this.#heap
    let index = from
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as QueuedEvent, heap[child] as QueuedEvent)) child++
      if (!before(heap[child] as QueuedEvent, event)) break
      heap[index] = heap[child] as QueuedEvent
      index = child
    }
    heap[index] = event
  }

  #sweep(): void {
    this.#heap = this.#heap.filter(event => event.run)
    this.#cancelled = 0
    for (let index = (this.#heap.length >> 1) - 1; index >= 0; index--) {
      this.#sink(this.#heap[index] as QueuedEvent, index)
    }
  }
}
