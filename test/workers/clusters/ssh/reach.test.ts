import { expect, test } from 'vitest'
import { systemClock } from '../../../../src/lib/clock.ts'
import { bootingPatience, noPatience, type Patience, reach, usualPatience } from '../../../../src/workers/clusters/ssh/reach.ts'
import { SshFailed, type SshFailure, type SshSession } from '../../../../src/workers/clusters/ssh/ssh.ts'
import { at } from './tools.ts'

const opened = { fingerprint: 'SHA256:x' } as SshSession

/** Tries a host that fails in these ways and then lets us in, on a clock that stands still but for pauses. */
const tried = async (patience: Patience, failures: readonly SshFailure[]) => {
  let now = 0
  let attempts = 0
  const clock = {
    ...systemClock,
    monotonic: () => now,
    sleep: async (ms: number) => {
      now += ms
    },
  }
  const connect = async (): Promise<SshSession> => {
    const failure = failures[attempts++]
    if (failure !== undefined) throw new SshFailed(failure, failure)
    return opened
  }
  const result = await reach({ connect }, at({ address: 'a', port: 22 }), { patience, clock }).catch((error) => error.reason)
  return { result, attempts, now }
}

const down = (times: number): readonly SshFailure[] => Array.from({ length: times }, () => 'unreachable')

test('three attempts, 5 s apart', async () => {
  expect(await tried(usualPatience, ['unreachable', 'auth-refused'])).toEqual({ result: opened, attempts: 3, now: 10_000 })
  expect(await tried(usualPatience, down(9))).toEqual({ result: 'unreachable', attempts: 3, now: 10_000 })
})

test('five minutes for a host that is being installed', async () => {
  expect(await tried(bootingPatience, down(60))).toEqual({ result: opened, attempts: 61, now: 300_000 })
  expect(await tried(bootingPatience, down(99))).toEqual({ result: 'unreachable', attempts: 61, now: 300_000 })
})

test('one attempt', async () => {
  expect(await tried(noPatience, down(1))).toEqual({ result: 'unreachable', attempts: 1, now: 0 })
})

test.each(['host-key-changed', 'no-common-algorithm', 'address-refused', 'flood'] as const)(
  '%s is not tried again',
  async (failure) => {
    expect(await tried(usualPatience, [failure])).toEqual({ result: failure, attempts: 1, now: 0 })
  },
)
