import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApp, type TestApp } from '../http/app.ts'
import { examplesOf, expressionOf, printed } from './examples.ts'

let app: TestApp
let variables: Readonly<Record<string, string>>
beforeAll(async () => {
  app = await startApp()
  const program = fileURLToPath(new URL('../../bin/intendant.js', import.meta.url))
  const command = join(app.dataDir, 'intendant')
  writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`)
  chmodSync(command, 0o755)
  variables = { S: app.url, INTENDANT_URL: app.url, NO_COLOR: '1', PATH: `${app.dataDir}:${process.env.PATH}` }
})
afterAll(() => app.stop())

test.each(examplesOf('docs/schedules.md'))('$command', async ({ command, shown }) => {
  expect((await printed(command, variables)).replaceAll('\r', '')).toMatch(expressionOf(shown))
})
