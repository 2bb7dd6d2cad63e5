import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { canOwnEventStoreDb, ownEventStoreDb } from '../engines/own.ts'
import { kafkaBrokers } from '../engines/running.ts'
import { makeKeyPair, noSshd, openSshd, remoteUser } from '../engines/sshd.ts'
import { type ClusterNode, openCluster } from './cluster.ts'
import { temporaryDirectory, untilEnded } from './harness.ts'

const systems = { fedora: { installFlannel: null, installDocker: null, services: [] } }
const patience = { timeout: 60_000, interval: 100 }

describe.skipIf(!canOwnEventStoreDb || kafkaBrokers === undefined || noSshd !== undefined)('clusters on many nodes', () => {
  test('a change that two servers are asked for at once runs once, and both show it; so does a host join once', {
    timeout: 240_000,
  }, async () => {
    const key = makeKeyPair()
    const machine = await openSshd({ key })
    onTestFinished(() => machine.close())
    const file = join(temporaryDirectory(), 'systems.json')
    writeFileSync(file, JSON.stringify(systems))
    const eventStoreDb = await ownEventStoreDb()
    onTestFinished(() => eventStoreDb.stop())
    const cluster = openCluster({
      eventStoreDbUrl: eventStoreDb.url,
      kafkaBrokers: kafkaBrokers ?? '',
      env: { CLUSTERS_WATCH: 'false', CLUSTERS_OS_FILE: file },
    })
    const servers = [cluster.server('server-1'), cluster.server('server-2')] as const
    await Promise.all([...servers, cluster.worker('worker-1'), cluster.worker('worker-2')].map((node) => node.start()))
    const ask = async (node: ClusterNode, method: string, path: string, body: object = {}) => {
      const init = method === 'GET' ? {} : { method, body: JSON.stringify(body) }
      const answer = await fetch(`${node.url()}/api/v0${path}`, init)
      const text = await answer.text()
      return {
        status: answer.status,
        operation: answer.headers.get('operation-id') ?? '',
        json: answer.ok ? JSON.parse(text) : text,
      }
    }
    const atBoth = <Result>(what: (node: ClusterNode) => Promise<Result>): Promise<readonly Result[]> =>
      Promise.all(Array.from({ length: 20 }, (_, n) => what(servers[n % 2] ?? servers[0])))
    const shown = (path: string, part: object) =>
      Promise.all(
        servers.map((node) =>
          expect.poll(async () => (await ask(node, 'GET', path)).json, patience).toEqual(expect.objectContaining(part)),
        ),
      )

    await Promise.all([ask(servers[0], 'PUT', '/cluster/web'), ask(servers[1], 'PUT', '/cluster/web')])
    await shown('/cluster/web', { name: 'web' })

    const host = { ssh_priv_key: key.base64, remote_user: remoteUser, ssh_port: machine.port, cluster: 'web' }
    const registered = await atBoth((node) => ask(node, 'PUT', `/host/${machine.address}`, host))
    expect(registered.map(({ status }) => status)).toEqual(Array(20).fill(201))
    const [investigation, ...others] = new Set(registered.map(({ operation }) => operation))
    expect(others).toEqual([])
    expect(await untilEnded(servers[1].url(), investigation ?? '')).toMatchObject({ state: 'succeeded' })
    await shown(`/host/${machine.address}`, { status: 'disassociated' })

    const asked = await atBoth((node) => ask(node, 'PUT', '/cluster/web/upgrade'))
    expect(asked.map(({ status }) => status)).toEqual(Array(20).fill(201))
    // One that comes after the end of another asks for the next one.
    for (const id of new Set(asked.map(({ operation }) => operation)))
      expect(await untilEnded(servers[0].url(), id)).toMatchObject({ state: 'succeeded', lane: 'cluster:web', attempt: 1 })
    await shown('/cluster/web/upgrade', { status: 'finished', upgraded: [expect.objectContaining({ address: machine.address })] })
    const upgrades = machine.calls().filter((call) => call === 'dnf update -y')
    expect(upgrades).toHaveLength(new Set(asked.map(({ operation }) => operation)).size)

    expect(await ask(servers[1], 'DELETE', `/host/${machine.address}`)).toMatchObject({ status: 200, json: [] })
    await Promise.all(
      servers.map((node) =>
        expect.poll(async () => (await ask(node, 'GET', `/host/${machine.address}`)).status, patience).toBe(404),
      ),
    )
  })
})
