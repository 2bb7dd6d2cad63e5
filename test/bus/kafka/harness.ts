import { type Logger, pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { Job, JobBus } from '../../../src/bus/job-bus.ts'
import { createKafkaBus, type KafkaBus } from '../../../src/bus/kafka/jobs/kafka-job-bus.ts'
import { type KafkaSettings, kafkaSettings } from '../../../src/bus/kafka/settings.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { newId } from '../../../src/lib/ids.ts'

/** Settings as the environment would give them, under a prefix that nobody else uses. */
export const settingsFor = (brokers: string, more: Readonly<Record<string, string>> = {}): KafkaSettings => {
  const settings = kafkaSettings({
    KAFKA_BROKERS: brokers,
    KAFKA_TOPIC_PREFIX: `test-${newId()}`,
    KAFKA_PARTITIONS: '4',
    ...more,
  })
  if (settings === undefined) throw new Error('no brokers')
  return settings
}

/** A logger, and every line that it was given. */
export const keptLog = (level = 'trace'): { readonly logger: Logger; readonly lines: string[] } => {
  const lines: string[] = []
  return { logger: pino({ level }, { write: (line: string) => void lines.push(line) }), lines }
}

/** A started bus, closed at the end of the test. */
export const openBus = async (settings: KafkaSettings, logger: Logger = keptLog('warn').logger): Promise<KafkaBus> => {
  const bus = createKafkaBus({ settings, logger, clock: systemClock })
  await bus.start()
  onTestFinished(() => bus.close())
  return bus
}

export const job = (operationId: string, more: Partial<Job> = {}): Job => ({
  operationId,
  kind: 'probe',
  key: operationId,
  priority: 100,
  ...more,
})

/** `count` jobs whose names begin with `name`. */
export const jobs = (name: string, count: number): readonly Job[] =>
  Array.from({ length: count }, (_, at) => job(`${name}-${at}`))

/** A consumer, and a way to wait until it has been handed certain jobs. Stopped at the end of the test. */
export const listen = (bus: JobBus, handle: (job: Job) => Promise<void> = async () => undefined) => {
  const stopping = new AbortController()
  const heard = new Map<string, number>()
  const waits = new Set<() => void>()
  const ended = bus.consume({ kinds: ['probe'], concurrency: 8, signal: stopping.signal }, async (handed) => {
    heard.set(handed.operationId, (heard.get(handed.operationId) ?? 0) + 1)
    for (const look of waits) look()
    await handle(handed)
  })
  const until = (isEnough: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!isEnough()) return
        waits.delete(look)
        resolve()
      }
      waits.add(look)
      look()
    })
  const stop = async (): Promise<void> => {
    stopping.abort()
    await ended
  }
  onTestFinished(stop)
  return {
    /** Times that each operation was handed over. */
    heard,
    until,
    heardAll: (wanted: readonly Job[]) => until(() => wanted.every(({ operationId }) => heard.has(operationId))),
    stop,
  }
}

/** Waits for a line of a log that holds all of these words. */
export const untilLogged = async (lines: readonly string[], ...words: readonly string[]): Promise<string> => {
  for (;;) {
    const found = lines.find((line) => words.every((word) => line.includes(word)))
    if (found !== undefined) return found
    await systemClock.sleep(20)
  }
}
