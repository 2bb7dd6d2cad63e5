import type { Clock } from '../../../lib/clock.ts'
import { type Ssh, SshFailed, type SshSession, type SshTarget } from './ssh.ts'

/** How long a host is tried that cannot be reached or refuses the key. */
export interface Patience {
  /** Tries in all; without it as many as there is time for. */
  readonly attempts?: number
  readonly pauseMs: number
  /** No try begins later than this. Default: no limit. */
  readonly withinMs?: number
}

/** Source: clusters contract, section 6.1, "Retry". */
export const usualPatience: Patience = { attempts: 3, pauseMs: 5_000 }
/** For hosts that register themselves while they boot: their sshd may not be up yet. */
export const bootingPatience: Patience = { pauseMs: 5_000, withinMs: 300_000 }
/** For the watcher. */
export const noPatience: Patience = { attempts: 1, pauseMs: 0 }

const mayPass = new Set(['unreachable', 'auth-refused'])

/** Logs in, more than once where that may help. Rejects with the last `SshFailed`, or the signal's reason. */
export const reach = async (
  ssh: Ssh,
  target: SshTarget,
  {
    patience: { attempts = Number.POSITIVE_INFINITY, pauseMs, withinMs = Number.POSITIVE_INFINITY },
    clock,
    onFailure = () => undefined,
  }: { readonly patience: Patience; readonly clock: Clock; readonly onFailure?: (failure: SshFailed) => void },
): Promise<SshSession> => {
  const until = clock.monotonic() + withinMs
  for (let attempt = 1; ; attempt++) {
    try {
      return await ssh.connect(target)
    } catch (error) {
      if (!(error instanceof SshFailed)) throw error
      onFailure(error)
      if (!mayPass.has(error.reason) || attempt >= attempts || clock.monotonic() + pauseMs > until) throw error
      await clock.sleep(pauseMs, target.signal)
    }
  }
}
