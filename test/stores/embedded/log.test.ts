import { join } from 'node:path'
import { systemClock } from '../../../src/lib/clock.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import { eventLogContract } from '../../contracts/event-log.ts'
import { temporaryDirectory } from '../temporary.ts'

eventLogContract('a log in memory', () => openEmbeddedLog({ path: ':memory:', clock: systemClock }))
eventLogContract('a log in a file', () => openEmbeddedLog({ path: join(temporaryDirectory(), 'log.db'), clock: systemClock }))
// So small a tail drives every follower back to the disk again and again.
eventLogContract('a log with a short tail', () =>
  openEmbeddedLog({ path: join(temporaryDirectory(), 'log.db'), clock: systemClock, tailEvents: 3 }),
)
