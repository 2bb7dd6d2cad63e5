import type { Clock } from '../../lib/clock.ts'
import { Unavailable } from '../../lib/errors.ts'

/** The promise's outcome, or `Unavailable` after `ms`: some calls of the client never settle. */
export const within = <Result>(ms: number, promise: Promise<Result>, clock: Clock): Promise<Result> =>
  new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(new Unavailable(`no answer within ${ms} ms`)))
    promise.then(
      (result) => {
        cancel()
        resolve(result)
      },
      (error: unknown) => {
        cancel()
        reject(error)
      },
    )
  })
