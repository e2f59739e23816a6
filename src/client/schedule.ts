// Law: pure. When the client polls the Stage Manager and when it checks a candidate; all times in milliseconds.

/** Unanswered: these, then the last one for ever. */
const retryDelaysMs = [250, 500, 1000] as const
const lookingMs = 1000
const patientMs = 3000
/** Answered, but not connected: every second for this long, then every three. */
const eagerForMs = 30_000
const connectedMs = 20_000
const jitter = 0.1

export type PollState = {
  /** Registrations in a row that got no answer; 0 where the last one was answered. */
  readonly misses: number
  readonly connected: boolean
  /** Since when it has been looking for its peer. */
  readonly lookingForMs: number
  /** `--interval`, in place of one and three seconds. */
  readonly intervalMs?: number | undefined
}

/** Until the next registration where the last one was answered, without jitter. */
export const pollDelayMs = ({ connected, lookingForMs, intervalMs }: Omit<PollState, 'misses'>): number => {
  if (connected) return connectedMs
  return intervalMs ?? (lookingForMs < eagerForMs ? lookingMs : patientMs)
}

/** How long to wait for an answer, without jitter. `misses`: registrations before this one that got none. */
export const retryDelayMs = (misses: number): number =>
  retryDelaysMs[Math.min(misses, retryDelaysMs.length - 1)] ?? 1000

/** Spreads a delay over +- 10 %, so that clients of a restarted server do not come back all at once. */
export const jittered = (delayMs: number, random: number): number => delayMs * (1 - jitter + 2 * jitter * random)

/**
 * The pause after the n-th check (from 1) to one candidate. Dense at first: where the peer's NAT opens some milliseconds
 * after ours, the first check dies and the next one counts. Then sparse, so that the 20 checks that good manners allow
 * last until the phonebook renews them after a minute, and whoever comes back in between is found in five seconds.
 */
const checkPausesMs = [20, 20, 20, 20, 40, 80, 160, 320, 640, 1000, 1000, 2000] as const

export const checkPauseMs = (sent: number): number => checkPausesMs[Math.max(0, sent - 1)] ?? keepaliveMs

/** A session that has sent nothing for this long says that it lives. Short: some NATs forget a mapping in 30 s or less. */
export const keepaliveMs = 5000
/** RFC 7675 s.5.1 asks for a check with an answer every 5 s; ours has the keepalives between. */
export const consentCheckMs = 10_000
/** One that was not answered is sent again: with 1 % loss two in a row are lost every few hours, and no session is to end of it. */
export const consentRetryMs = 2500
/** RFC 7675 s.5.1: without an answered check for 30 s, sending stops. */
export const consentLostMs = 30_000
/** Nothing heard for this long: the peer is lost. */
export const silenceMs = 15_000
/** An older peer gets its message once a second while it is being looked for, and then this often. */
export const textEveryMs = 1000
export const textKeepaliveMs = 15_000
