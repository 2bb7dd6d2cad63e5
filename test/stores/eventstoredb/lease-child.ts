import { pino } from 'pino'
import { systemClock as clock } from '../../../src/lib/clock.ts'
import { createWorkerLease } from '../../../src/workers/engine/worker-lease.ts'
import { openLeaseStore } from './lease-store.ts'

// A worker that does nothing but live: says its name, and again when it had to take another.
const [url = '', stream = '', leaseMs = ''] = process.argv.slice(2)
const leases = (await openLeaseStore(url)).leases(stream)
await leases.start()
const lease = createWorkerLease({
  name: 'child',
  host: 'here',
  kinds: () => ['probe'],
  leases,
  clock,
  leaseMs: Number(leaseMs),
  logger: pino({ level: 'silent' }),
  onLapse: () => process.stdout.write(`${lease.worker()}\n`),
})
await lease.start()
process.stdout.write(`${lease.worker()}\n`)
// Nothing else keeps it while the server is away.
process.stdin.resume()
process.once('SIGTERM', async () => {
  await lease.stop()
  process.exit(0)
})
