// Law: pure. Items in the order of their last touch; every operation takes constant time.

type Node<T> = { readonly item: T; older: Node<T> | undefined; newer: Node<T> | undefined }

export class Order<T> {
  readonly #nodes = new Map<T, Node<T>>()
  #newest: Node<T> | undefined
  #oldest: Node<T> | undefined

  constructor(items: Iterable<T> = []) {
    for (const item of items) this.touch(item)
  }

  get size(): number {
    return this.#nodes.size
  }

  get oldest(): T | undefined {
    return this.#oldest?.item
  }

  has(item: T): boolean {
    return this.#nodes.has(item)
  }

  /** Makes the item the newest, adding it where it is not there yet. */
  touch(item: T): void {
    const known = this.#nodes.get(item)
    if (known !== undefined && known === this.#newest) return
    const node: Node<T> = known ?? { item, older: undefined, newer: undefined }
    if (known) this.#unlink(known)
    else this.#nodes.set(item, node)
    node.older = this.#newest
    node.newer = undefined
    if (this.#newest) this.#newest.newer = node
    this.#newest = node
    this.#oldest ??= node
  }

  delete(item: T): boolean {
    const node = this.#nodes.get(item)
    if (!node) return false
    this.#unlink(node)
    return this.#nodes.delete(item)
  }

  *newestFirst(): Generator<T, void, undefined> {
    for (let node = this.#newest; node; node = node.older) yield node.item
  }

  /** The newest items that `wanted` accepts, newest first, at most `most`. */
  latest(most: number, wanted: (item: T) => boolean): T[] {
    const found: T[] = []
    for (let node = this.#newest; node && found.length < most; node = node.older) {
      if (wanted(node.item)) found.push(node.item)
    }
    return found
  }

  #unlink(node: Node<T>): void {
    if (node.newer) node.newer.older = node.older
    else this.#newest = node.older
    if (node.older) node.older.newer = node.newer
    else this.#oldest = node.newer
  }
}
