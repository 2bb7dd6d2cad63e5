/** The log holds another revision than the caller expected. `actual` is -1 for a stream that does not exist. */
export class RevisionConflict extends Error {
  override readonly name = 'RevisionConflict'
  readonly stream: string
  readonly expected: number | 'noStream' | 'streamExists' | 'any'
  readonly actual: number
  constructor(stream: string, expected: RevisionConflict['expected'], actual: number) {
    super(`stream ${stream} is at revision ${actual}, expected ${expected}`)
    this.stream = stream
    this.expected = expected
    this.actual = actual
  }
}

/** Something the program stands on (disk, broker, database) did not answer or refused; worth another try later. */
export class Unavailable extends Error {
  override readonly name: string = 'Unavailable'
}

/** The bytes of the log differ from what was written; this needs repair. */
export class Damaged extends Unavailable {
  override readonly name = 'Damaged'
  readonly position: string
  constructor(message: string, position: string) {
    super(message)
    this.position = position
  }
}

/** The sealed values of this subject cannot be opened any more. */
export class SecretForgotten extends Error {
  override readonly name = 'SecretForgotten'
  constructor(subject: string) {
    super(`the secrets of ${subject} were forgotten`)
  }
}

/** What the caller handed over can never be accepted (too large, not serialisable, a malformed id). */
export class Unacceptable extends Error {
  override readonly name: string = 'Unacceptable'
}

/** More bytes than the log takes at a time. */
export class Oversize extends Unacceptable {
  override readonly name = 'Oversize'
}

/** The message of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
