import { join } from 'node:path'
import { pino } from 'pino'
import { systemClock } from '../../../src/lib/clock.ts'
import { createProcesses } from '../../../src/workers/processes/system-processes.ts'

// Runs one lasting program until it is killed.
const [directory = '', script = ''] = process.argv.slice(2)
await createProcesses({
  directory: join(directory, 'programs'),
  clock: systemClock,
  logger: pino({ level: 'silent' }),
}).runLasting({
  name: 'lasting',
  argv: ['sh', '-c', script],
  base: '/',
  signal: new AbortController().signal,
  stdoutFile: join(directory, 'stdout'),
  stderrFile: join(directory, 'stderr'),
})
