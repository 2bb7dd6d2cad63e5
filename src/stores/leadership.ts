/** Who does what only one node should do at a time. Every adapter passes test/contracts/leadership.ts. */
export interface Leadership {
  /**
   * Stands for an office until `signal` aborts or `lead` ends by itself; then the office is left. Each time it is won, `lead` is
   * called with a signal that aborts when the office is lost or `signal` aborts; the office is free for others once `lead` has
   * returned. Two nodes can believe for a moment that they hold it (a process that was frozen): what is done there must be
   * harmless twice. Rejects with what `lead` throws.
   */
  campaign(options: {
    readonly office: string
    readonly signal: AbortSignal
    readonly lead: (signal: AbortSignal) => Promise<void>
  }): Promise<void>
}
