import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { makeKeyPair, noSshd, openSshd, remoteUser, type SshdHost } from '../engines/sshd.ts'
import { getJson, type Json, startServer, temporaryDirectory, untilEnded } from './harness.ts'

if (noSshd !== undefined) console.warn(`skipped: ${noSshd}`)

const timeout = 240_000
const patience = { timeout: 120_000, interval: 50 }
/** Hosts have little to be prepared for. */
const systems = { fedora: { installFlannel: null, installDocker: null, services: [] } }
const envOf = (dataDir: string): Readonly<Record<string, string>> => {
  const file = join(dataDir, 'systems.json')
  writeFileSync(file, JSON.stringify(systems))
  return { LEASE_MS: '2000', CLUSTERS_WATCH: 'false', CLUSTERS_OS_FILE: file }
}
const key = makeKeyPair()
const machines: SshdHost[] = []
afterAll(() => {
  for (const machine of machines) machine.close()
})

const put = async (url: string, path: string, body: object = {}): Promise<Response> => {
  const answer = await fetch(`${url}/api/v0${path}`, { method: 'PUT', body: JSON.stringify(body) })
  expect(answer.status, path).toBe(201)
  return answer
}
const operationOf = (answer: Response): string => answer.headers.get('operation-id') ?? expect.unreachable()
const addresses = (list: unknown): readonly string[] => (list as readonly { address: string }[]).map(({ address }) => address)

/** Machines that are members of a cluster and were bootstrapped; `program` is their dnf. */
const clusterOf = async (url: string, name: string, count: number, program: string): Promise<readonly SshdHost[]> => {
  await put(url, `/cluster/${name}`)
  const opened = await Promise.all(Array.from({ length: count }, () => openSshd({ key })))
  machines.push(...opened)
  const registered: string[] = []
  for (const { address, port } of opened) {
    const body = { ssh_priv_key: key.base64, remote_user: remoteUser, ssh_port: port, cluster: name }
    registered.push(operationOf(await put(url, `/host/${address}`, body)))
  }
  for (const id of registered) expect(await untilEnded(url, id)).toMatchObject({ state: 'succeeded' })
  for (const machine of opened) machine.program('dnf', program)
  return opened
}

test.skipIf(noSshd !== undefined)(
  'an upgrade of ten hosts goes on after SIGKILL with the host that it was at; every other host is done once',
  { timeout },
  async () => {
    const dataDir = temporaryDirectory()
    const env = envOf(dataDir)
    const held = join(dataDir, 'held')
    const first = await startServer({ dataDir, env })
    const hosts = await clusterOf(first.url, 'ten', 10, '[ "$1" = update ] || exit 0')
    const at = hosts[4] ?? expect.unreachable()
    at.program('dnf', `while [ -e ${held} ]; do sleep 0.1; done`)
    writeFileSync(held, '')
    const upgraded = (machine: SshdHost): number => machine.calls().filter((call) => call === 'dnf update -y').length

    const id = operationOf(await put(first.url, '/cluster/ten/upgrade'))
    await expect.poll(() => upgraded(at), patience).toBe(1)
    first.kill('SIGKILL')
    await first.ended
    rmSync(held)

    const second = await startServer({ dataDir, env })
    expect(await untilEnded(second.url, id)).toMatchObject({ state: 'succeeded', attempt: 2, result: { succeeded: 10 } })
    const record = await getJson(`${second.url}/api/v0/cluster/ten/upgrade`)
    expect(record).toMatchObject({ name: 'ten', status: 'finished', in_process: [] })
    expect(addresses(record.upgraded)).toEqual(hosts.map(({ address }) => address))
    expect(hosts.map(upgraded)).toEqual(hosts.map((machine) => (machine === at ? 2 : 1)))
    expect(existsSync(held)).toBe(false)
  },
)

test.skipIf(noSshd !== undefined)(
  'a restart of a killed server counts a host whose boot id has changed as restarted; a host that stays down is waited for',
  { timeout },
  async () => {
    const dataDir = temporaryDirectory()
    const env = envOf(dataDir)
    const first = await startServer({ dataDir, env })
    const [host = expect.unreachable()] = await clusterOf(first.url, 'booted', 1, 'exit 0')
    const bootId = '/proc/sys/kernel/random/boot_id'
    const before = host.read(bootId)
    host.onReboot('stays down')
    const id = operationOf(await put(first.url, '/cluster/booted/restart'))
    await expect.poll(() => host.read(bootId), patience).not.toBe(before)
    first.kill('SIGKILL')
    await first.ended

    const second = await startServer({ dataDir, env })
    await expect.poll(async () => ((await getJson(`${second.url}/v1/operations/${id}`)) as Json).attempt, patience).toBe(2)
    expect(await getJson(`${second.url}/api/v0/cluster/booted/restart`)).toMatchObject({
      ...{ status: 'in_process', restarted: [], in_process: [{ address: host.address }], finished_at: null },
    })
    await host.start()
    expect(await untilEnded(second.url, id)).toMatchObject({ state: 'succeeded' })
    expect(host.calls().filter((call) => call === 'systemctl reboot')).toHaveLength(1)
  },
)
