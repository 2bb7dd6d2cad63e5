import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { canOwnEventStoreDb, canOwnKafka, type OwnEngine, ownEventStoreDb, ownKafka } from './own.ts'

const connects = async (port: number): Promise<boolean> => {
  const socket = connect(port, '127.0.0.1')
  const outcome = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(
    () => false,
  )
  socket.destroy()
  return outcome
}

const startAndKill = async (own: () => Promise<OwnEngine>): Promise<void> => {
  const engine = await own()
  onTestFinished(() => engine.stop())
  expect(await connects(engine.port)).toBe(true)
  await engine.kill('SIGKILL')
  expect(await connects(engine.port)).toBe(false)
  await engine.start()
  expect(await connects(engine.port)).toBe(true)
}

describe('an engine of a test’s own can be killed and started again', () => {
  test.skipIf(!canOwnEventStoreDb)('EventStoreDB', () => startAndKill(ownEventStoreDb))
  test.skipIf(!canOwnKafka)('Kafka', () => startAndKill(ownKafka))
})
