import { fork } from 'node:child_process'
import { once } from 'node:events'

/** A request as the load generator sends it. */
export interface WireRequest {
  readonly method: string
  readonly path: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface Load {
  /** Connections are spread over several. */
  readonly url: string | readonly string[]
  /** Sent one after the other, from the start again when they are used up. */
  readonly requests: readonly WireRequest[]
  /** The one status that counts as done; any other ends the run. */
  readonly status: number
  readonly connections: number
  /** Requests per second, sent when they are due whatever was answered (open loop); undefined: each connection as fast as it can. */
  readonly pace?: number
  readonly count: number
  readonly keepBodies?: boolean
}

export interface LoadResult {
  /** From the first intended sending to the last answer. */
  readonly elapsedMs: number
  /** Milliseconds by request; with a pace counted from the intended sending. */
  readonly latencies: Float64Array
  /** Empty unless asked for. */
  readonly bodies: readonly string[]
}

export interface LoadGenerator extends AsyncDisposable {
  run(load: Load): Promise<LoadResult>
}

/** Starts the process that makes load; it serves one contender at a time. */
export const startLoadGenerator = (): LoadGenerator => {
  const child = fork(new URL('generator.ts', import.meta.url), { serialization: 'advanced' })
  return {
    run: async (load) => {
      const answer = once(child, 'message')
      child.send(load)
      const [{ result, error }] = (await answer) as [{ readonly result?: LoadResult; readonly error?: string }]
      if (result === undefined) throw new Error(`the load on ${[load.url].flat().join(', ')} broke off: ${error}`)
      return result
    },
    [Symbol.asyncDispose]: async () => {
      const gone = once(child, 'exit')
      child.kill()
      await gone
    },
  }
}
