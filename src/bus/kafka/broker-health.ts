import type { Admin, Kafka } from 'kafkajs'
import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { within } from '../../lib/time-limit.ts'
import { impatient } from './client.ts'
import type { KafkaSettings } from './settings.ts'
import { whatIsWrong } from './startup-check.ts'

/** Whether the brokers answer, asked all the time. */
export interface Pulse {
  isConnected(): boolean
  stop(): void
}

/** Asks at once, and then until it is stopped. */
export const startPulse = ({
  kafka,
  settings,
  begins,
  everyMs = 2_000,
  answerMs = 2_000,
  backOff = { firstMs: everyMs, longestMs: everyMs },
  clock,
  logger,
}: {
  readonly kafka: Kafka
  readonly settings: KafkaSettings
  /** Whether the brokers have just answered. */
  readonly begins: 'connected' | 'unknown'
  readonly everyMs?: number
  /** Who does not answer by then is out of reach. */
  readonly answerMs?: number
  /** Pauses between unanswered requests; each is twice the previous one. */
  readonly backOff?: { readonly firstMs: number; readonly longestMs: number }
  readonly clock: Clock
  readonly logger: Logger
}): Pulse => {
  const stopping = new AbortController()
  let isConnected = begins === 'connected'
  let isFailing = false
  let pauseMs = everyMs
  let admin: Admin | undefined

  const drop = (): void => {
    admin?.disconnect().catch(() => undefined)
    admin = undefined
  }

  const ask = async (): Promise<void> => {
    if (admin === undefined) {
      admin = kafka.admin({ retry: impatient })
      await admin.connect()
    }
    await admin.describeCluster()
  }

  const beat = async (): Promise<void> => {
    const otherwise = `${settings.brokers.join(',')} did not answer within ${answerMs} ms`
    try {
      await within({ clock, ms: answerMs, otherwise }, ask())
      if (!isConnected) logger.info('the brokers answer')
      isConnected = true
      isFailing = false
      pauseMs = everyMs
    } catch (error) {
      drop()
      if (isConnected) logger.warn({ reason: whatIsWrong(error, settings).sentence }, 'the brokers cannot be reached')
      pauseMs = isFailing ? Math.min(2 * pauseMs, backOff.longestMs) : backOff.firstMs
      isFailing = true
      isConnected = false
    }
  }

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await beat()
      await clock.sleep(pauseMs, stopping.signal).catch(() => undefined)
    }
    drop()
  }
  void run()

  return { isConnected: () => isConnected, stop: () => stopping.abort() }
}
