import { expect, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { noSshd, openSshd, remoteUser } from '../../engines/sshd.ts'
import { startClusters } from './clusters-app.ts'

if (noSshd !== undefined) console.warn(`skipped: ${noSshd}`)

const timeout = 120_000
const patience = { timeout, interval: 100 }

test.skipIf(noSshd !== undefined)(
  'a host is checked when its last check is a minute old; it fails where it is not reached, and comes back',
  { timeout },
  async () => {
    const host = await openSshd()
    let ahead = 0
    const clock = { ...systemClock, now: () => systemClock.now() + ahead }
    const it = await startClusters({ CLUSTERS_ACCEPT_CHANGED_HOST_KEYS: 'true' }, { clock })
    try {
      const body = { ssh_priv_key: host.key.base64, ssh_port: host.port, remote_user: remoteUser }
      expect(await it.host(host.address, 'succeed', body)).toMatchObject({ status: 'disassociated' })
      const known = async () => (await it.ask(`GET /api/v0/host/${host.address}`)).json
      const checks = async () => (await it.ask('GET /v1/operations?kind=clusters.check&order=asc')).json.items
      const before = await known()
      expect(await checks()).toEqual([])

      host.stop()
      ahead = 120_000
      await expect.poll(known, patience).toMatchObject({ status: 'failed', last_check: before.last_check })
      const [check, ...others] = await checks()
      expect(others).toEqual([])
      expect(check).toMatchObject({ face: 'clusters', schedule: 'watcher', state: 'succeeded' })
      expect(check.result.hosts).toEqual([{ address: host.address, reached: false, at: expect.any(String) }])

      await host.start()
      ahead = 240_000
      await expect.poll(async () => (await known()).status, patience).toBe('disassociated')
      expect((await known()).last_check > before.last_check).toBe(true)
      // Nobody asks through the native API what the face keeps for itself.
      expect((await it.ask('GET /v1/schedules')).json.items).toEqual([])
    } finally {
      await it.stop()
      host.close()
    }
  },
)
