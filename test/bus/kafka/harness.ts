import { type Logger, pino } from 'pino'
import { onTestFinished } from 'vitest'
import { createKafkaBus, type KafkaBus } from '../../../src/bus/kafka/bus.ts'
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
