// Law: pure, a table. How the client stands with its peer, and what leads from one state to the next.

export type PunchState = 'waiting' | 'punching' | 'connected'

export type PunchStep = 'located' | 'confirmed' | 'silent' | 'no-consent' | 'left'

const transitions: Readonly<Record<PunchState, Partial<Readonly<Record<PunchStep, PunchState>>>>> = {
  waiting: { located: 'punching', confirmed: 'connected' },
  punching: { confirmed: 'connected', left: 'waiting' },
  connected: { silent: 'punching', 'no-consent': 'punching', left: 'waiting' },
}

/** The state after the step; what stands in no row changes nothing. */
export const nextState = (state: PunchState, step: PunchStep): PunchState => transitions[state][step] ?? state
