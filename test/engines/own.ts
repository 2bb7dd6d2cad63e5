import { inject } from 'vitest'
import { startByCommand } from './command.ts'
import type { StartedEngine } from './engine.ts'
import type { EngineName } from './images.ts'

/** An engine of one test's own, to be killed and started again. Whoever asks for it stops it. */
export interface OwnEngine {
  /** EventStoreDB: connection string. Kafka: host and port. */
  readonly address: string
  readonly port: number
  kill(signal: NodeJS.Signals): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

export type OwnEventStoreDb = OwnEngine & { readonly url: string }
export type OwnKafka = OwnEngine & { readonly brokers: string }

export interface OwnKafkaOptions {
  /** A file of further broker settings, such as listeners with TLS. */
  readonly properties?: string
  /** `USER:PASSWORD` of SASL/SCRAM. */
  readonly scram?: string
  /** On this port instead of a free one, for `properties` that name it. */
  readonly port?: number
}

const eventStoreDbCommand = process.env.TEST_EVENTSTOREDB_COMMAND
const kafkaCommand = process.env.TEST_KAFKA_COMMAND
const containers = inject('containers')

export const canOwnEventStoreDb: boolean = Boolean(eventStoreDbCommand) || containers.eventstoredb
export const canOwnKafka: boolean = Boolean(kafkaCommand) || containers.kafka
/** Whether an own Kafka can be given `properties` and `scram`. */
export const canConfigureKafka: boolean = Boolean(kafkaCommand)

export const ownEventStoreDb = async (): Promise<OwnEventStoreDb> => {
  const engine = await begin('eventstoredb', eventStoreDbCommand)
  const url = `esdb://127.0.0.1:${engine.port}?tls=false`
  return { ...engine, address: url, url }
}

/** A broker of one's own; settings need `TEST_KAFKA_COMMAND`, to which they are handed as `--properties` and `--scram`. */
export const ownKafka = async ({ properties, scram, port }: OwnKafkaOptions = {}): Promise<OwnKafka> => {
  const more = [
    ...(properties === undefined ? [] : [`--properties '${properties}'`]),
    ...(scram === undefined ? [] : [`--scram '${scram}'`]),
  ]
  if (more.length > 0 && !kafkaCommand) throw new Error('a Kafka in a container takes no settings: see canConfigureKafka')
  const engine = await begin('kafka', kafkaCommand && [kafkaCommand, ...more].join(' '), port)
  const brokers = `127.0.0.1:${engine.port}`
  return { ...engine, address: brokers, brokers }
}

const begin = async (name: EngineName, command: string | undefined, port?: number): Promise<StartedEngine> => {
  if (command) return startByCommand(command, port)
  const { startInContainer } = await import('./container.ts')
  return startInContainer(name)
}
