import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { startApp, type TestApp } from '../http/app.ts'
import { work } from '../workers/engine.ts'
import { examplesOf, expressionOf, printed } from './examples.ts'

const copier = work(
  'test.copy',
  async (_input, { output }) => {
    await output('copied 1 file\n')
    await output('b.txt is not there\n', 'stderr')
    await output('copied 2 files: ü\n')
    return null
  },
  { input: z.unknown() },
)

let app: TestApp
let id: string
beforeAll(async () => {
  app = await startApp({}, { works: [copier] })
  const ended = { body: { kind: 'test.copy', input: {} }, headers: { Prefer: 'wait=30' } }
  id = (await app.ask('POST /v1/operations', ended)).json.id
})
afterAll(() => app.stop())

test.each(examplesOf('docs/output.md'))('$command', async ({ command, shown }) => {
  const answer = await printed(command, { S: app.url, ID: id })
  expect(answer.replaceAll('\r', '')).toMatch(expressionOf(shown))
})
