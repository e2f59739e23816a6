// Binding on a real machine. A port that was just given up may be taken for another moment: a restart is the usual reason
// for EADDRINUSE.
import pRetry from 'p-retry'
import { codeOf } from '../errors.ts'

const bindRetries = 3

/** Port 0 is never taken, so that is tried once. */
export const bindPatiently = <Bound>(
  bind: () => Promise<Bound>,
  port: number,
  isClosed: () => boolean,
): Promise<Bound> =>
  pRetry(bind, {
    retries: port === 0 ? 0 : bindRetries,
    minTimeout: 50,
    factor: 2,
    shouldRetry: ({ error }) => !isClosed() && codeOf(error) === 'EADDRINUSE',
  })
