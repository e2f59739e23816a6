// Law: pure. A second path to a peer that we talk to already: messages that came by it wait until a check there was answered,
// and somebody who answers there with another tag waits until the first path has had the time to object.
import type { PeerMessage, Tag } from '../dialects/phonebook/peer.ts'
import type { Path } from './paths.ts'

export type Tagged = PeerMessage & { readonly type: 'data' | 'keepalive' | 'close' }

/** How long the peer that we talk to has to answer where it is, before its name or its tag at a new endpoint counts. */
export const rivalMs = 800
/** Messages that may wait for the answer to a check. */
const mostHeld = 16

type Held = { readonly message: Tagged; readonly from: Path }
export type Rival = { readonly endpoint: Path; readonly tag: Tag; readonly sinceMs: number }

export class SecondPath {
  #held: Held[] = []
  #rival: Rival | undefined

  get rival(): Rival | undefined {
    return this.#rival
  }

  /** The oldest one makes room. */
  hold(message: Tagged, from: Path): void {
    this.#held.push({ message, from })
    if (this.#held.length > mostHeld) this.#held.shift()
  }

  release(): Held[] {
    return this.#held.splice(0)
  }

  challenge(rival: Rival): void {
    this.#rival ??= rival
  }

  /** The rival whose time has come, once. */
  settled(nowMs: number): Rival | undefined {
    const rival = this.#rival
    if (!rival || nowMs < rival.sinceMs + rivalMs) return undefined
    this.clear()
    return rival
  }

  clear(): void {
    this.#held = []
    this.#rival = undefined
  }

  deadline(): number {
    return this.#rival ? this.#rival.sinceMs + rivalMs : Infinity
  }
}
