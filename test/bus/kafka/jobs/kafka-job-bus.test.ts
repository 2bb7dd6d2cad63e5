import { describe } from 'vitest'
import { createKafkaBus } from '../../../../src/bus/kafka/jobs/kafka-job-bus.ts'
import { systemClock } from '../../../../src/lib/clock.ts'
import { jobBusContract } from '../../../contracts/job-bus.ts'
import { kafkaBrokers } from '../../../engines/running.ts'
import { keptLog, settingsFor } from '../harness.ts'

describe.skipIf(kafkaBrokers === undefined)('Kafka', () => {
  jobBusContract('the Kafka bus', async () => {
    const bus = createKafkaBus({ settings: settingsFor(kafkaBrokers ?? ''), logger: keptLog().logger, clock: systemClock })
    await bus.start()
    return bus
  })
})
