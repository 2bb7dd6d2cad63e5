/** Sealed values: AES-256-GCM under a data key per subject, itself wrapped by the master key in `key-<subject>`. */
export interface Secrets {
  /** Text that may stand in an event; opens only with the subject's key. */
  seal(subject: string, clear: string): Promise<string>
  /** Throws `SecretForgotten` when the subject was forgotten, `Unavailable` when the master key is another one. */
  open(subject: string, sealed: string): Promise<string>
  /**
   * Tells whether a text is one seen before, and nothing else of it: a keyed hash that only holds within the subject. Throws
   * `SecretForgotten` where the subject has no key: seal first.
   */
  digest(subject: string, clear: string): Promise<string>
  /** Makes everything sealed for the subject unreadable, for ever. */
  forget(subject: string): Promise<void>
  /** Whether the subject has a key. */
  has(subject: string): Promise<boolean>
  /** What still holds a key after it was forgotten, in words. */
  remains(): readonly string[]
}
