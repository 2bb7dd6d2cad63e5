import { pino } from 'pino'
import { systemClock } from '../../../src/lib/clock.ts'
import { createProcesses } from '../../../src/workers/processes/system-processes.ts'

// Runs one program until it is killed, and passes on what that prints.
const [directory = '', script = ''] = process.argv.slice(2)
const print = async (stream: AsyncIterable<Buffer>): Promise<void> => {
  for await (const chunk of stream) process.stdout.write(chunk)
}
await createProcesses({ directory, clock: systemClock, logger: pino({ level: 'silent' }) }).run({
  name: 'orphan',
  argv: ['sh', '-c', script],
  base: '/',
  signal: new AbortController().signal,
  stdout: print,
  stderr: print,
})
