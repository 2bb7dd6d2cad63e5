import { expect, test } from 'vitest'
import { dataDirectory } from '../../src/data-directory.ts'
import { newId } from '../../src/lib/ids.ts'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'
import { runCommand, startServer, temporaryDirectory } from '../e2e/harness.ts'
import { actor, standingClock } from '../projections/harness.ts'

const start = Date.parse('2026-11-21T05:27:00.000Z')
const seconds = (after: number): string => new Date(start + after * 1000).toISOString()

/** A lane whose clock steps back: what was recorded at second 2 stands behind what was recorded at second 5 elsewhere. */
const written = async () => {
  const dataDir = temporaryDirectory()
  const clock = standingClock(start)
  const log = await openEmbeddedLog({ path: dataDirectory(dataDir).log, clock })
  const ids: string[] = []
  const put = async (stream: string, at: number) => {
    clock.set(start + at * 1000)
    const id = newId()
    ids.push(id)
    const data = { operation: String(ids.length) }
    await log.append(stream, 'any', [{ id, type: 'LaneAcquired', data, metadata: { correlationId: 'c', actor, schema: 1 } }])
  }
  await put('lane-x', 0)
  await put('lane-x', 1)
  await put('lane-y', 5)
  await put('lane-x', 2)
  await put('lane-x', 6)
  await log.close()
  return { dataDir, ids }
}

const expected = [
  [seconds(-1), 3, undefined],
  [seconds(0), 0, 0],
  [seconds(1), 0, 1],
  // The event of second 2 stands behind one of second 5.
  [seconds(2), 0, 1],
  [seconds(4.999), 0, 1],
  [seconds(5), 0, 2],
  [seconds(6), 0, 3],
] as const

const replay = async (words: readonly string[], asOf: string) => {
  const { code, stdout } = await runCommand(['audit', 'replay', '--stream', 'lane-x', '--as-of', asOf, '--json', ...words])
  return [code, code === 0 ? JSON.parse(stdout).revision : undefined]
}

test('a time is before the first event that was recorded later, with a server and without one', async () => {
  const { dataDir, ids } = await written()
  const check = async (words: readonly string[]) => {
    for (const [asOf, ...outcome] of expected) expect(await replay(words, asOf), asOf).toEqual(outcome)
    expect(await replay(words, String(ids[2]))).toEqual([0, 1])
    expect(await replay(words, String(ids[3]?.toUpperCase()))).toEqual([0, 2])
    expect(await replay(words, newId())).toEqual([3, undefined])
    expect(await replay(words, '2999-01-01T00:00:00Z')).toEqual([1, undefined])
  }
  await check(['--data-dir', dataDir])
  const { url } = await startServer({ dataDir })
  await check(['--url', url])
})
