import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory } from '../e2e/harness.ts'

/** A Docker that answers, and knows the given images alone. Nothing can be pulled and no container made. */
const fakeDocker = async (images: RegExp): Promise<string> => {
  const path = join(temporaryDirectory(), 'docker.sock')
  const server = createServer((request, response) => {
    const url = (request.url ?? '').replace(/^\/v[\d.]+/, '')
    const json = (status: number, body: object) =>
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
    request.resume()
    if (url === '/_ping') response.end('OK')
    else if (url === '/info')
      json(200, { OperatingSystem: 'fake', ServerVersion: '29', Architecture: 'x86_64', NCPU: 2, MemTotal: 1e9, Labels: [] })
    else if (url === '/version') json(200, { Version: '29', ApiVersion: '1.44' })
    else if (url === '/networks/bridge') json(200, { IPAM: { Config: [{ Gateway: '127.0.0.1' }] } })
    else if (url.startsWith('/containers/json')) json(200, [])
    else if (url.startsWith('/images/') && images.test(decodeURIComponent(url))) json(200, { Id: 'sha256:0', RepoTags: [] })
    else json(404, { message: 'no such host: the registry is out of reach' })
  }).listen(path)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return path
}

/** The setup of a run by itself: says what it provides. */
const program = `
import { setup } from './test/engines/setup.ts'
await setup({ provide: (name, value) => console.log(name, JSON.stringify(value)) })
`

test.each([
  ['no images', /^$/],
  ['the engines’ images and no others', /eventstore|kafka/],
])('where Docker has %s the tests of the engines are skipped, one line each', async (_, images) => {
  const { EVENTSTOREDB_URL: _1, KAFKA_BROKERS: _2, TEST_EVENTSTOREDB_COMMAND: _3, TEST_KAFKA_COMMAND: _4, ...env } = process.env
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...env, DOCKER_HOST: `unix://${await fakeDocker(images)}`, HOME: temporaryDirectory() },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const [code] = await once(child, 'close')
  expect(output).toMatch(/^skipped: the tests of EventStoreDB \(.+no such host.+\)$/m)
  expect(output).toMatch(/^skipped: the tests of Kafka \(.+no such host.+\)$/m)
  expect(output).toContain('eventStoreDbUrl null\nkafkaBrokers null\ncontainers {"eventstoredb":false,"kafka":false}')
  expect(output).not.toContain('    at ')
  expect(code).toBe(0)
})
