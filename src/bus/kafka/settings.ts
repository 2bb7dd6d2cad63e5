import { z } from 'zod'
import { type Environment, settingsFrom, variablesOf, whole, yesOrNo } from '../../lib/environment.ts'

/** An address like `[::1]:9092`: kafkajs splits it at the first colon and asks for a host named `[`. */
const isIpv6 = (broker: string): boolean => broker.startsWith('[')

/** Every setting of the Kafka bus, named `KAFKA_…` in the environment. Source: docs/configuration.md. */
const KafkaVariables = z.object({
  /** Where to begin, `host:port,host:port`; without it the bus is inside the process. */
  brokers: z
    .string()
    .transform((text) => text.split(',').map((broker) => broker.trim()))
    .pipe(
      z.array(
        z
          .string()
          .refine((broker) => !isIpv6(broker), {
            error: 'cannot name a broker by an IPv6 address: give it a host name that resolves to the address',
            abort: true,
          })
          .regex(/^[^\s:/]+:\d{1,5}$/, 'is not host:port, with commas between'),
      ),
    )
    .optional(),
  clientId: z.string().default('intendant'),
  /** TLS towards the brokers. */
  tls: yesOrNo.default(false),
  /** PEM file of the authorities that are trusted instead of the system's. */
  tlsCaFile: z.string().optional(),
  /** PEM files of a client's certificate and key, for brokers that ask for one. */
  tlsCertFile: z.string().optional(),
  tlsKeyFile: z.string().optional(),
  saslMechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512'], 'is not plain, scram-sha-256 or scram-sha-512').optional(),
  saslUsername: z.string().optional(),
  saslPassword: z.string().optional(),
  /** Beginning of every topic and consumer group of ours. */
  topicPrefix: z
    .string()
    .regex(/^[\w.-]{1,100}$/, 'is not a prefix of a topic name (1 to 100 letters, digits, ".", "_", "-")')
    .default('intendant'),
  /** Partitions of a topic that is made here: the most workers that can share it. */
  partitions: whole(1, 10_000).default(12),
  /** Copies of each partition; -1 leaves it to the broker. */
  replicationFactor: whole(-1, 100).default(-1),
  /** Retention of jobs; the supervisor publishes lost ones again. */
  jobsRetentionMs: whole(1_000).default(600_000),
  /** How long dead letters and published events are kept; -1 keeps them for ever. */
  retentionMs: whole(-1).default(604_800_000),
  /** Time until the partitions of a dead worker are given to others. */
  sessionTimeoutMs: whole(1_000, 300_000).default(6_000),
  /** Whether every event is published to `<prefix>.events` too. */
  publishEvents: yesOrNo.default(false),
})
type KafkaVariables = z.infer<typeof KafkaVariables>

export type KafkaSettings = KafkaVariables & { readonly brokers: readonly string[] }

/** Undefined where no brokers are named. Throws an `Error` with one line per variable that cannot be honoured. */
export const kafkaSettings = (environment: Environment): KafkaSettings | undefined => {
  const settings = settingsFrom('KAFKA', KafkaVariables, environment)
  const { brokers, saslMechanism, saslUsername, saslPassword, tls, tlsCaFile, tlsCertFile, tlsKeyFile } = settings
  const user = [saslMechanism, saslUsername, saslPassword].filter((value) => value !== undefined).length
  if (user !== 0 && user !== 3)
    throw new Error('KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD are only of use together')
  if ((tlsCertFile === undefined) !== (tlsKeyFile === undefined))
    throw new Error('KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE are only of use together')
  if (!tls && (tlsCaFile ?? tlsCertFile) !== undefined)
    throw new Error('KAFKA_TLS_CA_FILE and KAFKA_TLS_CERT_FILE need KAFKA_TLS=true')
  return brokers === undefined ? undefined : { ...settings, brokers }
}

export const kafkaVariables = variablesOf('KAFKA', KafkaVariables)
