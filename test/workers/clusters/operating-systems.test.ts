import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { deployCommand, readOperatingSystems } from '../../../src/workers/clusters/operating-systems.ts'

const file = (content: unknown): string => {
  const folder = mkdtempSync(join(tmpdir(), 'intendant-os-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'os.json')
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

test.each([
  ['fedora', 'dnf install -y flannel', 'dnf install -y docker', 'dnf update -y', null],
  ['centos', 'yum install -y flannel', 'yum install -y docker', 'yum update -y', null],
  ['rhel', 'yum install -y flannel', 'yum install -y docker', 'yum update -y', null],
  ['atomic', null, null, 'rpm-ostree upgrade', 'rpm-ostree deploy {version}'],
])('%s', async (os, installFlannel, installDocker, upgrade, deploy) => {
  const system = (await readOperatingSystems()).of(os)
  expect(system).toMatchObject({ installFlannel, installDocker, upgrade, deploy, services: ['flanneld', 'docker'] })
  expect(system?.restart).toBe('sleep 2 && systemctl reboot')
  expect(system?.enableRepos ?? null).toBe(
    os === 'rhel' ? 'subscription-manager repos --enable=rhel-7-server-extras-rpms --enable=rhel-7-server-optional-rpms' : null,
  )
})

test('others are not supported', async () => {
  const systems = await readOperatingSystems()
  for (const os of ['debian', '', 'toString', '__proto__']) expect(systems.of(os)).toBeUndefined()
})

test('a version is one word', async () => {
  const atomic = (await readOperatingSystems()).of('atomic') ?? expect.unreachable()
  expect(deployCommand(atomic, '7.2.6')).toBe("rpm-ostree deploy '7.2.6'")
  expect(deployCommand(atomic, "$(id) $& '; id")).toBe(`rpm-ostree deploy '$(id) $& '\\''; id'`)
  const fedora = (await readOperatingSystems()).of('fedora') ?? expect.unreachable()
  expect(deployCommand(fedora, '7')).toBeNull()
})

test('a file changes systems and adds some', async () => {
  const systems = await readOperatingSystems(
    file({
      fedora: { installDocker: 'dnf install -y moby-engine', installFlannel: null, services: ['docker'] },
      rocky: { like: 'centos', files: { docker: '/etc/docker.conf' } },
    }),
  )
  expect(systems.of('fedora')).toMatchObject({
    installDocker: 'dnf install -y moby-engine',
    installFlannel: null,
    upgrade: 'dnf update -y',
    services: ['docker'],
  })
  expect(systems.of('rocky')).toMatchObject({
    installDocker: 'yum install -y docker',
    files: { docker: '/etc/docker.conf', flannel: '/etc/sysconfig/flanneld' },
  })
  expect(systems.of('centos')?.files.docker).toBe('/etc/sysconfig/docker')
})

test('a file may call rhel redhat', async () => {
  const systems = await readOperatingSystems(file({ redhat: { upgrade: 'dnf update -y' }, oracle: { like: 'redhat' } }))
  expect(systems.of('rhel')?.upgrade).toBe('dnf update -y')
  expect(systems.of('oracle')?.enableRepos).toMatch('rhel')
})

test('the example of the settings', async () => {
  const docs = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8')
  const [, example = ''] = /^`CLUSTERS_OS_FILE` has[\s\S]*?```json\n([\s\S]*?)```/m.exec(docs) ?? []
  const systems = await readOperatingSystems(file(example))
  expect(systems.of('fedora')).toMatchObject({ installFlannel: null, installDocker: 'dnf install -y moby-engine' })
  expect(systems.of('rocky')).toMatchObject({ installFlannel: 'yum install -y flannel', upgrade: 'dnf update -y' })
})

test.each([
  ['is missing', '/no/such/file', 'ENOENT'],
  ['is no JSON', file.bind(undefined, '{'), 'JSON'],
  ['has an unknown member', file.bind(undefined, { fedora: { instal: 'x' } }), 'instal'],
  ['has a new system that is like none', file.bind(undefined, { rocky: { upgrade: 'x' } }), '"like"'],
])('a file that %s', async (_what, path, message) => {
  const reading = readOperatingSystems(typeof path === 'string' ? path : path())
  await expect(reading).rejects.toThrow(/^CLUSTERS_OS_FILE .* cannot be used: /)
  await expect(reading).rejects.toThrow(message)
})
