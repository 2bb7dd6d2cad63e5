import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { Kafka, logLevel, Partitioners, type RetryOptions, type SASLOptions } from 'kafkajs'
import type { Logger } from 'pino'
import { parseInstant } from '../../lib/clock.ts'
import { messageOf, Unacceptable } from '../../lib/errors.ts'
import './idle-request-queue.ts'
import type { KafkaSettings } from './settings.ts'

const connectionTimeoutMs = 5_000
const authenticationTimeoutMs = 10_000
/** A broker that froze is given up after this long. */
const requestTimeoutMs = 15_000

/** About a minute: as long as a broker may take to start again without anything being given up. */
const patient: RetryOptions = { retries: 60, initialRetryTime: 100, maxRetryTime: 1_000, factor: 0.2, multiplier: 2 }
/** Until it is there again, or the client's signal aborts. */
export const endless: RetryOptions = { ...patient, retries: Number.MAX_SAFE_INTEGER }
/** For questions whose answer is wanted now. */
export const impatient: RetryOptions = { ...patient, retries: 2, maxRetryTime: 200 }

/** The same place for the same key as every other Kafka client gives it (murmur2). */
export const partitioner = Partitioners.DefaultPartitioner

/**
 * The client of the brokers that `settings` names; nothing is connected yet. Throws `Unacceptable` where a file of certificates or a
 * key cannot be used.
 */
export const createKafka = ({
  settings,
  logger,
  retry = patient,
  signal,
}: {
  readonly settings: KafkaSettings
  readonly logger: Logger
  /** How long a fault is borne; default about a minute. */
  readonly retry?: RetryOptions
  /** When it aborts, what still waits for brokers that are away is given up. */
  readonly signal?: AbortSignal
}): Kafka => {
  const sasl = saslOf(settings)
  return new Kafka({
    // kafkajs has no other way to be told to stop trying: no brokers is an error that it does not try again.
    brokers: () => (signal?.aborted ? [] : [...settings.brokers]),
    clientId: settings.clientId,
    connectionTimeout: connectionTimeoutMs,
    authenticationTimeout: authenticationTimeoutMs,
    requestTimeout: requestTimeoutMs,
    retry,
    logLevel: logger.isLevelEnabled('trace') ? logLevel.DEBUG : logLevel.INFO,
    logCreator: () => logInto(logger.child({ part: 'kafka' })),
    ...(settings.tls ? { ssl: tlsOf(settings) } : {}),
    ...(sasl === undefined ? {} : { sasl }),
  })
}

const saslOf = ({ saslMechanism, saslUsername, saslPassword }: KafkaSettings): SASLOptions | undefined =>
  saslMechanism === undefined || saslUsername === undefined || saslPassword === undefined
    ? undefined
    : { mechanism: saslMechanism, username: saslUsername, password: saslPassword }

const tlsOf = ({ tlsCaFile, tlsCertFile, tlsKeyFile }: KafkaSettings) => {
  const ca = pem('KAFKA_TLS_CA_FILE', tlsCaFile)
  const cert = pem('KAFKA_TLS_CERT_FILE', tlsCertFile)
  const key = pem('KAFKA_TLS_KEY_FILE', tlsKeyFile)
  const options = { ...(ca && { ca: [ca] }), ...(cert && { cert }), ...(key && { key }) }
  try {
    createSecureContext(options)
  } catch {
    // What OpenSSL says of a key is not repeated.
    throw new Unacceptable('the files of KAFKA_TLS_CA_FILE, KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE do not go together')
  }
  return options
}

const pem = (variable: string, path: string | undefined): string | undefined => {
  if (path === undefined) return undefined
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new Unacceptable(`${variable} ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
  // OpenSSL accepts a file without authorities, and then trusts no server.
  if (!text.includes('-----BEGIN ')) throw new Unacceptable(`${variable} ${path} is not a PEM file`)
  return text
}

/** What kafkajs tells of itself that is fit for a log: nothing of it holds settings, payloads or credentials. */
const told = [
  'broker',
  'clientId',
  'groupId',
  'memberId',
  'topic',
  'partition',
  'offset',
  'retryCount',
  'retryTime',
  'error',
] as const

/** The same message is logged once in this time; repetitions are debug messages. */
const quietMs = 30_000
/** What kafkajs warns of and is as it should be: members that come and go, a producer whose retries have an end, an answer that it acts on. */
const everyday = /rebalanc|^Limiting retries|^Response /

/** kafkajs logs every failed try as an error. The caller gets the final result, so none of these lines is an error of the program. */
const logInto = (logger: Logger) => {
  const complaints = new Map<string, number>()
  const isNews = (text: string, at: number): boolean => {
    for (const [said, since] of complaints) if (at - since >= quietMs) complaints.delete(said)
    if (complaints.has(text)) return false
    complaints.set(text, at)
    return true
  }
  return ({ level, namespace, log }: { level: logLevel; namespace: string; log: Record<string, unknown> }): void => {
    const details: Record<string, unknown> = { namespace }
    // It hands over an error in place of its message here and there.
    const text = messageOf(log.message)
    for (const name of told) if (log[name] !== undefined) details[name] = messageOf(log[name])
    const isEveryday = everyday.test(text) || everyday.test(String(details.error))
    if (level > logLevel.INFO) logger.trace(details, text)
    else if (level === logLevel.INFO || isEveryday || !isNews(text, parseInstant(String(log.timestamp))))
      logger.debug(details, text)
    else logger.warn(details, text)
  }
}
