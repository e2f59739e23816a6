// Law: pure. Between decode and answer: who is listened to, and how many bytes may go where. Whoever has not proven that it
// hears us gets at most three times what it sent, over its whole history, pushes and broadcasts included; older clients
// can't prove anything, so for them there is a courtesy out of byte buckets. Whoever has proven it gets what it asks for, at
// a bounded rate.
import { familyOf, prefixOf } from '../endpoint.ts'
import { headerBytes } from '../headers.ts'
import type { Allowance, Payer, Standing } from '../dialects/dialect.ts'
import type { Entry } from '../entry.ts'
import { Buckets } from './buckets.ts'
import { type Network, isWithin } from '../networks.ts'

const unprovenFactor = 3
const unprovenDatagrams = 3
/** `0,1,a,1.2.3.4,5\n` */
const shortestLine = 16
const prefixBuckets = { size: 8192, burst: 64 * 1024, perSecond: 4 * 1024 }
/** What a proven host may ask for over and over is no secret, but costs the server's line: whole books of large stages. */
const bookBuckets = { size: 8192, burst: 1024 * 1024, perSecond: 256 * 1024 }
/** An answer of 16 entries, as everybody gets it, with long names, keys, and all that two who seek each other are told. */
const freeBytes = 16 * 280
/** Ed25519 verifications: 183 us each, and whoever has an address of his own can ask for them. */
const claimBuckets = { size: 8192, burst: 10, perSecond: 10 }
const claimsInAll = { size: 1, burst: 500, perSecond: 500 }
const courtesyInAll = { size: 1, burst: 256 * 1024, perSecond: 256 * 1024 }

/** Read where a bucket is looked at, and nowhere else. */
type Clock = () => number

const everybody: readonly Network[] = []
const nobody = everybody

export type AdmissionOptions = {
  /** No courtesy: the three times rule for everybody who is unproven. */
  readonly strict?: boolean
  /** No limits at all, as the older server had none. */
  readonly classic?: boolean
  /** Listened to are only these; empty: everybody. */
  readonly allow?: readonly Network[]
  /** Never listened to. */
  readonly deny?: readonly Network[]
}

export class Admission {
  readonly #options: AdmissionOptions
  readonly #byPrefix: Buckets
  readonly #inAll: Buckets
  readonly #books: Buckets
  readonly #claims: Buckets
  readonly #claimsInAll: Buckets
  /** Datagrams that were not sent because nobody had paid for them. */
  unpaid = 0

  /** `key`: a random number, for the hash of the buckets. */
  constructor(options: AdmissionOptions, key: number) {
    this.#options = options
    this.#byPrefix = new Buckets({ ...prefixBuckets, key })
    this.#inAll = new Buckets({ ...courtesyInAll, key })
    this.#books = new Buckets({ ...bookBuckets, key })
    this.#claims = new Buckets({ ...claimBuckets, key })
    this.#claimsInAll = new Buckets({ ...claimsInAll, key })
  }

  listensTo(address: string): boolean {
    const { allow = everybody, deny = nobody } = this.#options
    if (allow.length + deny.length === 0) return true
    if (deny.some(network => isWithin(address, network))) return false
    return allow.length === 0 || allow.some(network => isWithin(address, network))
  }

  /** A request of `bytesIn` bytes of payload came: credits who pays for it, and says what its answer may be. */
  allowance(payer: Payer, bytesIn: number, standing: Standing, now: Clock): Allowance {
    const { address } = payer.endpoint
    const header = headerBytes(address)
    payer.creditBytes += unprovenFactor * (bytesIn + header)
    if (this.#options.classic || (standing === 'proven' && payer.seek !== undefined))
      return { datagrams: Infinity, bytes: Infinity, headerBytes: header }
    if (standing === 'proven')
      return { datagrams: Infinity, bytes: freeBytes + this.#level(this.#books, address, now), headerBytes: header }
    const bytes = payer.creditBytes
    const courtesy = standing === 'older' ? this.#courtesy(address, now) : 0
    return { datagrams: courtesy > 0 ? Infinity : unprovenDatagrams, bytes: bytes + courtesy, headerBytes: header }
  }

  /** Whether so many datagrams, with so many bytes of payload in all, may go there now; if so, they are paid for. */
  pay(payer: Payer, bytes: number, datagrams: number, standing: Standing, now: Clock): boolean {
    const { address } = payer.endpoint
    if (this.#options.classic) return true
    const cost = bytes + datagrams * headerBytes(address)
    if (standing === 'proven') return cost <= freeBytes || this.#take(this.#books, address, cost - freeBytes, now)
    const excess = Math.max(0, cost - payer.creditBytes)
    if (excess > 0 && (standing !== 'older' || !this.#takeCourtesy(address, excess, now))) {
      this.unpaid += datagrams
      return false
    }
    payer.creditBytes -= cost - excess
    return true
  }

  /** Whether there is anything to pay so many datagrams with, before they are made. */
  mayAfford(entry: Entry, datagrams: number, now: Clock): boolean {
    const standing = standingOf(entry)
    if (this.#options.classic || standing === 'proven') return true
    const { address } = entry.endpoint
    const funds = entry.creditBytes + (standing === 'older' ? this.#courtesy(address, now) : 0)
    return funds >= datagrams * (headerBytes(address) + shortestLine)
  }

  /** Whether one more claim from there is looked at now. */
  mayVerify(address: string, now: Clock): boolean {
    if (this.#claimsInAll.level('', now()) < 1 || !this.#take(this.#claims, address, 1, now)) return false
    return this.#claimsInAll.take('', 1, now())
  }

  #courtesy(address: string, now: Clock): number {
    if (this.#options.strict) return 0
    return Math.min(this.#level(this.#byPrefix, address, now), this.#inAll.level('', now()))
  }

  #takeCourtesy(address: string, bytes: number, now: Clock): boolean {
    if (this.#courtesy(address, now) < bytes) return false
    return this.#take(this.#byPrefix, address, bytes, now) && this.#inAll.take('', bytes, now())
  }

  #level(buckets: Buckets, address: string, now: Clock): number {
    return Math.min(...keysOf(address).map(key => buckets.level(key, now())))
  }

  #take(buckets: Buckets, address: string, bytes: number, now: Clock): boolean {
    if (this.#level(buckets, address, now) < bytes) return false
    return keysOf(address).every(key => buckets.take(key, bytes, now()))
  }
}

/** What the holder of an entry has shown, for what is sent to it unasked. */
export const standingOf = (entry: Entry): Standing => (!entry.newer ? 'older' : entry.proven ? 'proven' : 'unproven')

const keysOf = (address: string): string[] =>
  familyOf(address) === 4 ? [prefixOf(address, 24)] : [prefixOf(address, 64), prefixOf(address, 48)]
