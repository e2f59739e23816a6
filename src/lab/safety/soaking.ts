// R4: the soak, as `npm run soak` makes it for more clients and other seeds.
import { soak } from '../soak.ts'
import type { WorldFigure } from './figure.ts'

export const soaking: WorldFigure = {
  id: 'R4',
  promised: 'soak with 1 % loss, hourly rebinding, two restarts: nothing leaks, 0 failures outside the windows',
  measure(size) {
    const [clients, hours] = size === 'whole' ? [50, 24] : [20, 4]
    const { failed, failures, sent, rebindings } = soak({ clients, hours, seed: 1 })
    const measured = `${failed} failures: ${clients} clients, ${hours} h, ${sent} messages, ${rebindings} rebindings`
    return { measured: failed > 0 ? `${measured}; ${failures[0]}` : measured, pass: failed === 0 }
  },
}
