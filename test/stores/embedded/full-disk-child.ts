import { createInterface } from 'node:readline'
import { systemClock } from '../../../src/lib/clock.ts'
import { messageOf } from '../../../src/lib/errors.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import { all, event } from '../../contracts/event-log-tools.ts'

// Appends until the disk takes no more, says what it has, and appends again each time a line comes in.
const [, , path = ''] = process.argv
const log = await openEmbeddedLog({ path, clock: systemClock })
let acknowledged = 0
const fill = async (most: number): Promise<string> => {
  try {
    for (let n = 0; n < most; n++) {
      await log.append('thing-1', acknowledged === 0 ? 'noStream' : acknowledged - 1, [
        event('Large', { text: 'x'.repeat(20_000) }),
      ])
      acknowledged += 1
    }
    return 'ok'
  } catch (error) {
    return `${(error as Error).name}: ${messageOf(error)}`
  }
}
const say = async (outcome: string): Promise<void> => {
  const read = (await all(log.readAll())).length
  process.stdout.write(`${JSON.stringify({ outcome, acknowledged, read })}\n`)
}
await say(await fill(10_000))
for await (const _ of createInterface({ input: process.stdin })) await say(await fill(3))
await log.close()
