import { expect, test } from 'vitest'
import { useApp } from '../http/app.ts'
import { examplesOf, expressionOf, printed } from './examples.ts'

const app = useApp()

test.each(examplesOf('docs/blobs.md'))('$command', async ({ command, shown }) => {
  const { url } = app.it
  const B = '/v1/blobs/sha256-5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03'
  const answer = await printed(command, { S: url, B, INTENDANT_URL: url })
  expect(answer.replaceAll('\r', '')).toMatch(expressionOf(shown))
})
