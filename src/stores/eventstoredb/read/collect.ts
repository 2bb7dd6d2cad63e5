import type { Clock } from '../../../lib/clock.ts'
import { Unavailable } from '../../../lib/errors.ts'

/** What the client's reads and subscriptions have in common. */
export interface Source<Item> {
  on(event: 'data', listener: (item: Item) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end' | 'close', listener: () => void): unknown
}

export interface Collecting<Item> {
  readonly source: Source<Item>
  /** Ends the call. The client leaks a call that is neither cancelled nor read to its end. */
  readonly cancel: () => Promise<unknown>
  /** Takes an item; `true` is enough. */
  readonly take: (item: Item) => boolean
  /** As many items as the server sends by itself; a call that gave them all is not cut off. */
  readonly most?: number
  /** So long may nothing arrive. */
  readonly idleMs: number
  readonly clock: Clock
}

/** A collection under way: `outcome` resolves when there is enough or the source ended, and rejects with the source's error. */
export interface Collection {
  readonly outcome: Promise<'enough' | 'ended'>
  /** There is enough. */
  stop(): void
  /** A message arrived that is not an item. */
  progress(): void
}

/**
 * How long a call that has given everything may take to end by itself. Cut off at once it is reset, and servers close a connection on which
 * many calls are reset (the defence against the HTTP/2 rapid reset attack), with all that runs on it.
 */
const toEndMs = 1_000

/** Takes items until there is enough; whatever happens, the call behind them is over soon afterwards. */
export const collect = <Item>({ source, cancel, take, most, idleMs, clock }: Collecting<Item>): Collection => {
  const { promise: outcome, resolve, reject } = Promise.withResolvers<'enough' | 'ended'>()
  let open = true
  let count = 0
  const close = ({ isOver }: { readonly isOver: boolean }): void => {
    open = false
    disarm()
    // Fails where the call never began.
    const cut = (): void => void cancel().catch(() => undefined)
    if (isOver) clock.after(toEndMs, cut)
    else cut()
  }
  const stop = (): void => {
    if (!open) return
    close({ isOver: most !== undefined && count >= most })
    resolve('enough')
  }
  const fail = (error: Error, isOver = true): void => {
    if (!open) return
    close({ isOver })
    reject(error)
  }
  const arm = (seen: number): (() => void) =>
    clock.after(idleMs, () => {
      if (!open) return
      if (count === seen) fail(new Unavailable(`nothing arrived within ${idleMs} ms`), false)
      else disarm = arm(count)
    })
  let disarm = arm(0)
  source.on('data', (item) => {
    if (!open) return
    count += 1
    if (take(item)) stop()
  })
  // Stays for good: an error without a listener ends the process.
  source.on('error', (error) => fail(error))
  source.on('end', () => {
    if (!open) return
    close({ isOver: true })
    resolve('ended')
  })
  source.on('close', () => {
    // Every call is closed after its end. Creating an unused error each time took 1 % of a worker's processor.
    if (open) fail(new Unavailable('the call was closed'))
  })
  const progress = (): void => {
    count += 1
  }
  return { outcome, stop, progress }
}
