import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { onAddresses, openSshHost } from '../../engines/ssh-host.ts'
import { makeKeyPair } from '../../engines/sshd.ts'
import { type Answer, startApp } from '../app.ts'

const count = 200
const concurrency = 16

const answers: Readonly<Record<string, string>> = {
  'cat /etc/os-release': 'ID=debian\n',
  'nproc --all': '2\n',
  'cat /proc/meminfo': 'MemTotal: 2048 kB\n',
  'df -kP': '/dev/sda1 1000 1 999 1% /\n',
}

test('200 hosts at once are investigated some at a time, and nothing is left open', async () => {
  let most = 0
  const host = await openSshHost({
    onCommand: (command, channel) => {
      most = Math.max(most, host.sockets.size)
      const answer = answers[command]
      if (answer !== undefined) channel.write(answer)
      channel.exit(answer === undefined ? 1 : 0)
      channel.end()
    },
  })
  const addresses = await onAddresses(host, count)
  const it = await startApp({ CLUSTERS_CONCURRENCY: String(concurrency) })
  const descriptors = () => readdirSync('/proc/self/fd').length
  const before = descriptors()
  const { base64 } = makeKeyPair()
  const put: Answer[] = []
  // One after the other: connections of the client count as well.
  for (const address of addresses)
    put.push(await it.ask(`PUT /api/v0/host/${address}`, { body: { ssh_priv_key: base64, ssh_port: host.port } }))
  expect(new Set(put.map(({ status }) => status))).toEqual(new Set([201]))
  for (const { headers } of put) {
    const { json } = await it.ask(`GET /v1/operations/${headers.get('operation-id')}?wait=60`)
    // A system that is not supported: its investigation ends after the facts.
    expect(json.error).toMatchObject({ type: 'os-unsupported' })
  }
  await host.idle()
  expect(most).toBeGreaterThan(concurrency / 2)
  // Connections of those that have just ended are on their way out.
  expect(most).toBeLessThanOrEqual(2 * concurrency)
  expect(host.commands).toHaveLength(count * 5)
  // Those of the client and of files stay; one for each host would be more.
  expect(descriptors() - before).toBeLessThan(count / 4)
  await it.stop()
})
