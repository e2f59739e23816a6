// Law: pure. One class for everything that goes wrong on our side of the wire; what comes from the wire is never an
// error but a counted disposition.

/** The code of an error and the exit code of the program that ends with it. */
export const exitCodes = {
  internal: 1,
  usage: 2,
  'server-unreachable': 3,
  'unknown-host': 3,
  'peer-absent': 4,
  'peer-unreached': 5,
  'cannot-bind': 6,
  'name-refused': 7,
  'identity-refused': 8,
  interrupted: 130,
} as const

export type ErrorCode = keyof typeof exitCodes

export class StageError extends Error {
  override readonly name = 'StageError'
  readonly code: ErrorCode

  /** `message` is one line for people: what is wrong and what to do about it. */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  get exitCode(): number {
    return exitCodes[this.code]
  }
}

/** The system's code of an error (`EADDRINUSE`); '' where it has none. */
export const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '')
