import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApp, type TestApp } from '../http/app.ts'
import { examplesOf, expressionOf, printed } from './examples.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'intendant-kinds-'))
const kindsDir = join(directory, 'kinds')
const listener = createServer((socket) => socket.end())

let app: TestApp
beforeAll(async () => {
  cpSync(join(root, 'examples/kinds'), kindsDir, { recursive: true })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  app = await startApp({ KINDS_DIR: kindsDir, PATH: process.env.PATH ?? '' })
})
afterAll(async () => {
  await app.stop()
  listener.close()
  rmSync(directory, { recursive: true, force: true })
})

test.each(examplesOf('docs/kinds.md'))('$command', async ({ command, shown }) => {
  const address = listener.address()
  const answer = await printed(command, {
    S: app.url,
    INTENDANT_URL: app.url,
    K: kindsDir,
    PORT: String(typeof address === 'object' ? address?.port : ''),
  })
  expect(answer).toMatch(expressionOf(shown))
})
