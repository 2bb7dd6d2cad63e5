/** A message of a foreign program. */
export interface TopicMessage {
  readonly topic: string
  readonly partition: number
  /** Decimal digits; the next message of the partition has a larger one. */
  readonly offset: string
  /** When it was sent or stored, in milliseconds since the epoch. */
  readonly timestamp: string
  readonly value: Buffer | null
}

export interface TopicValue {
  readonly topic: string
  readonly value: Uint8Array | string
}

export interface Handling {
  readonly topic: string
  readonly signal: AbortSignal
  /** While it rejects it is called again with the same message. */
  readonly handle: (message: TopicMessage) => Promise<void>
  /** So many messages of a partition are handled at the same time, begun in their order; default one after the other. */
  readonly atOnce?: number
}

/** Topics that programs of others read and write, beside the bus of our own. */
export interface MessageTopics {
  /** Whether the brokers answer at present. */
  connected(): boolean
  /** Makes those that are missing, as soon as a broker answers. Rejects when `signal` aborts. */
  prepare(topics: readonly { readonly topic: string; readonly partitions?: number }[], signal: AbortSignal): Promise<void>
  /**
   * Resolves when the brokers have all of them. Rejects with `Unacceptable` where one is larger than its topic takes, with
   * `Unavailable` where the outcome is unknown.
   */
  send(values: readonly TopicValue[]): Promise<void>
  /** Receives every message from now on, independent of other consumers. Resolves once `now` is fixed; rejects when `signal` aborts before. */
  listen(handling: Handling): Promise<void>
  /** Shares a topic with everybody of the same group, from its beginning; a message is done with once `handle` resolved. */
  consume(handling: Handling & { readonly group: string }): void
  /** Resolves when nothing is read and nothing is sent any more. */
  close(): Promise<void>
}
