import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApp, type TestApp } from '../http/app.ts'
import { examplesOf, expressionOf, printed } from './examples.ts'

let app: TestApp
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())

test.each(examplesOf('docs/limits.md'))('$command', async ({ command, shown }) => {
  const answer = await printed(command, { S: app.url, J: 'Content-Type: application/json' })
  expect(answer).toMatch(expressionOf(shown))
  if (!command.includes('"sleepMs"')) return
  const { id } = JSON.parse(answer)
  while ((await app.ask(`GET /v1/operations/${id}`)).json.state !== 'running');
})
