import { expect, onTestFinished, test } from 'vitest'
import { freePortPair } from '../engines/ports.ts'
import { startGitServer, template } from '../workers/robot/git-server.ts'
import { startServer, temporaryDirectory } from './harness.ts'

test('a clone goes on after a kill of the server, and what was loaded is known', async () => {
  const git = await startGitServer()
  onTestFinished(() => git.stop())
  const loaded = git.repository('loaded')
  loaded.commit(template('node', {}))
  const repository = git.repository('slow')
  repository.commit(template('vm', {}))
  const dataDir = temporaryDirectory()
  const env = { PORT: String(await freePortPair()), LEASE_MS: '1000' }
  const first = await startServer({ dataDir, env })
  const post = (url: string) =>
    fetch(`${first.url}/templates`, {
      method: 'POST',
      body: JSON.stringify({ url }),
      headers: { 'Content-Type': 'application/json' },
    })
  expect((await post(loaded.url)).status).toBe(201)

  const came = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  git.before = ({ url }) => {
    if (url?.includes('slow') !== true) return
    came.resolve()
    return held.promise
  }
  const asked = post(repository.url).catch(() => undefined)
  await came.promise
  first.kill('SIGKILL')
  await first.ended
  await asked
  held.resolve()

  const second = await startServer({ dataDir, env })
  const templates = async (): Promise<readonly string[]> =>
    ((await (await fetch(`${second.url}/templates`)).json()) as { uid: string }[]).map(({ uid }) => uid)
  expect(await templates()).toContain('127.0.0.1/acme/loaded/node/0.0.1')
  await expect.poll(templates, { timeout: 60_000, interval: 100 }).toContain('127.0.0.1/acme/slow/vm/0.0.1')
})
