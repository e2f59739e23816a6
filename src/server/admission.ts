// Law: pure. Between decode and answer: how much of an answer a source may have.
import type { Allowance, Standing } from '../dialects/dialect.ts'
import { headerBytes } from '../headers.ts'

/** Who has not proven that it hears us gets no more than this many times what it sent. */
const unprovenFactor = 3
const unprovenDatagrams = 3

/** What may go back for `bytesIn` bytes of payload. Older clients can't prove anything; the courtesy is a whole answer. */
export const allowanceFor = (address: string, bytesIn: number, standing: Standing): Allowance => {
  const header = headerBytes(address)
  if (standing !== 'unproven') return { datagrams: Infinity, bytes: Infinity, headerBytes: header }
  return { datagrams: unprovenDatagrams, bytes: unprovenFactor * (bytesIn + header), headerBytes: header }
}
