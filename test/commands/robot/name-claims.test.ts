import { expect, test } from 'vitest'
import { createExecutor } from '../../../src/commands/execute.ts'
import { createNameClaims } from '../../../src/commands/robot/name-claims.ts'
import { service } from '../../../src/commands/robot/service.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { newId } from '../../../src/lib/ids.ts'
import { append, openLog, requested, succeeded } from '../../projections/harness.ts'

const templateUid = 'host/acme/repo/vm/1.0.0'
const wanted = (guid: string, scope: 'alone' | 'template' = 'alone', name = 'web') => ({ name, guid, templateUid, scope })
const contextOf = (operation: string) => ({
  commandId: newId(),
  correlationId: operation,
  actor: { principal: 'test', face: 'robot', address: null },
})

const open = async () => {
  const log = await openLog()
  let now = systemClock.now()
  const executor = createExecutor({ log, clock: systemClock })
  const names = createNameClaims({ executor, log, clock: { now: () => now } })
  const pass = (ms: number): void => {
    now += ms
  }
  return { log, executor, names, pass }
}

test('a name is taken while its operation is not finished', async () => {
  const { log, names, pass } = await open()
  const operation = newId()
  expect(await names.claim(wanted('one'), contextOf(operation))).toBe(true)
  expect(await names.claim(wanted('one'), contextOf(operation))).toBe(true)
  expect(await names.claim(wanted('two'), contextOf(newId()))).toBe(false)
  await append(log, operation, requested({ kind: 'robot.validate' }))
  pass(3_600_000)
  expect(await names.isTaken(wanted('two'))).toBe(true)
  expect(await names.claim(wanted('two'), contextOf(newId()))).toBe(false)
})

test('a claim whose operation was never recorded gives way after a minute', async () => {
  const { names, pass } = await open()
  await names.claim(wanted('one'), contextOf(newId()))
  pass(59_000)
  expect(await names.claim(wanted('two'), contextOf(newId()))).toBe(false)
  pass(2_000)
  expect(await names.isTaken(wanted('two'))).toBe(false)
  expect(await names.claim(wanted('two'), contextOf(newId()))).toBe(true)
})

test('a claim whose operation has ended without a service gives way at once, and that of a service does not', async () => {
  const { log, executor, names } = await open()
  const operation = newId()
  await names.claim(wanted('one'), contextOf(operation))
  await append(log, operation, requested({ kind: 'robot.validate' }), succeeded(1, {}))
  expect(await names.claim(wanted('two'), contextOf(operation))).toBe(true)
  const created = { name: 'web', templateUid, commit: '', data: {}, public: false, origin: 'api' as const }
  await executor.execute(service, { type: 'CreateService', guid: 'two', service: created }, contextOf(operation))
  expect(await names.claim(wanted('three'), contextOf(newId()))).toBe(false)
  await executor.execute(service, { type: 'DeleteService', guid: 'two' }, contextOf(operation))
  expect(await names.claim(wanted('three'), contextOf(newId()))).toBe(true)
})

test('a released name is free', async () => {
  const { names } = await open()
  await names.claim(wanted('one'), contextOf(newId()))
  await names.release(wanted('one'), contextOf(newId()))
  expect(await names.isTaken(wanted('two'))).toBe(false)
})

test('under one template alone a name may be held twice by services of others', async () => {
  const { names } = await open()
  await names.claim(wanted('one', 'template'), contextOf(newId()))
  expect(await names.claim({ ...wanted('two', 'template'), templateUid: 'host/acme/repo/vm/2.0.0' }, contextOf(newId()))).toBe(
    true,
  )
  expect(await names.claim(wanted('three', 'template'), contextOf(newId()))).toBe(false)
})
