import { CommandFailed } from '../../../src/workers/clusters/host-failure.ts'
import type { OpenHost } from '../../../src/workers/clusters/hosts.ts'

/** What a scripted host was asked. */
export interface Asked {
  readonly command: string
  readonly stdin?: string
  readonly timeLimitMs: number
}

/** A host that answers commands with an exit code or what they print; others end with 0. */
export const scriptedHost = (
  script: Readonly<Record<string, string | number>> = {},
): OpenHost & { readonly asked: readonly Asked[] } => {
  const asked: Asked[] = []
  const attempt: OpenHost['attempt'] = async (command, options) => {
    asked.push({ command, ...options })
    const answer = script[command] ?? 0
    return typeof answer === 'number' ? { exitCode: answer, stdout: '' } : { exitCode: 0, stdout: answer }
  }
  return {
    fingerprint: 'SHA256:x',
    attempt,
    run: async (command, options) => {
      const ended = await attempt(command, options)
      if (ended.exitCode !== 0) throw new CommandFailed(command, ended)
      return ended.stdout
    },
    lastOutput: () => '',
    end: async () => undefined,
    asked,
  }
}
