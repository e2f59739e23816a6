// S4: mutated datagrams, as `npm run fuzz` makes them, against the server and the client.
import { type FuzzTarget, fuzz } from '../fuzz.ts'
import type { WorldFigure } from './figure.ts'

const targets: readonly FuzzTarget[] = ['server', 'client', 'connected-client']
const perMillion = 100

export const mutations: WorldFigure = {
  id: 'S4',
  promised: `0 uncaught exceptions; every disposition >= ${perMillion} times in 10^6`,
  measure(size) {
    const count = size === 'whole' ? 3_334_000 : 60_000
    let rarest = ''
    let least = Infinity
    for (const target of targets) {
      const { crash, outcomes, done } = fuzz({ target, count, seed: 1 })
      if (crash) {
        const replay = `npm run fuzz -- --target ${target} --seed 1 --count ${done + 1}`
        return { measured: `${crash.error.message}: ${replay}`, pass: false }
      }
      if (target !== 'server') continue
      for (const [disposition, times] of Object.entries(outcomes)) {
        if (disposition === 'internal' || times >= least) continue
        rarest = disposition
        least = times
      }
    }
    return {
      measured: `0 in ${count * targets.length} datagrams; rarest: ${rarest}, ${least} of ${count}`,
      pass: least >= (perMillion * count) / 1e6,
    }
  },
}
