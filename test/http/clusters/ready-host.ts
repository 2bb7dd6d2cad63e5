import { expect } from 'vitest'
import { checkKind } from '../../../src/commands/clusters/check.ts'
import { clusterHost } from '../../../src/commands/clusters/cluster-host.ts'
import { investigateKind, investigationSteps, type KnownHost } from '../../../src/commands/clusters/investigation.ts'
import type { CommandContext } from '../../../src/commands/execute.ts'
import { operationStream } from '../../../src/commands/operation.ts'
import { hostSubject } from '../../../src/events/clusters/host.ts'
import { instant, systemClock } from '../../../src/lib/clock.ts'
import { eventId, newId } from '../../../src/lib/ids.ts'
import { clustersView } from '../../../src/projections/clusters/clusters.ts'
import { event, requested } from '../../projections/harness.ts'
import type { TestApp } from '../app.ts'

const context = (): CommandContext => {
  const commandId = newId()
  return { commandId, correlationId: commandId, actor: { principal: 'tester', face: 'clusters', address: null } }
}

/** Registers a host without anybody looking at it. */
export const newHost = async ({ app }: TestApp, address: string, key = 'key'): Promise<KnownHost> => {
  const { executor, seal, projections } = app.ports
  const command = context()
  const registration = eventId(command.commandId, 0)
  const outcome = await executor.execute(
    clusterHost,
    {
      ...{ type: 'RegisterHost', address, remoteUser: 'root', sshPort: 22, source: '', inferredAddress: false },
      ...{ key: await seal(hostSubject(registration), key), keyDigest: '', joins: undefined },
    },
    command,
  )
  if (outcome.refused !== undefined || outcome.position === null) throw new Error(`${address} is registered already`)
  expect(await projections.reached(outcome.position, { names: [clustersView] })).toBe(true)
  return { address, registration }
}

/** The same with an investigation that is said to have ended well, without any SSH. */
export const readyHost = async (it: TestApp, address: string): Promise<KnownHost> => {
  const host = await newHost(it, address)
  const { log, projections } = it.app.ports
  const step = { name: investigationSteps.facts, result: { os: 'fedora', cpus: 2, memory: 2048, space: 4096 } }
  const { position } = await log.append(operationStream(newId()), 'noStream', [
    requested({ kind: investigateKind, input: { ...host }, face: 'clusters' }),
    event('OperationStarted', { attempt: 1, worker: 'nobody', deadline: '2100-01-01T00:00:00.000Z' }),
    event('OperationProgressed', { attempt: 1, phase: null, fraction: null, detail: null, step }),
    event('OperationSucceeded', { attempt: 1, result: { status: 'disassociated' } }),
  ])
  expect(await projections.reached(position, { names: [clustersView, 'operations'] })).toBe(true)
  return host
}

/** Says that a check did not reach a host, without any SSH. */
export const notReached = async (it: TestApp, address: string): Promise<void> => {
  const { log, projections } = it.app.ports
  const result = { hosts: [{ address, reached: false, at: instant(systemClock.now()) }] }
  const { position } = await log.append(operationStream(newId()), 'noStream', [
    requested({ kind: checkKind, input: {}, face: 'clusters' }),
    event('OperationStarted', { attempt: 1, worker: 'nobody', deadline: '2100-01-01T00:00:00.000Z' }),
    event('OperationSucceeded', { attempt: 1, result }),
  ])
  expect(await projections.reached(position, { names: [clustersView, 'operations'] })).toBe(true)
}
