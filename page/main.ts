// Where every page begins: with data it is a report, without it is the lab.
import type { MatrixData } from '../src/report/matrix-data.ts'
import { find, walkable } from './dom.ts'
import { startLab } from './lab.ts'
import { startReport } from './report.ts'

const data = document.getElementById('data')?.textContent
if (data === undefined || data === null) startLab(find('#app'))
else {
  const read = JSON.parse(data) as MatrixData | { readonly kind: 'run' }
  if (read.kind === 'matrix') startReport(find('#app'), read)
  walkable(document.body)
}
