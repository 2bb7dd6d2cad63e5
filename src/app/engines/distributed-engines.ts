import { hostname } from 'node:os'
import { join } from 'node:path'
import { createInProcessBus } from '../../bus/in-process.ts'
import type { JobBus } from '../../bus/job-bus.ts'
import { createKafka } from '../../bus/kafka/client.ts'
import { createEventPublisher } from '../../bus/kafka/event-publisher.ts'
import { createKafkaBus } from '../../bus/kafka/jobs/kafka-job-bus.ts'
import type { KafkaSettings } from '../../bus/kafka/settings.ts'
import { dataDirectory } from '../../data-directory.ts'
import { createEventStoreDbLeadership } from '../../stores/eventstoredb/nodes/leadership.ts'
import { keepShort } from '../../stores/eventstoredb/nodes/lease-stream.ts'
import { createEventStoreDbLeases } from '../../stores/eventstoredb/nodes/leases.ts'
import { openEventStoreDb } from '../../stores/eventstoredb/open-connection.ts'
import type { EventStoreDbSettings } from '../../stores/eventstoredb/settings.ts'
import { closeAll, type Part } from '../lifecycle.ts'
import type { Engines, EnginesOptions } from './engines.ts'

/** Of the log's identity: enough to tell any two logs apart. */
const identityLength = 12

/** EventStoreDB as the log, and Kafka as the bus where it is named: what many nodes share. Waits for a log that is still starting. */
export const openDistributedEngines = async ({
  config,
  eventStoreDb,
  clock,
  logger,
}: EnginesOptions & { readonly eventStoreDb: EventStoreDbSettings }): Promise<Engines> => {
  /** The last one that was opened is closed first. */
  const parts: Part[] = []
  try {
    const connection = await openEventStoreDb({ ...eventStoreDb, clock, logger })
    parts.unshift({ name: 'EventStoreDB', close: connection.close })
    const { log } = connection
    const leases = createEventStoreDbLeases({ connection, log, clock, logger })
    parts.unshift({ name: 'leases', close: leases.close })
    const leadership = createEventStoreDbLeadership({ connection, log, host: hostname(), clock, logger })
    const { bus, isConnected, start } = openBus(config.kafka)
    await leases.start()
    const { directory } = dataDirectory(config.dataDir)
    const engines = {
      log,
      bus,
      leases,
      leadership,
      keepShort: (stream: string) => keepShort({ connection, stream, logger }),
    }
    return {
      ...engines,
      viewsDirectory: join(directory, `views-${connection.identity.slice(0, identityLength)}`),
      isShared: true,
      checks: isConnected === undefined ? {} : { kafka: isConnected },
      publishers: config.kafka?.publishEvents === true ? [publisher(config.kafka, engines, connection.identity)] : [],
      start,
      parts,
    }
  } catch (error) {
    await closeAll({ parts, clock, logger })
    throw error
  }

  function openBus(settings: KafkaSettings | undefined): {
    readonly bus: JobBus
    readonly isConnected?: () => Promise<void>
    readonly start: () => Promise<void>
  } {
    if (settings === undefined) return { bus: createInProcessBus(), start: async () => undefined }
    const bus = createKafkaBus({ settings, clock, logger })
    parts.unshift({ name: 'Kafka', close: bus.close })
    return {
      bus,
      start: bus.start,
      isConnected: async () => {
        if (!bus.connected()) throw new Error(`no broker answers at ${settings.brokers.join(',')}`)
      },
    }
  }

  function publisher(settings: KafkaSettings, engines: Pick<Engines, 'log' | 'leadership' | 'keepShort'>, identity: string) {
    const { log, leadership, keepShort } = engines
    const kafka = createKafka({ settings, logger })
    return createEventPublisher({ log, kafka, settings, identity, leadership, keepShort, clock, logger })
  }
}
