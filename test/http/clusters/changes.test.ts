import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JsonObject } from '../../../src/lib/json.ts'
import { noSshd, openSshd, remoteUser, type SshdHost } from '../../engines/sshd.ts'
import type { Answer } from '../app.ts'
import { type ClustersApp, error, isError, startClusters } from './clusters-app.ts'

if (noSshd !== undefined) console.warn(`skipped: ${noSshd}`)

const timeout = 60_000
const patience = { timeout, interval: 20 }

let it: ClustersApp
let machine: SshdHost
/** What the programs of the machine ask, one file for each address. */
const folder = mkdtempSync(join(tmpdir(), 'intendant-changes-'))
const fileOf = (name: string, address: string): string => join(folder, `${name}-${address}`)

/** Each address is a host. A program says where it ran, waits there while it is held, and fails where it should. */
const program = `
set -- $SSH_CONNECTION
echo "$3" >> ${folder}/ran
touch ${folder}/began-$3
while [ -e ${folder}/held-$3 ]; do sleep 0.02; done
[ ! -e ${folder}/broken-$3 ] || { echo "no space left on $3" >&2; exit 7; }
touch ${folder}/done-$3`

beforeAll(async () => {
  it = await startClusters({ CLUSTERS_WATCH: 'false', CLUSTERS_ACCEPT_CHANGED_HOST_KEYS: 'true' })
  if (noSshd !== undefined) return
  machine = await openSshd({ addresses: 16 })
  machine.program('dnf', program)
})
afterAll(async () => {
  await it.stop()
  machine?.close()
  rmSync(folder, { recursive: true, force: true })
})

let used = 0
/** A new cluster whose hosts are ready. */
const clusterOf = async (name: string, count: number): Promise<readonly string[]> => {
  expect((await it.ask(`PUT /api/v0/cluster/${name}`, { type: 'host_only' })).status).toBe(201)
  const addresses = machine.addresses.slice(used, used + count)
  used += count
  for (const address of addresses) {
    const body = { ssh_priv_key: machine.key.base64, ssh_port: machine.port, remote_user: remoteUser, cluster: name }
    expect(await it.host(address, 'succeed', body)).toMatchObject({ status: 'disassociated', os: 'fedora' })
  }
  return addresses
}
const record = (name: string, change: string, headers = {}) => it.ask(`GET /api/v0/cluster/${name}/${change}`, undefined, headers)
const addresses = (list: readonly JsonObject[]): readonly unknown[] => list.map(({ address }) => address)
const idOf = ({ headers }: Answer): string => headers.get('operation-id') ?? expect.unreachable()
const hold = (address: string): void => writeFileSync(fileOf('held', address), '')
const release = (address: string): void => rmSync(fileOf('held', address))
const began = (address: string) => expect.poll(() => existsSync(fileOf('began', address)), patience).toBe(true)

const date = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/)
const beginning = (name: string, done: string, more = {}) => ({
  ...{ name, status: 'in_process', [done]: [], in_process: [], started_at: date, finished_at: null },
  ...more,
})

test('there is no change of a cluster that is unknown, or has had none', async () => {
  for (const change of ['deploy', 'upgrade', 'restart']) {
    const unknown = isError(404, 'Not Found', 'Cluster "nobody" does not exist.')
    expect(error(await record('nobody', change))).toEqual(unknown)
    expect(error(await it.ask(`PUT /api/v0/cluster/nobody/${change}`))).toEqual(unknown)
    expect(error(await it.ask(`PUT /api/v0/cluster/nobody/${change}`, []))).toMatchObject({ status: 400, text: 'Bad Request' })
  }
  await it.ask('PUT /api/v0/cluster/idle')
  for (const change of ['deploy', 'upgrade', 'restart']) expect((await record('idle', change)).status).toBe(404)
})

test('a deploy wants a version', async () => {
  await it.ask('PUT /api/v0/cluster/versions')
  for (const body of [{}, { version: null }, { version: '' }, { version: 7 }, { version: ['7'] }])
    expect(error(await it.ask('PUT /api/v0/cluster/versions/deploy', body))).toEqual(
      isError(400, 'Bad Request', 'version must be a non empty string'),
    )
})

test('a version with half a character is answered as it is stored', async () => {
  await it.ask('PUT /api/v0/cluster/halves')
  const put = await it.ask('PUT /api/v0/cluster/halves/deploy', { version: '7\ud800' })
  expect(put).toMatchObject({ status: 201, json: { version: '7\ufffd' } })
  expect((await record('halves', 'deploy', await it.ended(put))).json.version).toBe('7\ufffd')
})

test('changes of a cluster without hosts finish at once, and show these members alone', async () => {
  await it.ask('PUT /api/v0/cluster/empty')
  const begins = {
    deploy: beginning('empty', 'deployed', { version: '7.2.6' }),
    upgrade: beginning('empty', 'upgraded'),
    restart: beginning('empty', 'restarted'),
  }
  for (const [change, begun] of Object.entries(begins)) {
    const put = await it.ask(`PUT /api/v0/cluster/empty/${change}/`, { version: '7.2.6', force: true })
    expect(put).toMatchObject({ status: 201, json: begun })
    expect(Object.keys(put.json).sort()).toEqual(Object.keys(begun).sort())
    const seen = await it.ended(put)
    const got = await record('empty', change, seen)
    expect(got).toMatchObject({ status: 200, json: { ...begun, status: 'finished', finished_at: date } })
    expect(Object.keys(got.json).sort()).toEqual(Object.keys(begun).sort())
    expect(got.json.started_at).toBe(put.json.started_at)
  }
})

test('of the same changes that are asked for at the same time one is started', async () => {
  await it.ask('PUT /api/v0/cluster/raced')
  const puts = await Promise.all(Array.from({ length: 8 }, () => it.ask('PUT /api/v0/cluster/raced/upgrade')))
  const { json } = await it.ask('GET /v1/operations?lane=cluster:raced')
  const ids = new Set(puts.map(idOf))
  expect(puts.map(({ status }) => status)).toEqual(puts.map(() => 201))
  // A late one may find that the first has ended.
  expect(json.items.map(({ id }: JsonObject) => id).sort()).toEqual([...ids].sort())
  expect(ids.size).toBeLessThan(puts.length)
})

test('of different changes that are asked for at the same time none waits for another one', async () => {
  await it.ask('PUT /api/v0/cluster/contended')
  const puts = await Promise.all(
    Array.from({ length: 8 }, (_, n) => it.ask(`PUT /api/v0/cluster/contended/deploy`, { version: `v${n}` })),
  )
  expect(puts.some(({ status }) => status === 201)).toBe(true)
  for (const put of puts.filter(({ status }) => status !== 201))
    expect(error(put)).toMatchObject({ status: 409, text: 'Conflict' })
  const { json } = await it.ask('GET /v1/operations?lane=cluster:contended&order=asc')
  const spans = json.items.map((one: JsonObject) => [one.requestedAt, one.finishedAt])
  for (const [n, [requestedAt]] of spans.entries()) if (n > 0) expect(requestedAt >= spans[n - 1][1]).toBe(true)
})

test.skipIf(noSshd !== undefined)(
  'hosts are upgraded in order; the same change is answered with the one that runs, another one with 409',
  { timeout },
  async () => {
    const hosts = await clusterOf('ordered', 3)
    const [first = '', second = '', third = ''] = hosts
    hold(second)
    const put = await it.ask('PUT /api/v0/cluster/ordered/upgrade')
    expect(put).toMatchObject({ status: 201, json: beginning('ordered', 'upgraded') })
    await began(second)
    const current = await it.ask('PUT /api/v0/cluster/ordered/upgrade')
    expect(current.status).toBe(201)
    expect(idOf(current)).toBe(idOf(put))
    const shown = (await it.ask(`GET /api/v0/host/${first}`)).json
    expect(current.json.upgraded).toEqual([shown])
    expect(addresses(current.json.in_process)).toEqual([second])
    expect(current.json).toEqual((await record('ordered', 'upgrade')).json)
    const conflict = isError(409, 'Conflict', 'The upgrade of the cluster "ordered" has not ended')
    expect(error(await it.ask('PUT /api/v0/cluster/ordered/restart'))).toEqual(conflict)
    const deploy = await it.ask('PUT /api/v0/cluster/ordered/deploy', { version: '1' })
    expect(error(deploy)).toEqual(conflict)
    expect(idOf(deploy)).toBe(idOf(put))
    expect(existsSync(fileOf('began', third))).toBe(false)
    release(second)
    const { json } = await record('ordered', 'upgrade', await it.ended(put))
    expect(addresses(json.upgraded)).toEqual(hosts)
    expect(json).toMatchObject({ status: 'finished', in_process: [], finished_at: date })
    const { items } = (await it.ask(`GET /v1/operations/${idOf(put)}/targets`)).json
    expect(items.map(({ result }: JsonObject) => result)).toEqual(hosts.map(() => ({ os: 'fedora' })))
  },
)

test.skipIf(noSshd !== undefined)(
  'the first host that fails ends it, and those that have failed can be tried again',
  { timeout },
  async () => {
    const hosts = await clusterOf('broken', 3)
    const [first = '', middle = '', last = ''] = hosts
    writeFileSync(fileOf('broken', middle), '')
    const put = await it.ask('PUT /api/v0/cluster/broken/upgrade')
    const failed = await record('broken', 'upgrade', await it.ended(put))
    expect(failed.json).toMatchObject({ status: 'failed', finished_at: date })
    expect([addresses(failed.json.upgraded), addresses(failed.json.in_process)]).toEqual([[first], [middle]])
    expect(existsSync(fileOf('began', last))).toBe(false)
    const { items } = (await it.ask(`GET /v1/operations/${idOf(put)}/targets`)).json
    expect(items.map(({ state }: JsonObject) => state)).toEqual(['succeeded', 'failed', 'skipped'])
    expect(items[1].error).toMatchObject({
      type: 'command-failed',
      details: { command: 'dnf update -y', exitCode: 7, output: expect.stringContaining(`no space left on ${middle}`) },
    })
    // It is no business of the host's.
    expect((await it.ask(`GET /api/v0/host/${middle}`)).json.status).toBe('disassociated')

    rmSync(fileOf('broken', middle))
    rmSync(fileOf('done', first))
    const retry = await it.plain(`POST /v1/operations/${idOf(put)}/retry`, { body: { targets: 'failed' } })
    expect(retry.status).toBe(202)
    const mended = await record('broken', 'upgrade', await it.ended(retry))
    expect(mended.json).toMatchObject({ status: 'finished', in_process: [] })
    expect(addresses(mended.json.upgraded)).toEqual([middle, last])
    expect(existsSync(fileOf('done', first))).toBe(false)
  },
)

test.skipIf(noSshd !== undefined)(
  'a change that runs is the current one, whatever is retried behind it',
  { timeout },
  async () => {
    const [host = ''] = await clusterOf('behind', 1)
    machine.write('run/ostree-booted', '')
    machine.program('rpm-ostree', program)
    writeFileSync(fileOf('broken', host), '')
    const failed = await it.ask('PUT /api/v0/cluster/behind/upgrade')
    await it.ended(failed)
    for (const name of ['broken', 'began']) rmSync(fileOf(name, host))

    hold(host)
    const put = await it.ask('PUT /api/v0/cluster/behind/deploy', { version: '7' })
    await began(host)
    const retry = await it.plain(`POST /v1/operations/${idOf(failed)}/retry`, { body: {} })
    expect(retry.status).toBe(202)
    const again = await it.ask('PUT /api/v0/cluster/behind/deploy', { version: '7' })
    expect(again).toMatchObject({ status: 201, json: { version: '7', in_process: [{ address: host }] } })
    expect(idOf(again)).toBe(idOf(put))
    for (const change of ['upgrade', 'restart']) {
      const reason = 'The deploy of the cluster "behind" has not ended'
      expect(error(await it.ask(`PUT /api/v0/cluster/behind/${change}`))).toEqual(isError(409, 'Conflict', reason))
    }
    release(host)
    await it.ended(retry)
    machine.remove('run/ostree-booted')
  },
)

test.skipIf(noSshd !== undefined)(
  'a cluster that is deleted lets the host at work finish, and no other begins',
  { timeout },
  async () => {
    const [first = '', second = ''] = await clusterOf('doomed', 2)
    hold(first)
    const put = await it.ask('PUT /api/v0/cluster/doomed/upgrade')
    await began(first)
    expect((await it.ask('DELETE /api/v0/cluster/doomed', {})).status).toBe(200)
    expect((await it.ask(`GET /v1/operations/${idOf(put)}`)).json.state).toBe('cancelling')
    expect((await record('doomed', 'upgrade')).status).toBe(404)
    // Another creation of the name has a record of its own, which waits for the rest of the one before.
    await it.ask('PUT /api/v0/cluster/doomed')
    expect((await record('doomed', 'upgrade')).status).toBe(404)
    const next = await it.ask('PUT /api/v0/cluster/doomed/restart')
    expect(next).toMatchObject({ status: 201, json: beginning('doomed', 'restarted') })
    expect((await it.ask(`GET /v1/operations/${idOf(next)}`)).json.waitingFor).toMatchObject({
      reason: 'lane',
      operation: idOf(put),
    })
    release(first)
    await it.ended(put)
    expect((await it.ask(`GET /v1/operations/${idOf(put)}`)).json.state).toBe('cancelled')
    const { items } = (await it.ask(`GET /v1/operations/${idOf(put)}/targets`)).json
    expect(items.map(({ state }: JsonObject) => state)).toEqual(['succeeded', 'skipped'])
    expect([existsSync(fileOf('done', first)), existsSync(fileOf('began', second))]).toEqual([true, false])
    expect((await record('doomed', 'restart', await it.ended(next))).json.status).toBe('finished')
  },
)

test.skipIf(noSshd !== undefined)(
  'a host that left or was deleted before its turn is skipped; one that is not ready fails',
  { timeout },
  async () => {
    const [first = '', second = '', third = '', fourth = ''] = await clusterOf('leaving', 4)
    hold(first)
    const put = await it.ask('PUT /api/v0/cluster/leaving/upgrade')
    await began(first)
    expect((await it.ask(`DELETE /api/v0/cluster/leaving/hosts/${second}`)).status).toBe(200)
    expect((await it.ask(`DELETE /api/v0/host/${third}`)).status).toBe(200)
    // A new one that nobody has investigated.
    const body = { ssh_priv_key: machine.key.base64, ssh_port: machine.port, remote_user: remoteUser, cluster: 'leaving' }
    it.script(third, 'hang')
    await it.ask(`PUT /api/v0/host/${third}`, body)
    release(first)
    const { json } = await record('leaving', 'upgrade', await it.ended(put))
    expect(json.status).toBe('finished')
    expect(addresses(json.upgraded)).toEqual([first, fourth])
    const again = await it.ask('PUT /api/v0/cluster/leaving/upgrade')
    const failed = (await record('leaving', 'upgrade', await it.ended(again))).json
    expect(failed.status).toBe('failed')
    expect(addresses(failed.upgraded)).toEqual([first, fourth])
    expect(failed.in_process).toEqual([(await it.ask(`GET /api/v0/host/${third}`)).json])
    expect(existsSync(fileOf('began', third))).toBe(false)
  },
)

test.skipIf(noSshd !== undefined)(
  'a version is deployed on systems of an OSTree, as one word; others have nothing to do',
  { timeout },
  async () => {
    const [host = ''] = await clusterOf('deployed', 1)
    const before = machine.commands().length
    const nothing = await it.ask('PUT /api/v0/cluster/deployed/deploy', { version: '7.2.6' })
    expect((await record('deployed', 'deploy', await it.ended(nothing))).json.status).toBe('finished')
    expect(machine.commands().slice(before)).toEqual(['test -e /run/ostree-booted'])
    machine.write('/run/ostree-booted', '')
    const version = `7.2.6'; touch ${folder}/owned; '`
    const put = await it.ask('PUT /api/v0/cluster/deployed/deploy', { version })
    expect(put.json).toMatchObject(beginning('deployed', 'deployed', { version }))
    const { json } = await record('deployed', 'deploy', await it.ended(put))
    machine.remove('/run/ostree-booted')
    expect(json).toMatchObject({ status: 'finished', version })
    expect(addresses(json.deployed)).toEqual([host])
    expect(machine.calls()).toContain(`rpm-ostree deploy ${version}`)
    expect(existsSync(join(folder, 'owned'))).toBe(false)
  },
)

// The last one: the machine goes down with all its hosts.
test.skipIf(noSshd !== undefined)('a host is restarted when it is back with another boot id', { timeout }, async () => {
  const [host = ''] = await clusterOf('restarted', 1)
  const bootId = machine.read('/proc/sys/kernel/random/boot_id')?.trim()
  const put = await it.ask('PUT /api/v0/cluster/restarted/restart')
  const { json } = await record('restarted', 'restart', await it.ended(put))
  expect(json).toMatchObject({ status: 'finished', in_process: [] })
  expect(addresses(json.restarted)).toEqual([host])
  expect(machine.read('/proc/sys/kernel/random/boot_id')?.trim()).not.toBe(bootId)
  const { items } = (await it.ask(`GET /v1/operations/${idOf(put)}/events?limit=100`)).json
  const step = items.find(({ data }: { data: JsonObject }) => data.step !== undefined)
  expect(step.data.step).toMatchObject({ name: 'bootId', result: { bootId }, target: host, place: 0 })
  expect(machine.calls().filter((call) => call.startsWith('systemctl reboot'))).toHaveLength(1)
})
