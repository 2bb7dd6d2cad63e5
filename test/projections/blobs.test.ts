import { expect, test } from 'vitest'
import { blobIdOf, blobStream } from '../../src/events/blob.ts'
import { newId, sha256 } from '../../src/lib/ids.ts'
import { blobQueries, blobs } from '../../src/projections/blobs.ts'
import { operations } from '../../src/projections/operations/operations.ts'
import type { NewEvent } from '../../src/stores/event-log.ts'
import { append, event, openLog, openViews, requested, started, succeeded } from './harness.ts'

const setUp = async () => {
  const log = await openLog()
  const projections = await openViews(log, [blobs, operations])
  const queries = blobQueries(projections.views('blobs'))
  const change = async (id: string, type: string, data = {}) => {
    const { position } = await log.append(blobStream(id), 'any', [event(type, data)])
    expect(await projections.reached(position)).toBe(true)
  }
  return {
    queries,
    store: async (content: string, file = 'file') => {
      const id = blobIdOf(sha256(content))
      await change(id, 'BlobStored', { size: content.length, contentType: 'text/plain', file })
      return id
    },
    remove: (id: string) => change(id, 'BlobDeleted'),
    tell: async (operation: string, ...events: NewEvent[]) => {
      expect(await projections.reached(await append(log, operation, ...events))).toBe(true)
    },
  }
}

const ids = (items: readonly { readonly id: string }[]): readonly string[] => items.map(({ id }) => id)

test('a blob is there from its storing to its deletion, with the data of the last storing', async () => {
  const { queries, store, remove } = await setUp()
  const id = await store('content', 'one')
  expect(queries.byId(id)).toEqual({
    id,
    size: 7,
    contentType: 'text/plain',
    createdAt: expect.stringMatching(/Z$/),
    file: 'one',
    revision: 0,
  })
  await remove(id)
  expect(queries.byId(id)).toBeUndefined()
  await store('content', 'two')
  expect(queries.byId(id)).toMatchObject({ file: 'two', revision: 2 })
})

test('the newest stands first, and pages go on where the one before ended', async () => {
  const { queries, store } = await setUp()
  const stored: string[] = []
  for (const content of ['a', 'b', 'c']) stored.unshift(await store(content))
  const first = queries.list({ limit: 2 })
  await store('d')
  const second = queries.list({ limit: 2, after: first.next ?? undefined })
  expect([...ids(first.items), ...ids(second.items)]).toEqual(stored)
  expect(second.next).toBeNull()
})

test.each(['OperationSucceeded', 'OperationFailed', 'OperationCancelled', 'OperationTimedOut'])(
  'a blob is in use until every operation that has it among its files has ended: %s',
  async (type) => {
    const { queries, store, tell } = await setUp()
    const [used, other] = [await store('used'), await store('other')]
    const [one, two] = [newId(), newId()]
    await tell(one, requested({ files: [used] }), started())
    await tell(two, requested({ files: [used] }))
    await store('used', 'mended')
    expect(queries.userOf(used)).toBe(one)
    expect(queries.userOf(other)).toBeUndefined()
    expect(ids(queries.list({ limit: 9, unused: true }).items)).toEqual([other])
    expect(ids(queries.list({ limit: 9, unused: false }).items)).toEqual([used])
    await tell(one, succeeded())
    expect(queries.userOf(used)).toBe(two)
    await tell(two, event(type, { attempt: 1, reason: null, result: null, error: {}, timeoutMs: 1 }))
    expect(queries.userOf(used)).toBeUndefined()
    expect(ids(queries.list({ limit: 9, unused: true }).items)).toEqual([used, other])
  },
)
