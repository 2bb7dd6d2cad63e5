import { expect, test } from 'vitest'
import { systemClock } from '../../../../src/lib/clock.ts'
import type { JsonValue } from '../../../../src/lib/json.ts'
import type { Host } from '../../../../src/projections/clusters/host-queries.ts'
import { restart } from '../../../../src/workers/clusters/changes/restart.ts'
import { readOperatingSystems } from '../../../../src/workers/clusters/operating-systems.ts'
import { SshFailed, type SshFailure } from '../../../../src/workers/clusters/ssh/ssh.ts'
import type { TargetContext } from '../../../../src/workers/work.ts'
import { scriptedHost } from '../scripted-host.ts'

const host = { address: '10.0.0.1', registration: 'r', os: 'fedora' } as Host
const input = { cluster: 'web', creation: 'c', hosts: [] }
const readsBootId = 'cat /proc/sys/kernel/random/boot_id'
const reboots = "nohup sh -c 'sleep 2 && systemctl reboot' >/dev/null 2>&1 &"

/** What each login finds, the last one again and again: a boot id, or why there is no session. */
type Login = { readonly bootId: string; readonly loses?: true } | SshFailure

/** Restarts a host; waits take no time. `recorded` is the boot id that an earlier attempt has recorded. */
const restarted = async (logins: readonly Login[], recorded?: string) => {
  let ms = 0
  let tried = 0
  const commands: string[] = []
  const waits: number[] = []
  const steps: JsonValue[] = []
  const clock = {
    ...systemClock,
    monotonic: () => ms,
    sleep: async (length: number) => {
      waits.push(length)
      ms += length
    },
  }
  const logIn = async () => {
    const login = logins[Math.min(tried++, logins.length - 1)] ?? 'unreachable'
    if (typeof login === 'string') throw new SshFailed(login, login)
    const opened = scriptedHost({ [readsBootId]: `${login.bootId}\n` })
    const run = async (command: string, options: { readonly timeLimitMs: number }) => {
      commands.push(command)
      if (command === reboots && login.loses) throw new SshFailed('lost', 'the connection was lost')
      return opened.run(command, options)
    }
    return { ...opened, run }
  }
  const context = {
    signal: new AbortController().signal,
    step: async (_name: string, take: () => Promise<JsonValue>) => {
      if (recorded !== undefined) return { bootId: recorded }
      const result = await take()
      steps.push(result)
      return result
    },
  } as unknown as TargetContext
  const change = restart({ hosts: { logIn }, systems: await readOperatingSystems(), clock })
  const outcome = await change(host, input, context).catch((error: unknown) => error)
  return { outcome, commands, waits, steps, seconds: ms / 1000, sent: commands.filter((command) => command === reboots).length }
}

const up = (bootId: string) => ({ bootId })

test('the boot id is recorded, then the command is sent, and the host is back with another one', async () => {
  const { outcome, commands, waits, steps } = await restarted([up('a'), up('a'), 'unreachable', 'unreachable', up('b')])
  expect(outcome).toEqual({ os: 'fedora' })
  expect(commands).toEqual([readsBootId, reboots, readsBootId])
  expect(waits).toEqual([5_000, 1_000, 1_000])
  expect(steps).toEqual([{ bootId: 'a' }])
})

test('a host with the same boot id, or that refuses the login, is not back yet', async () => {
  const { outcome, seconds } = await restarted([up('a'), up('a'), up('a'), 'auth-refused', up('a'), 'lost', up('b')])
  expect([outcome, seconds]).toEqual([{ os: 'fedora' }, 9])
})

test('a connection that is lost with the command is no failure', async () => {
  const { outcome } = await restarted([up('a'), { bootId: 'a', loses: true }, up('b')])
  expect(outcome).toEqual({ os: 'fedora' })
})

test.each([
  ['that stays down', 'unreachable' as const],
  ['that was not restarted', up('a')],
])('a host %s fails after 200 s', async (_, then) => {
  const { outcome, seconds, sent } = await restarted([up('a'), up('a'), then])
  expect(outcome).toMatchObject({ type: 'host-not-back' })
  expect([seconds, sent]).toEqual([205, 1])
})

test('a host that comes back with another key fails at once', async () => {
  const { outcome, seconds } = await restarted([up('a'), up('a'), 'unreachable', 'host-key-changed'])
  expect(outcome).toMatchObject({ type: 'host-key-changed', retryable: false })
  expect(seconds).toBe(6)
})

test('a later attempt counts a host whose boot id is another one by now', async () => {
  const { outcome, sent } = await restarted(['unreachable', 'unreachable', up('b')], 'a')
  expect([outcome, sent]).toEqual([{ os: 'fedora' }, 0])
})

test('a later attempt sends the command again where the boot id is the recorded one', async () => {
  const { outcome, sent } = await restarted([up('a'), up('a'), 'unreachable', up('b')], 'a')
  expect([outcome, sent]).toEqual([{ os: 'fedora' }, 1])
})
