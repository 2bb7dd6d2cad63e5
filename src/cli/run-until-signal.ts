import { type Config, loadConfig } from '../config.ts'
import { systemClock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { CommandFailed } from './exit-codes.ts'

/** A process that runs until it is told to stop. */
interface Running {
  start(): Promise<void>
  stop(): Promise<void>
}

/**
 * Starts what `build` made and ends after SIGTERM or SIGINT, also while it still starts; `announce` is called when it runs. What
 * keeps it from starting is told in one sentence, without a stack.
 */
export const runUntilSignalled = async <App extends Running>(
  build: () => Promise<App>,
  announce: (app: App) => void,
): Promise<void> => {
  const stayAwake = new AbortController()
  // Bounded waits do not keep a process alive by themselves; without anything else to wait for it would end in their middle.
  systemClock.sleep(Number.MAX_SAFE_INTEGER, stayAwake.signal).catch(() => undefined)
  try {
    const app = await failing(build)
    const ended = untilSignalled(app)
    await failing(() => app.start())
    announce(app)
    await ended
  } finally {
    stayAwake.abort()
  }
}

/** The settings of a process. What cannot be honoured is wrong usage, as a wrong option is. */
export const settingsOf = (options: Parameters<typeof loadConfig>[1]): Config => {
  try {
    return loadConfig(undefined, options)
  } catch (error) {
    throw new CommandFailed('usage', messageOf(error))
  }
}

const failing = async <Result>(step: () => Promise<Result>): Promise<Result> => {
  try {
    return await step()
  } catch (error) {
    throw new CommandFailed('failed', listenFailure(error) ?? messageOf(error))
  }
}

/** Why it cannot listen, and what to do; undefined for every other error. */
const listenFailure = (error: unknown): string | undefined => {
  const { syscall, code = '', address, port, hostname } = error as NodeJS.ErrnoException & ListenError
  if (syscall === 'getaddrinfo')
    return `HOST ${hostname} is not a name of this machine (${code}): set HOST (--host) to one of its addresses`
  if (syscall !== 'listen' && syscall !== 'bind') return undefined
  const advice = listenAdvice[code] ?? 'set HOST (--host) and PORT (--port) to an address that it may use'
  return `cannot listen on ${address}:${port} (${code}): ${advice}`
}

interface ListenError {
  readonly address?: string
  readonly port?: number
  readonly hostname?: string
}

const listenAdvice: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens on it; stop that process, or choose another port with --port (PORT) or TLS_PORT',
  EACCES: 'this user is not allowed to use the port; choose 1024 or higher with --port (PORT)',
  EADDRNOTAVAIL: 'this machine does not have that address; choose another with --host (HOST)',
}

const signals = ['SIGTERM', 'SIGINT'] as const
const signalNumbers = { SIGTERM: 15, SIGINT: 2 }
/**
 * Ctrl-C and service managers signal the whole process group, and npm forwards what it got once more: what comes twice within this
 * time was sent once.
 */
const sameSignalMs = 150

/** The first signal stops in good order, also while the views still catch up; the second one ends the process at once. */
const untilSignalled = (app: Running): Promise<void> =>
  new Promise((resolve, reject) => {
    let firstAt: number | undefined
    for (const signal of signals) {
      process.on(signal, () => {
        const now = systemClock.monotonic()
        if (firstAt === undefined) {
          firstAt = now
          app.stop().then(resolve, reject)
        } else if (now - firstAt > sameSignalMs) process.exit(128 + signalNumbers[signal])
      })
    }
  })
