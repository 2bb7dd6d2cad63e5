import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { firstBytes, lastBytes, watched } from '../../../../src/workers/clusters/ssh/captured-output.ts'

test('the first and the last bytes are kept, and everything is handed on', async () => {
  const first = firstBytes(4)
  const last = lastBytes(4)
  let handedOn = ''
  const pipe = watched(
    async (source) => {
      handedOn += await text(source)
    },
    (chunk) => {
      first.add(chunk)
      last.add(chunk)
    },
  )
  await pipe(Readable.from([Buffer.from('abc'), Buffer.from('defghi')]), 'stdout')
  await pipe(Readable.from([Buffer.from('x')]), 'stderr')
  expect({ first: first.text(), last: last.text(), handedOn }).toEqual({ first: 'abcd', last: 'ghix', handedOn: 'abcdefghix' })
})

test('no character is cut in two at the beginning', () => {
  const last = lastBytes(4)
  last.add(Buffer.from('über'))
  expect(last.text()).toBe('ber')
})
