import { pino } from 'pino'
import { createKafka } from '../../../src/bus/kafka/client.ts'
import { createEventPublisher } from '../../../src/bus/kafka/event-publisher.ts'
import { kafkaSettings } from '../../../src/bus/kafka/settings.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { createLocalLeadership } from '../../../src/stores/embedded/leadership.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'

// Publishes a log until it is killed: node publisher-child.ts LOG BROKERS PREFIX
const [path = '', brokers = '', prefix = ''] = process.argv.slice(2)
const logger = pino({ level: 'warn' }, pino.destination(2))
const keepShort = async () => undefined
const settings = kafkaSettings({ KAFKA_BROKERS: brokers, KAFKA_TOPIC_PREFIX: prefix, KAFKA_PARTITIONS: '3' })
if (settings === undefined) throw new Error('no brokers')
const log = await openEmbeddedLog({ path, clock: systemClock })
const kafka = createKafka({ settings, logger })
const leadership = createLocalLeadership()
await createEventPublisher({ log, kafka, settings, identity: 'child', leadership, keepShort, clock: systemClock, logger }).start()
