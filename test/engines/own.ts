import { inject } from 'vitest'
import type { CertificateFiles } from './certificate.ts'
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

export interface OwnEventStoreDbOptions {
  /** PEM files: the server then speaks TLS, at `localhost`. */
  readonly certificate?: CertificateFiles
  /** Passwords by name; `admin` may do everything, others may not read `$all`. */
  readonly users?: Readonly<Record<string, string>>
}

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
/** Whether an own EventStoreDB can be given `certificate` and `users`. */
export const canSecureEventStoreDb: boolean = Boolean(eventStoreDbCommand)
/** Whether an own Kafka can be given `properties` and `scram`. */
export const canConfigureKafka: boolean = Boolean(kafkaCommand)

/**
 * A server of one's own. TLS and users need `TEST_EVENTSTOREDB_COMMAND`, to which they are handed as `--cert`, `--key` and `--user`; its
 * `url` names the file of the authority then, and no user.
 */
export const ownEventStoreDb = async ({ certificate, users = {} }: OwnEventStoreDbOptions = {}): Promise<OwnEventStoreDb> => {
  const more = [
    ...(certificate === undefined ? [] : [`--cert ${quoted(certificate.certificate)} --key ${quoted(certificate.key)}`]),
    ...Object.entries(users).map(([name, password]) => `--user ${quoted(`${name}:${password}`)}`),
  ]
  if (more.length > 0 && !canSecureEventStoreDb) throw new Error('an EventStoreDB in a container takes no certificate')
  const engine = await begin('eventstoredb', eventStoreDbCommand && [eventStoreDbCommand, ...more].join(' '))
  const url =
    certificate === undefined
      ? `esdb://127.0.0.1:${engine.port}?tls=false`
      : `esdb://localhost:${engine.port}?tls=true&tlsCAFile=${certificate.certificate}`
  return { ...engine, address: url, url }
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

/** A broker of one's own; settings need `TEST_KAFKA_COMMAND`, to which they are handed as `--properties` and `--scram`. */
export const ownKafka = async ({ properties, scram, port }: OwnKafkaOptions = {}): Promise<OwnKafka> => {
  const more = [
    ...(properties === undefined ? [] : [`--properties ${quoted(properties)}`]),
    ...(scram === undefined ? [] : [`--scram ${quoted(scram)}`]),
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
