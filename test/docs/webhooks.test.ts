import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApp, type TestApp } from '../http/app.ts'
import { examplesOf, expressionOf, printed } from './examples.ts'

let app: TestApp
let receiver: Server
beforeAll(async () => {
  receiver = createServer((_request, response) => response.writeHead(204).end())
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  app = await startApp()
})
afterAll(async () => {
  await app.stop()
  receiver.closeAllConnections()
  receiver.close()
})

test.each(examplesOf('docs/webhooks.md'))('$command', async ({ command, shown }) => {
  const R = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`
  const answer = await printed(command, { S: app.url, R })
  expect(answer.replaceAll('\r', '')).toMatch(expressionOf(shown))
})
