import type { Clock } from './clock.ts'
import { Unavailable } from './errors.ts'

/**
 * What `promise` gives, if it does so within `ms`; else throws `Unavailable` with the words of `otherwise`. What comes of it later is
 * ignored: some calls of clients never settle.
 */
export const within = async <Result>(
  {
    clock,
    ms,
    otherwise = `no answer within ${ms} ms`,
  }: { readonly clock: Clock; readonly ms: number; readonly otherwise?: string },
  promise: Promise<Result>,
): Promise<Result> => {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const cancel = clock.after(ms, () => reject(new Unavailable(otherwise)))
  try {
    return await Promise.race([promise, late])
  } finally {
    cancel()
  }
}
