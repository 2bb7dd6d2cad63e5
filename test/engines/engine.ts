/** An engine that a test started, on the loopback address. */
export interface StartedEngine {
  readonly port: number
  /** Sends a signal to the engine itself; resolves when it has ended, for signals that end it. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Starts it again on the same port and data; resolves when it is ready. */
  start(): Promise<void>
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

/** Signals after which an engine is gone. */
export const endingSignals: readonly string[] = ['SIGKILL', 'SIGTERM', 'SIGINT']

/** How long a first start may take; a broker takes 5 s on an idle machine, and a minute on one that has much else to do. */
export const startWithinMs = 150_000

/** Why something went wrong, in one line. */
export const firstLine = (error: unknown): string =>
  error instanceof Error ? error.message.split('\n')[0] || error.name : String(error)
