import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readOperatingSystems } from '../../src/workers/clusters/operating-systems.ts'
import { noSshd, openSshd, remoteUser, type SshdHost } from '../engines/sshd.ts'
import { startApp, type TestApp } from '../http/app.ts'
import { examplesOf, expressionOf, printed } from './examples.ts'

if (noSshd !== undefined) console.warn(`skipped: ${noSshd}`)

const folder = mkdtempSync(join(tmpdir(), 'intendant-clusters-'))
const keyFile = join(folder, 'key')
let app: TestApp
let host: SshdHost
let id = ''
beforeAll(async () => {
  app = await startApp()
  if (noSshd !== undefined) return
  host = await openSshd()
  writeFileSync(keyFile, host.key.private, { mode: 0o600 })
})
afterAll(async () => {
  await app.stop()
  host?.close()
  rmSync(folder, { recursive: true })
})

test.skipIf(noSshd !== undefined).each(examplesOf('docs/clusters.md'))(
  '$command',
  { timeout: 120_000 },
  async ({ command, shown }) => {
    const variables = { S: app.url, H: host.address, P: String(host.port), U: remoteUser, K: keyFile, ID: id }
    const answer = (await printed(command, variables)).replaceAll('\r', '')
    id = /^operation-id: (.*)$/im.exec(answer)?.[1] ?? id
    expect(answer).toMatch(expressionOf(shown))
  },
)

test('the commands of operating systems are taken as they are shown', async () => {
  const text = readFileSync(fileURLToPath(new URL('../../docs/clusters.md', import.meta.url)), 'utf8')
  const file = join(folder, 'systems.json')
  writeFileSync(file, /^```json\n([\s\S]*?)^```/m.exec(text)?.[1] ?? '')
  const systems = await readOperatingSystems(file)
  expect(systems.of('fedora')).toMatchObject({
    installFlannel: null,
    installDocker: 'dnf install -y moby-engine',
    upgrade: 'dnf update -y',
  })
  expect(systems.of('rocky')).toMatchObject({ installDocker: 'yum install -y docker', upgrade: 'dnf update -y' })
})
