import { test } from 'vitest'
import { blob } from '../../src/commands/blob.ts'
import type { BlobEvent } from '../../src/events/blob.ts'
import { given } from '../given.ts'

const id = `sha256-${'a'.repeat(64)}`
const data = (file: string) => ({ size: 5, contentType: 'text/plain', file })
const stored = (file: string): BlobEvent => ({ type: 'BlobStored', data: data(file) })
const deleted: BlobEvent = { type: 'BlobDeleted', data: {} }
const store = (file: string, more: { mends?: boolean } = {}) => ({ type: 'StoreBlob', id, ...data(file), ...more }) as const
const remove = { type: 'DeleteBlob', id } as const

test('a new content is stored', () =>
  given(blob)
    .when(store('one'))
    .then([stored('one')]))
test('the same content again changes nothing', () =>
  given(blob, [stored('one')])
    .when(store('two'))
    .then([]))
test('a file that is gone is replaced', () =>
  given(blob, [stored('one')])
    .when(store('two', { mends: true }))
    .then([stored('two')]))
test('a stored one is deleted', () =>
  given(blob, [stored('one')])
    .when(remove)
    .then([deleted]))
test('a deleted content is stored anew', () =>
  given(blob, [stored('one'), deleted])
    .when(store('two'))
    .then([stored('two')]))
for (const history of [[], [stored('one'), deleted]])
  test(`what is not there is not deleted, after ${history.length} events`, () =>
    given(blob, history)
      .when(remove)
      .then({ refused: { reason: 'unknown-blob' } }))
