import { startByCommand } from '../../test/engines/command.ts'
import { startInContainer, whyNoContainer } from '../../test/engines/container.ts'
import type { Bench } from './bench.ts'

/** Where EventStoreDB and Kafka are. */
export interface EngineAddresses extends AsyncDisposable {
  readonly eventStoreDb: string
  readonly kafka: string
}

const engines = {
  eventstoredb: { address: process.env.EVENTSTOREDB_URL, command: process.env.TEST_EVENTSTOREDB_COMMAND },
  kafka: { address: process.env.KAFKA_BROKERS, command: process.env.TEST_KAFKA_COMMAND },
} as const

/**
 * Running engines where their addresses are given (their log should hold nothing that matters), else some that are started by the
 * commands of the tests or in containers; undefined, after a line that says why, where there are none.
 */
export const findEngines = async (bench: Bench): Promise<EngineAddresses | undefined> => {
  await using started = new AsyncDisposableStack()
  const find = async (name: keyof typeof engines): Promise<string | undefined> => {
    const { address, command } = engines[name]
    if (address) return address
    const missing = command ? undefined : await whyNoContainer(name)
    if (missing !== undefined) {
      bench.say(`skipped, there is no ${name}: its address is not given, and ${missing}`)
      return undefined
    }
    const engine = command ? await startByCommand(command) : await startInContainer(name)
    started.defer(() => engine.stop())
    return name === 'kafka' ? `127.0.0.1:${engine.port}` : `esdb://127.0.0.1:${engine.port}?tls=false`
  }
  const eventStoreDb = await find('eventstoredb')
  const kafka = eventStoreDb && (await find('kafka'))
  if (eventStoreDb === undefined || !kafka) return undefined
  const all = started.move()
  return { eventStoreDb, kafka, [Symbol.asyncDispose]: () => all.disposeAsync() }
}
