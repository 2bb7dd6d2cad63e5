import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePortPair } from '../engines/ports.ts'
import { startGitServer, template } from '../workers/robot/git-server.ts'
import { startServer, temporaryDirectory } from './harness.ts'

test('a blueprint goes on after a kill of the server: every service and every task is there once', async () => {
  const git = await startGitServer()
  onTestFinished(() => git.stop())
  const gates = temporaryDirectory()
  const [came, open] = [join(gates, 'came'), join(gates, 'open')]
  const repository = git.repository('gated')
  repository.commit(
    template(
      'vm',
      { actions: { boot: {} }, hooks: { validate: { run: ['./validate'] } } },
      {
        validate: `#!/bin/sh\necho x >> ${came}\nwhile [ ! -e ${open} ]; do sleep 0.05; done\n`,
        'actions/boot': '#!/bin/sh\necho "$INTENDANT_TASK_GUID" >> booted\n',
      },
    ),
  )
  const dataDir = temporaryDirectory()
  const env = { PORT: String(await freePortPair()), LEASE_MS: '1000' }
  const first = await startServer({ dataDir, env })
  const post = (path: string, body: unknown) => fetch(`${first.url}${path}`, { method: 'POST', body: JSON.stringify(body) })
  expect((await post('/templates', { url: repository.url })).status).toBe(201)

  const names = Array.from({ length: 5 }, (_, n) => `vm${n}`)
  const content = { services: names.map((name) => ({ [`vm__${name}`]: null })), actions: { actions: ['boot', 'boot', 'boot'] } }
  const asked = post('/blueprints', { content }).catch(() => undefined)
  await expect.poll(() => existsSync(came), { timeout: 60_000, interval: 20 }).toBe(true)
  first.kill('SIGKILL')
  await first.ended
  await asked

  const second = await startServer({ dataDir, env })
  const services = async (): Promise<readonly { readonly guid: string; readonly name: string }[]> =>
    (await fetch(`${second.url}/services`)).json() as never
  // Nothing is there before everything is checked.
  expect(await services()).toEqual([])
  writeFileSync(open, '')
  await expect.poll(async () => (await services()).map(({ name }) => name), { timeout: 60_000, interval: 100 }).toEqual(names)
  for (const { guid } of await services()) {
    const tasks = async (): Promise<readonly { readonly guid: string; readonly state: string }[]> =>
      (await fetch(`${second.url}/services/${guid}/task_list?all=true`)).json() as never
    await expect
      .poll(async () => (await tasks()).map(({ state }) => state), { timeout: 60_000, interval: 100 })
      .toEqual(['ok', 'ok', 'ok'])
    const booted = readFileSync(join(dataDir, 'robot/services', guid, 'booted'), 'utf8')
    expect(booted.trim().split('\n')).toEqual((await tasks()).map((one) => one.guid))
  }
})
