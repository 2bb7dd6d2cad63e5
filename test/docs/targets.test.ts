import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApp, type TestApp } from '../http/app.ts'
import { examplesOf, expressionOf, printed } from './examples.ts'

const file = 'docs/targets.md'
const text = readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8')
const [, manifest = ''] = /^```json\n([\s\S]*?)^```/m.exec(text) ?? []

const kinds = mkdtempSync(join(tmpdir(), 'intendant-kinds-'))
let app: TestApp
let id = ''
beforeAll(async () => {
  writeFileSync(join(kinds, 'update.json'), manifest)
  app = await startApp({ KINDS_DIR: kinds })
})
afterAll(async () => {
  await app.stop()
  rmSync(kinds, { recursive: true })
})

test.each(examplesOf(file))('$command', async ({ command, shown }) => {
  const answer = await printed(command, { S: app.url, J: 'Content-Type: application/json', ID: id })
  expect(answer.replaceAll('\r', '')).toMatch(expressionOf(shown))
  if (id === '') id = JSON.parse(answer).id
})
