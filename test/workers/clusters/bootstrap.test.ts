import { expect, test } from 'vitest'
import type { NetworkSettings } from '../../../src/commands/clusters/cluster-network.ts'
import type { JsonValue } from '../../../src/lib/json.ts'
import { type BootstrapSettings, bootstrap } from '../../../src/workers/clusters/bootstrap.ts'
import { readOperatingSystems } from '../../../src/workers/clusters/operating-systems.ts'
import { scriptedHost } from './scripted-host.ts'

const systems = await readOperatingSystems()
const plain: BootstrapSettings = {
  etcdUrl: 'http://127.0.0.1:2379',
  etcdCertFile: undefined,
  etcdKeyFile: undefined,
  etcdCaFile: undefined,
  registryMirror: '127.0.0.1:8080',
}

const notOstree = { 'test -e /run/ostree-booted': 1 }

/** Steps as an operation records them. */
const recorder = (known: Record<string, JsonValue> = {}) => {
  const steps = new Map(Object.entries(known))
  const step = async <Result extends JsonValue>(name: string, work: () => Promise<Result>): Promise<Result> => {
    const recorded = steps.get(name) ?? (await work())
    steps.set(name, recorded)
    return recorded as Result
  }
  return { steps, step }
}

const prepared = async (
  os: string,
  {
    script = notOstree,
    settings = plain,
    network = { type: 'flannel_etcd', options: {} },
    known = {},
  }: {
    readonly script?: Readonly<Record<string, number>>
    readonly settings?: BootstrapSettings
    readonly network?: NetworkSettings
    readonly known?: Record<string, JsonValue>
  } = {},
) => {
  const host = scriptedHost(script)
  const { steps, step } = recorder(known)
  const error = await bootstrap(host, {
    os: systems.of(os) ?? expect.unreachable(),
    network,
    systems,
    settings,
    step,
  }).catch((thrown) => thrown)
  return { commands: host.asked.map(({ command }) => command), asked: host.asked, steps, error }
}

const services = ['flanneld', 'docker'].flatMap((name) => [`systemctl enable ${name}`, `systemctl restart ${name}`])

test('rhel gets repositories, packages, settings and services, in this order', async () => {
  const { commands, asked, steps, error } = await prepared('rhel')
  expect(error).toBeUndefined()
  expect(commands).toEqual([
    'test -e /run/ostree-booted',
    'subscription-manager repos --enable=rhel-7-server-extras-rpms --enable=rhel-7-server-optional-rpms',
    'yum install -y flannel',
    "cat > '/etc/sysconfig/flanneld'",
    'yum install -y docker',
    "cat > '/etc/sysconfig/docker'",
    ...services,
  ])
  expect(asked.map(({ timeLimitMs }) => timeLimitMs / 1000)).toEqual([60, 1800, 1800, 60, 1800, 60, 300, 300, 300, 300])
  expect([...steps]).toEqual([
    ['bootstrap: ostree test', { command: commands[0], exitCode: 1 }],
    ...['repositories', 'flannel', 'flannel settings', 'docker', 'docker settings'].map((name, index) => [
      `bootstrap: ${name}`,
      { command: commands[index + 1], exitCode: 0 },
    ]),
    ...['enable flanneld', 'restart flanneld', 'enable docker', 'restart docker'].map((name, index) => [
      `bootstrap: ${name}`,
      { command: services[index], exitCode: 0 },
    ]),
  ])
})

test('a system of an OSTree has its packages already', async () => {
  const { commands } = await prepared('rhel', { script: {} })
  expect(commands).toEqual([
    'test -e /run/ostree-booted',
    "cat > '/etc/sysconfig/flanneld'",
    "cat > '/etc/sysconfig/docker'",
    ...services,
  ])
})

test('files for etcd are copied before docker is installed', async () => {
  const own = import.meta.filename
  const settings = { ...plain, etcdCertFile: own, etcdKeyFile: own, etcdCaFile: own }
  const { asked } = await prepared('fedora', { settings })
  const copied = asked.slice(2, 8)
  expect(copied.map(({ command }) => command)).toEqual([
    "cat > '/etc/sysconfig/flanneld'",
    "mkdir -p '/etc/etcd'",
    "umask 077 && cat > '/etc/etcd/client.crt'",
    "umask 077 && cat > '/etc/etcd/key.crt'",
    "umask 077 && cat > '/etc/etcd/cacert.pem'",
    'dnf install -y docker',
  ])
  expect(copied[2]?.stdin).toContain('files for etcd are copied')
})

test('the first command that fails ends it', async () => {
  const { commands, error } = await prepared('fedora', { script: { ...notOstree, 'dnf install -y docker': 1 } })
  expect(commands.at(-1)).toBe('dnf install -y docker')
  expect(error).toMatchObject({ name: 'CommandFailed', exitCode: 1 })
})

test('a later attempt goes on behind the last step', async () => {
  const done = { command: 'x', exitCode: 0 }
  const known = {
    'bootstrap: ostree test': { command: 'x', exitCode: 1 },
    'bootstrap: flannel': done,
    'bootstrap: flannel settings': done,
  }
  const { commands } = await prepared('fedora', { known })
  expect(commands).toEqual(['dnf install -y docker', "cat > '/etc/sysconfig/docker'", ...services])
})

test('nothing is changed where settings cannot be used', async () => {
  for (const [more, message] of [
    [{ network: { type: 'flannel_server', options: {} } as NetworkSettings }, 'address'],
    [{ settings: { ...plain, etcdCaFile: '/no/such/file' } }, 'ENOENT'],
  ] as const) {
    const { commands, error } = await prepared('fedora', more)
    expect(commands).toEqual(['test -e /run/ostree-booted'])
    expect(error).toMatchObject({ name: 'HostUnusable', message: expect.stringContaining(message) })
  }
})
