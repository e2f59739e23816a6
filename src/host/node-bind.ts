// Binding on a real machine. A port that was just given up may be taken for another moment: a restart is the usual reason
// for EADDRINUSE.
import pRetry from 'p-retry'
import { codeOf } from '../errors.ts'

const bindRetries = 3

/** Port 0 is never taken: that is tried once, and at once. */
export const bindPatiently = <Bound>(
  bind: () => Promise<Bound>,
  port: number,
  isClosed: () => boolean,
): Promise<Bound> =>
  port === 0
    ? bind()
    : pRetry(bind, {
        retries: bindRetries,
        minTimeout: 50,
        factor: 2,
        shouldRetry: ({ error }) => !isClosed() && codeOf(error) === 'EADDRINUSE',
      })
