import { afterEach, expect, test } from 'vitest'
import { makeKeyPair, noSshd, openSshd, remoteUser, type SshdHost } from '../engines/sshd.ts'
import { startServer, temporaryDirectory, untilEnded } from './harness.ts'

if (noSshd !== undefined) console.warn(`skipped: ${noSshd}`)

const patience = { timeout: 60_000, interval: 50 }
const key = makeKeyPair()
const opened: SshdHost[] = []
afterEach(() => {
  for (const host of opened.splice(0)) host.close()
})

test.skipIf(noSshd !== undefined)(
  'an investigation of a killed server goes on behind its last step',
  { timeout: 180_000 },
  async () => {
    const host = await openSshd({ key })
    opened.push(host)
    host.program('dnf', 'case "$*" in *docker) exec sleep 100 ;; esac')
    const dataDir = temporaryDirectory()
    const env = { LEASE_MS: '2000' }
    const first = await startServer({ dataDir, env })
    const put = await fetch(`${first.url}/api/v0/host/${host.address}`, {
      method: 'PUT',
      body: JSON.stringify({ ssh_priv_key: key.base64, remote_user: remoteUser, ssh_port: host.port }),
    })
    expect(put.status).toBe(201)
    await expect.poll(() => host.calls(), patience).toContain('dnf install -y docker')
    first.kill('SIGKILL')
    await first.ended

    host.program('dnf', 'exit 0')
    const second = await startServer({ dataDir, env })
    const id = put.headers.get('operation-id') ?? expect.unreachable()
    expect(await untilEnded(second.url, id)).toMatchObject({ state: 'succeeded', attempt: 2 })
    const calls = host.calls()
    expect(calls.filter((call) => call === 'dnf install -y flannel')).toHaveLength(1)
    expect(calls.filter((call) => call === 'dnf install -y docker')).toHaveLength(2)
    expect(calls.filter((call) => call === 'nproc --all')).toHaveLength(1)
    const shown = await fetch(`${second.url}/api/v0/host/${host.address}`)
    expect(await shown.json()).toMatchObject({ status: 'disassociated', os: 'fedora' })
  },
)
