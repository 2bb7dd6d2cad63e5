import { expect, test } from 'vitest'
import { clusterHost } from '../../../src/commands/clusters/cluster-host.ts'
import { defaultClustersSettings } from '../../../src/commands/clusters/settings.ts'
import { createExecutor } from '../../../src/commands/execute.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { eventId, newId } from '../../../src/lib/ids.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import { createHosts } from '../../../src/workers/clusters/hosts.ts'
import { noPatience } from '../../../src/workers/clusters/ssh/reach.ts'
import { SshFailed, type SshSession, type SshTarget } from '../../../src/workers/clusters/ssh/ssh.ts'
import { makeKeyPair } from '../../engines/sshd.ts'

const address = '10.0.0.1'
const actor = { principal: 'tester', face: 'clusters', address: null }

/** A registered host that shows this key, and is remembered by that one. */
const registered = async ({
  shows,
  remembered,
  accepts = false,
  user = 'root',
}: {
  readonly shows: string
  readonly remembered: string | null
  readonly accepts?: boolean
  readonly user?: string
}) => {
  const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
  const executor = createExecutor({ log, clock: systemClock })
  const commandId = newId()
  const registration = eventId(commandId, 0)
  const key = { $sealed: 'v1.x', subject: `clusterHost-${registration}` }
  const settings = { remoteUser: user, sshPort: 2222, source: '', inferredAddress: true }
  await executor.execute(
    clusterHost,
    { type: 'RegisterHost', address, key, keyDigest: '', joins: undefined, ...settings },
    { commandId, correlationId: commandId, actor },
  )
  const targets: SshTarget[] = []
  const commands: string[] = []
  let ends = 0
  const session: SshSession = {
    fingerprint: shows,
    exec: async (command) => {
      commands.push(command)
      return { exitCode: 0 }
    },
    end: async () => {
      ends++
    },
  }
  const hosts = createHosts({
    executor,
    current: { fingerprintOf: async () => remembered },
    clock: systemClock,
    settings: defaultClustersSettings,
    ssh: {
      connect: async (target) => {
        targets.push(target)
        const { knownFingerprint: known } = target
        if (known !== undefined && known !== shows && !accepts)
          throw new SshFailed('host-key-changed', 'another key', { fingerprint: shows })
        return session
      },
    },
  })
  const context = {
    operationId: newId(),
    correlationId: newId(),
    actor,
    signal: new AbortController().signal,
    open: async () => makeKeyPair().base64,
    pipe: async () => undefined,
    output: async () => undefined,
  }
  const isInferred: boolean[] = []
  const logIn = (host = { address, registration }) =>
    hosts.logIn(host, context, ({ inferredAddress }) => {
      isInferred.push(inferredAddress)
      return noPatience
    })
  const changes = async () =>
    (await Array.fromAsync(log.readStream(`clusterHost-${address}`)))
      .filter(({ type }) => type === 'HostKeyChanged')
      .map(({ data }) => data)
  return { logIn, changes, targets, commands, isInferred, ends: () => ends }
}

test('logs in as the host was registered', async () => {
  const it = await registered({ shows: 'SHA256:a', remembered: null, user: 'fedora' })
  const host = await it.logIn()
  expect(it.targets).toMatchObject([{ address, port: 2222, user: 'fedora', knownFingerprint: undefined }])
  expect(it.isInferred).toEqual([true])
  await host.run("echo 'x'", { timeLimitMs: 1 })
  expect(it.commands).toEqual([`sudo -n -H -u root -- /bin/sh -c 'echo '\\''x'\\'''`])
  await host.end()
  expect([it.ends(), await it.changes()]).toEqual([1, []])
})

test('a key that has changed is recorded once, and refused', async () => {
  const it = await registered({ shows: 'SHA256:b', remembered: 'SHA256:a' })
  for (let round = 0; round < 2; round++) await expect(it.logIn()).rejects.toMatchObject({ reason: 'host-key-changed' })
  expect(await it.changes()).toEqual([{ address, oldFingerprint: 'SHA256:a', newFingerprint: 'SHA256:b', accepted: false }])
})

test('a key that has changed is remembered where that is allowed', async () => {
  const it = await registered({ shows: 'SHA256:b', remembered: 'SHA256:a', accepts: true })
  expect((await it.logIn()).fingerprint).toBe('SHA256:b')
  expect(await it.changes()).toEqual([{ address, oldFingerprint: 'SHA256:a', newFingerprint: 'SHA256:b', accepted: true }])
})

test('another host at the address is left alone', async () => {
  const it = await registered({ shows: 'SHA256:a', remembered: null })
  await expect(it.logIn({ address, registration: newId() })).rejects.toMatchObject({ type: 'host-gone' })
  await expect(it.logIn({ address: '10.0.0.2', registration: newId() })).rejects.toMatchObject({ type: 'host-gone' })
  expect(it.targets).toEqual([])
})
