import fc from 'fast-check'
import { expect, test } from 'vitest'
import { newId } from '../../../../src/lib/ids.ts'
import { decodeBatch, encodeBatch } from '../../../../src/stores/embedded/writer/batch-text.ts'
import type { WriteRequest } from '../../../../src/stores/embedded/writer/write-requests.ts'
import { encodeAppend } from '../../../../src/stores/encode-append.ts'

const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((text) => !/^\$|\0/.test(text))
const object = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue())
const expected = fc.oneof(fc.nat(), fc.constantFrom('noStream', 'streamExists', 'any'))
const event = fc
  .record({ type: name, data: object, metadata: object })
  .map((members) => ({ ...members, id: newId(), metadata: members.metadata as never, data: members.data as never }))
const append = fc
  .tuple(name, expected, fc.array(event, { minLength: 1, maxLength: 4 }), fc.option(fc.nat(), { nil: undefined }))
  .map(([stream, revision, events, recordedAt]): WriteRequest => {
    const request = encodeAppend(stream, revision as number, events)
    const texts = request.events.map(({ values: _, ...text }) => text)
    return { ...request, events: texts, size: 0, ...(recordedAt === undefined ? {} : { recordedAt }) }
  })
const forget = name.map((stream): WriteRequest => ({ kind: 'forget', stream, size: 0 }))

test('a batch comes out of its text as it went in', () =>
  fc.assert(
    fc.property(fc.nat(), fc.array(fc.oneof(append, forget)), (recordedAt, requests) => {
      expect(decodeBatch(encodeBatch({ recordedAt, requests }))).toEqual({ recordedAt, requests })
    }),
  ))
