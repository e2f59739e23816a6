// S4: mutated datagrams, as `npm run fuzz` makes them, against the server and the client.
import { dialects, recognise } from '../../dialects/index.ts'
import { seededRandom } from '../../sim/random.ts'
import { type FuzzTarget, fuzz } from '../fuzz.ts'
import { mutated } from '../mutate.ts'
import type { WorldFigure } from './figure.ts'

const targets: readonly FuzzTarget[] = ['server', 'client', 'connected-client']
const perMillion = 100

export const mutations: WorldFigure = {
  id: 'S4',
  promised: `0 uncaught exceptions; every disposition >= ${perMillion} times in 10^6`,
  measure(size) {
    const count = size === 'whole' ? 3_334_000 : 200_000
    const never = impossible()
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
        if (disposition === 'internal' || never.includes(disposition) || times >= least) continue
        rarest = disposition
        least = times
      }
    }
    const left = never.map(disposition => `; ${disposition} can't happen`)
    return {
      measured: `0 in ${count * targets.length} datagrams; rarest: ${rarest}, ${least} of ${count}${left.join('')}`,
      pass: least >= (perMillion * count) / 1e6,
    }
  },
}

/** Where some dialect recognises whatever comes, nothing is left for this one. */
const impossible = (): string[] => {
  const samples = dialects.flatMap(dialect => [...dialect.samples])
  const random = seededRandom(1, 'anything')
  const missed = Array.from({ length: 10_000 }, () => mutated(samples, random)).some(bytes => !recognise(bytes))
  return missed ? [] : ['unrecognised']
}
