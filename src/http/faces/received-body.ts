/** A body that was received into a store. */
export interface ReceivedBody {
  readonly ref: string
  readonly bytes: number
  /** Lower-case hexadecimal digits. */
  readonly sha256: string
  /** From now on the caller settles it; until it does, it is in doubt. To be called before it is recorded. */
  take(): void
  /** Removes it unless somebody took it. */
  discard(): Promise<void>
}
