// Law: pure. How much may be sent towards an address that has not answered, so that nobody can use us to bother a third
// party: the budget is per address, over all its ports and all entries that ever pointed there.

/** Until something comes back, in all. */
const mostChecks = 20
const mostBytes = 2048
/** An entry whose holder has not shown the server that it hears us may be a forged one. */
const mostToUnproven = 3
const spacingMs = 20
/** Once something has come back: a check in this interval, until this long after the last sign of life. */
const pacedMs = 5000
const lifeMs = 30_000
/** An older peer may be asleep for a second at a time: one message a second, for this long. */
const olderMs = 40_000
const olderSpacingMs = 1000
/** A re-registered or moved entry gives a new budget, at most this often. */
const renewMs = 60_000
/** Answers to checks: one in this interval, and so many at once. */
const responseMs = 100
const responseBurst = 20
const mostAddresses = 5
const forgetMs = 600_000
/** Towards somebody who seeks us while we seek him, and has shown that he is there: so much in an attempt, then a pause. */
export const mostShots = 2048
const shootingMs = 30_000
const mostRemembered = 64

/** Who the phonebook says is there. */
export type PeerStanding = 'older' | 'unproven' | 'proven'

type Account = {
  checks: number
  bytes: number
  greetings: number
  lastMs: number
  lifeMs: number
  renewedMs: number
  respondedMs: number
  responses: number
  shotsFromMs: number
  shotMs: number
  shots: number
}

/** When a check last went there, of an attempt or not. */
const latestOf = ({ lastMs, shotMs }: Account): number => Math.max(lastMs, shotMs)

export class Manners {
  readonly #accounts = new Map<string, Account>()

  /** When a check of `bytes` (headers included) may go to the address: `nowMs`, later, or Infinity: not before it is renewed. */
  earliest(address: string, bytes: number, standing: PeerStanding, nowMs: number): number {
    const account = this.#accounts.get(address)
    if (!account || nowMs - account.lastMs > lifeMs) {
      if (!this.#mayOpen(address, nowMs)) return Infinity
      if (!account) return nowMs
    }
    const alive = nowMs - account.lifeMs <= lifeMs
    const paced = alive ? Math.max(nowMs, account.lastMs + pacedMs) : Infinity
    if (standing === 'older') {
      const inTime = nowMs - account.renewedMs < olderMs || alive
      return inTime ? Math.max(nowMs, account.lastMs + olderSpacingMs) : Infinity
    }
    const most = standing === 'unproven' && !alive ? mostToUnproven : mostChecks
    if (account.checks >= most || account.bytes + bytes > mostBytes) return paced
    return Math.max(nowMs, account.lastMs + spacingMs)
  }

  sent(address: string, bytes: number, nowMs: number): void {
    const account = this.#open(address, nowMs)
    const paced = nowMs - account.lifeMs <= lifeMs && nowMs - account.lastMs >= pacedMs
    account.lastMs = nowMs
    if (paced) return
    account.checks++
    account.bytes += bytes
  }

  /**
   * Whether a hello may go with a check that has just gone, without a pause; it counts as one more check. Beside the few checks
   * towards an unproven entry there is a place for as many: a private line is to take no longer than a round trip, and a hello may be lost.
   */
  mayGreet(address: string, bytes: number, standing: PeerStanding, nowMs: number): boolean {
    const isKeptFor =
      standing === 'unproven' && (this.#accounts.get(address)?.greetings ?? mostToUnproven) < mostToUnproven
    if (!isKeptFor && this.earliest(address, bytes, standing, nowMs) > nowMs + spacingMs) return false
    this.sent(address, bytes, nowMs)
    this.#open(address, nowMs).greetings++
    return true
  }

  /** Something valid came from there. */
  alive(address: string, nowMs: number): void {
    if (this.#accounts.has(address) || this.#mayOpen(address, nowMs)) this.#open(address, nowMs).lifeMs = nowMs
  }

  /**
   * Whether a check from there is answered: a source can be forged, so answers are limited like checks. Many paths make
   * several checks come at once, which is what the burst is for.
   */
  mayRespond(address: string, nowMs: number): boolean {
    if (!this.#accounts.has(address) && !this.#mayOpen(address, nowMs)) return false
    const account = this.#open(address, nowMs)
    account.responses = Math.max(0, account.responses - (nowMs - account.respondedMs) / responseMs)
    account.respondedMs = nowMs
    if (account.responses >= responseBurst) return false
    account.responses++
    return true
  }

  /** Whether one more check of an attempt may go to the address, whose holder agreed to it; counts it. */
  mayShoot(address: string, nowMs: number): boolean {
    const known = this.#accounts.get(address)
    if ((!known || nowMs - latestOf(known) > lifeMs) && !this.#mayOpen(address, nowMs)) return false
    const account = this.#open(address, nowMs)
    if (nowMs - account.shotsFromMs >= renewMs) Object.assign(account, { shotsFromMs: nowMs, shots: 0 })
    if (account.shots >= mostShots || nowMs - account.shotsFromMs > shootingMs) return false
    account.shots++
    account.shotMs = nowMs
    return true
  }

  /** The entry was registered again, or moved to this address. */
  renew(address: string, nowMs: number): void {
    const account = this.#accounts.get(address)
    if (!account || nowMs - account.renewedMs < renewMs) return
    Object.assign(account, { checks: 0, bytes: 0, greetings: 0, renewedMs: nowMs })
  }

  /** Addresses that it keeps an account of; at most 64. */
  get remembered(): number {
    return this.#accounts.size
  }

  /** Whether one more address may be checked now, beside those that were checked just before. */
  #mayOpen(address: string, nowMs: number): boolean {
    let active = 0
    for (const [other, account] of this.#accounts) {
      if (other === address) continue
      if (nowMs - Math.max(account.lastMs, account.lifeMs) > forgetMs) this.#accounts.delete(other)
      else if (nowMs - latestOf(account) <= lifeMs) active++
    }
    return active < mostAddresses && (this.#accounts.has(address) || this.#accounts.size < mostRemembered)
  }

  #open(address: string, nowMs: number): Account {
    let account = this.#accounts.get(address)
    if (!account) {
      account = {
        checks: 0,
        bytes: 0,
        greetings: 0,
        lastMs: -Infinity,
        lifeMs: -Infinity,
        renewedMs: nowMs,
        respondedMs: -Infinity,
        responses: 0,
        shotsFromMs: -Infinity,
        shotMs: -Infinity,
        shots: 0,
      }
      this.#accounts.set(address, account)
    }
    return account
  }
}
