import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApp, type TestApp } from '../http/app.ts'
import { examplesOf, expressionOf, printed } from './examples.ts'

const document = 'docs/robot.md'
const work = mkdtempSync(join(tmpdir(), 'intendant-robot-docs-'))

/** The function that the document has its readers define. */
const [guid = ''] = /^guid\(\).*$/m.exec(readFileSync(fileURLToPath(new URL(`../../${document}`, import.meta.url)), 'utf8')) ?? []

let app: TestApp
let repositories: ChildProcess
let port = ''
beforeAll(async () => {
  mkdirSync(join(work, 'git/acme'), { recursive: true })
  const served = ['-u', '-m', 'http.server', '0', '--bind', '127.0.0.1', '--directory', join(work, 'git')]
  repositories = spawn('python3', served, { stdio: ['ignore', 'pipe', 'ignore'] })
  const [line] = await once(repositories.stdout as NodeJS.ReadableStream, 'data')
  port = /port (\d+)/.exec(String(line))?.[1] ?? expect.unreachable()
  app = await startApp({ PATH: process.env.PATH ?? '' })
})
afterAll(async () => {
  await app.stop()
  repositories.kill()
  rmSync(work, { recursive: true, force: true })
})

let task = ''

test.each(examplesOf(document))('$command', { timeout: 60_000 }, async ({ command, shown }) => {
  const variables = { S: app.url, INTENDANT_URL: app.url, G: `http://127.0.0.1:${port}`, W: work, TASK: task }
  const run = async (): Promise<string> => (await printed(`${guid}\n${command}`, variables)).replaceAll('\r', '')
  // What happens meanwhile is seen a moment later.
  const isRead = command.startsWith('curl -s ') && !command.includes(' -d ')
  if (isRead) await expect.poll(run, { timeout: 30_000, interval: 200 }).toMatch(expressionOf(shown))
  else {
    const answer = await run()
    expect(answer).toMatch(expressionOf(shown))
    task = /"service_guid":"[^"]*","guid":"([^"]*)"/.exec(answer)?.[1] ?? task
  }
})
