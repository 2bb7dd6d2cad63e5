import { expect, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import type { Host } from '../../../src/projections/clusters/host-queries.ts'
import { checkWork } from '../../../src/workers/clusters/check.ts'
import { HostUnusable } from '../../../src/workers/clusters/host-failure.ts'
import { SshFailed } from '../../../src/workers/clusters/ssh/ssh.ts'
import { type WorkContext, WorkFailed } from '../../../src/workers/work.ts'
import { scriptedHost } from './scripted-host.ts'

const hostsOf = (...addresses: readonly string[]) => addresses.map((address) => ({ address, registration: address }) as Host)
const context = { operationId: 'o', signal: new AbortController().signal } as WorkContext

/** Checks hosts; `found` says what a login finds. Those of `later` are still due at the end. */
const checked = async (
  due: readonly Host[],
  found: (address: string) => unknown,
  { later = due, concurrency = 32 }: { readonly later?: readonly Host[]; readonly concurrency?: number } = {},
) => {
  let asked = 0
  let open = 0
  let mostOpen = 0
  const logIn = async ({ address }: { readonly address: string }) => {
    open++
    mostOpen = Math.max(mostOpen, open)
    await new Promise(setImmediate)
    const failure = found(address)
    if (failure !== undefined && typeof failure !== 'number') {
      open--
      throw failure
    }
    const end = async (): Promise<void> => {
      open--
    }
    return { ...scriptedHost({ true: Number(failure ?? 0) }), end }
  }
  const work = checkWork({
    hosts: { logIn },
    current: { due: async () => (asked++ === 0 ? due : later) },
    clock: systemClock,
    settings: { concurrency },
  })
  const { hosts } = await work.run({}, context)
  return { reached: Object.fromEntries(hosts.map(({ address, reached }) => [address, reached])), mostOpen, open }
}

test('a host is reached where a login and a command succeed', async () => {
  const failures: Readonly<Record<string, unknown>> = {
    down: new SshFailed('unreachable', 'no'),
    refused: new SshFailed('auth-refused', 'no'),
    changed: new SshFailed('host-key-changed', 'no'),
    broken: 1,
  }
  const { reached } = await checked(hostsOf('up', 'down', 'refused', 'changed', 'broken'), (address) => failures[address])
  expect(reached).toEqual({ up: true, down: false, refused: false, changed: false, broken: false })
})

test('a host that was deleted meanwhile is left out', async () => {
  const failures: Readonly<Record<string, unknown>> = {
    gone: new HostUnusable('host-gone', 'gone'),
    forgotten: new WorkFailed('secret-forgotten', 'gone', { retryable: false }),
  }
  const { reached } = await checked(hostsOf('gone', 'up', 'forgotten'), (address) => failures[address])
  expect(reached).toEqual({ up: true })
})

test('a host that is being restarted by the end of the check is not said to be lost', async () => {
  const [up, down] = hostsOf('up', 'down') as [Host, Host]
  const failure = new SshFailed('unreachable', 'no')
  const find = (address: string) => (address === 'down' ? failure : undefined)
  expect((await checked([up, down], find, { later: [up] })).reached).toEqual({ up: true })
})

test('no more hosts are checked at a time than the settings say', async () => {
  const hosts = hostsOf(...Array.from({ length: 50 }, (_, n) => `10.0.0.${n}`))
  const { reached, mostOpen, open } = await checked(hosts, () => undefined, { concurrency: 8 })
  expect([Object.keys(reached).length, mostOpen, open]).toEqual([50, 8, 0])
})
