import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApp, type TestApp } from '../http/app.ts'
import { examplesOf, expressionOf, printed } from './examples.ts'

let app: TestApp
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())

test.each(examplesOf('docs/schedules.md'))('$command', async ({ command, shown }) => {
  const answer = await printed(command, { S: app.url, INTENDANT_URL: app.url })
  expect(answer.replaceAll('\r', '')).toMatch(expressionOf(shown))
})
