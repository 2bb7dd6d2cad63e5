import type { Admin, Kafka } from 'kafkajs'
import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { within } from '../../lib/within.ts'
import { whatIsWrong } from './check.ts'
import type { KafkaSettings } from './settings.ts'

/** Whether the brokers answer, asked all the time. */
export interface Pulse {
  isConnected(): boolean
  stop(): void
}

const everyMs = 2_000
const answerMs = 2_000

/** Begins connected: it is started when the brokers have just answered. `kafka` should give up soon. */
export const startPulse = ({
  kafka,
  settings,
  clock,
  logger,
}: {
  readonly kafka: Kafka
  readonly settings: KafkaSettings
  readonly clock: Clock
  readonly logger: Logger
}): Pulse => {
  const stopping = new AbortController()
  let isConnected = true
  let admin: Admin | undefined

  const drop = (): void => {
    admin?.disconnect().catch(() => undefined)
    admin = undefined
  }

  const ask = async (): Promise<void> => {
    if (admin === undefined) {
      admin = kafka.admin()
      await admin.connect()
    }
    await admin.describeCluster()
  }

  const beat = async (): Promise<void> => {
    const otherwise = `${settings.brokers.join(',')} did not answer within ${answerMs} ms`
    try {
      await within({ clock, ms: answerMs, otherwise }, ask())
      if (!isConnected) logger.info('the brokers answer again')
      isConnected = true
    } catch (error) {
      drop()
      if (isConnected) logger.warn({ reason: whatIsWrong(error, settings).sentence }, 'the brokers are out of reach')
      isConnected = false
    }
  }

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await beat()
      await clock.sleep(everyMs, stopping.signal).catch(() => undefined)
    }
    drop()
  }
  void run()

  return { isConnected: () => isConnected, stop: () => stopping.abort() }
}
