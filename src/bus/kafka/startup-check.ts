import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { messageOf, Unavailable } from '../../lib/errors.ts'
import { within } from '../../lib/time-limit.ts'
import { createKafka, impatient } from './client.ts'
import type { KafkaSettings } from './settings.ts'

/** What keeps the brokers from being used. */
export interface Problem {
  /** One sentence for users: the problem and the setting to check. Never a secret. */
  readonly sentence: string
  /** Whether waiting may help: a broker that is away may come back, a wrong password stays wrong. */
  readonly mayPass: boolean
}

/** Connects, asks who the cluster is, and disconnects, within `timeoutMs`. Undefined where all is well. */
export const checkKafka = async ({
  settings,
  logger,
  clock,
  timeoutMs,
}: {
  readonly settings: KafkaSettings
  readonly logger: Logger
  readonly clock: Clock
  readonly timeoutMs: number
}): Promise<Problem | undefined> => {
  const otherwise = `${named(settings)} did not answer within ${timeoutMs} ms`
  try {
    // What kafkajs says of its tries is repeated in the sentence.
    const kafka = createKafka({ settings, logger: logger.child({}, { level: 'silent' }), retry: impatient })
    const admin = kafka.admin()
    try {
      await within({ clock, ms: timeoutMs, otherwise }, admin.connect().then(admin.describeCluster))
    } finally {
      admin.disconnect().catch(() => undefined)
    }
    return undefined
  } catch (error) {
    return whatIsWrong(error, settings)
  }
}

interface KafkaFault {
  readonly name?: string
  readonly message?: string
  readonly type?: string
  readonly code?: string | number
  readonly broker?: string
}

const unreachable = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT']
const untrusted =
  /self[- ]signed certificate|unable to (verify|get)|certificate has expired|altname|certificate is not yet valid|unknown ca/i

/** Explains an error of kafkajs in terms of the settings. */
export const whatIsWrong = (error: unknown, settings: KafkaSettings): Problem => {
  const fault = rootOf(error)
  const message = fault.message ?? String(error)
  const code = String(fault.code ?? '')
  const broker = fault.broker ?? named(settings)
  const user = `"${settings.saslUsername}" (${settings.saslMechanism})`

  if (fault.type === 'UNSUPPORTED_SASL_MECHANISM' || (isRefusedUser(fault) && message.includes('not supported')))
    return lasting(`${broker} does not take ${settings.saslMechanism} (KAFKA_SASL_MECHANISM)`)
  if (isRefusedUser(fault))
    return lasting(`${broker} refused the user ${user}: wrong name or password (KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD)`)
  if (fault.type === 'ILLEGAL_SASL_STATE')
    return lasting(`${broker} wants no user on this port, but KAFKA_SASL_USERNAME names one`)
  if (fault.type?.endsWith('AUTHORIZATION_FAILED'))
    return lasting(
      `${broker} does not allow this to ${settings.saslUsername === undefined ? 'clients without a user' : `the user ${user}`}: ${message}`,
    )
  if (untrusted.test(message) || code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS'))
    return lasting(`TLS to ${broker} failed: ${plain(message)} (KAFKA_TLS_CA_FILE names the authorities that are trusted)`)
  if (unreachable.includes(code) || message === 'Connection timeout')
    return passing(`no broker answers at ${broker} (${code || 'timeout'})`)
  if (settings.tls && code === 'ECONNRESET')
    return passing(`${broker} broke off TLS before it was established: it may not be a TLS port (KAFKA_TLS)`)
  if (fault.name === 'KafkaJSConnectionClosedError')
    return passing(`${broker} closed the connection without an answer: ${closingReason(settings)}`)
  if (error instanceof Unavailable) return passing(error.message)
  return passing(`${broker} cannot be used: ${plain(message)}`)
}

const isRefusedUser = ({ name }: KafkaFault): boolean => name === 'KafkaJSSASLAuthenticationError'

const closingReason = ({ tls, saslMechanism }: KafkaSettings): string => {
  const missing = [...(tls ? [] : ['TLS (KAFKA_TLS)']), ...(saslMechanism === undefined ? ['a user (KAFKA_SASL_USERNAME)'] : [])]
  return `it may be stopping, or want ${missing.length > 0 ? missing.join(' or ') : 'other clients than this one'}`
}

const passing = (sentence: string): Problem => ({ sentence, mayPass: true })
const lasting = (sentence: string): Problem => ({ sentence, mayPass: false })

const named = ({ brokers }: KafkaSettings): string => brokers.join(',')

const plain = (message: string): string => message.replace(/^Connection error: /, '').replace(/\s+/g, ' ')

/** kafkajs wraps what it tried again for too long. */
const rootOf = (error: unknown): KafkaFault => {
  let root = error as KafkaFault & { readonly cause?: unknown; readonly errors?: readonly unknown[] }
  for (let depth = 0; depth < 10; depth++) {
    const inner = root.errors?.[0] ?? root.cause
    if (typeof inner !== 'object' || inner === null) break
    root = inner as typeof root
  }
  return { ...root, message: messageOf(root), ...(root.name === undefined ? {} : { name: root.name }) }
}
