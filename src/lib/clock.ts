/** Time as the program sees it; tests bring their own. All instants are milliseconds since the Unix epoch. */
export interface Clock {
  /** The wall clock, for instants that are shown, recorded or compared with recorded ones. It can be set, forwards and backwards. */
  now(): number
  /**
   * Milliseconds since some moment before the process began; never set. For every wait, time-out, lease and pause inside the
   * process. It means nothing to another process, and nothing after a restart.
   */
  monotonic(): number
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `run` once after `ms` milliseconds, however long that is; the answer cancels it. Never keeps the process alive. */
  after(ms: number, run: () => void): () => void
}

/** Node fires timers above 2^31-1 ms at once, so long waits are cut into stretches of this length. */
const longestTimerMs = 2_147_483_647

const after = (ms: number, run: () => void, keepAlive = false): (() => void) => {
  let timer: NodeJS.Timeout
  const arm = (left: number): void => {
    const stretch = Math.min(Math.max(left, 0), longestTimerMs)
    timer = setTimeout(() => (left > stretch ? arm(left - stretch) : run()), stretch)
    if (!keepAlive) timer.unref()
  }
  arm(ms)
  return () => clearTimeout(timer)
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, run) => after(ms, run),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const abort = () => {
        cancel()
        reject(signal?.reason)
      }
      const cancel = after(
        ms,
        () => {
          signal?.removeEventListener('abort', abort)
          resolve()
        },
        true,
      )
      signal?.addEventListener('abort', abort, { once: true })
    }),
}

export const dayMs = 86_400_000

/**
 * RFC 3339 UTC with milliseconds, the only time format that leaves the program. Caches the text of the last second: 0.12 instead of
 * 0.5 µs for consecutive events.
 */
export const instant = (ms: number): string => {
  const whole = Math.trunc(ms)
  const second = Math.floor(whole / 1000)
  if (second !== lastSecond) {
    secondPart = new Date(second * 1000).toISOString().slice(0, -4)
    lastSecond = second
  }
  return `${secondPart}${String(1000 + whole - second * 1000).slice(1)}Z`
}

let lastSecond: number | undefined
let secondPart = ''

/** Milliseconds since the epoch of an RFC 3339 text; NaN where it is none. */
export const parseInstant = (text: string): number => Date.parse(text)

const firstInstantMs = -62_167_219_200_000
const lastInstantMs = 253_402_300_799_999

/** Whether a text is an instant of the years 0000 to 9999 in UTC: RFC 3339 has no form for others, and they do not compare as text. */
export const isInstant = (text: string): boolean => {
  const ms = parseInstant(text)
  return ms >= firstInstantMs && ms <= lastInstantMs
}
