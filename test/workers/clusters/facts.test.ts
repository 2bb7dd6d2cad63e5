import { expect, test } from 'vitest'
import { gatherFacts, memoryOf, osOf, spaceOf } from '../../../src/workers/clusters/facts.ts'
import { scriptedHost } from './scripted-host.ts'

test.each([
  ['NAME="Fedora Linux"\nID=fedora\nVERSION_ID=40', 'fedora'],
  ['ID="centos"\nID_LIKE="rhel fedora"', 'centos'],
  ["VARIANT_ID=server\nID='rhel'\r\n", 'rhel'],
  ['ID=redhat', 'rhel'],
  ['ID_LIKE=debian\nID=ubuntu', 'ubuntu'],
  ['NAME=nothing', 'linux'],
  [`ID=${'x'.repeat(1000)}`, 'x'.repeat(64)],
])('the operating system of %j', (release, os) => {
  expect(osOf(release)).toBe(os)
})

test('the memory', () => {
  expect(memoryOf('MemTotal:       16316412 kB\nMemFree:  1 kB\n')).toBe(16_316_412)
  expect(() => memoryOf('MemFree: 1 kB')).toThrow('/proc/meminfo does not say')
  expect(() => memoryOf(`MemTotal: ${'9'.repeat(30)} kB`)).toThrow('/proc/meminfo does not say')
})

const head = 'Filesystem     1024-blocks    Used Available Capacity Mounted on\n'

test('the space of local and remote disks', () => {
  const df = `${head}/dev/sda1 1000 1 999 1% /
tmpfs 4000 0 4000 0% /dev/shm
/dev/mapper/a b 200 1 199 1% /some folder
nas:/export 30 1 29 1% /mnt
`
  expect(spaceOf(df)).toBe(1230)
})

test('the space at / where no file system is a disk', () => {
  expect(spaceOf(`${head}overlay 5000 1 4999 1% /\ntmpfs 64 0 64 0% /dev\n`)).toBe(5000)
  expect(() => spaceOf(`${head}tmpfs 64 0 64 0% /dev\n`)).toThrow('df does not say')
})

const says: Readonly<Record<string, string | number>> = {
  'test -e /run/ostree-booted': 1,
  'cat /etc/os-release': 'ID=fedora\n',
  'nproc --all': '8\n',
  'cat /proc/meminfo': 'MemTotal: 2048 kB\n',
  'df -kP': `${head}/dev/sda1 1000 1 999 1% /\n`,
}
const facts = { os: 'fedora', cpus: 8, memory: 2048, space: 1000 }

test('all facts of a host', async () => {
  expect(await gatherFacts(scriptedHost(says))).toEqual(facts)
})

test('a host that was booted from an OSTree is atomic', async () => {
  expect(await gatherFacts(scriptedHost({ ...says, 'test -e /run/ostree-booted': 0 }))).toEqual({ ...facts, os: 'atomic' })
})

test('other ways to ask', async () => {
  const host = scriptedHost({
    ...says,
    'cat /etc/os-release': 1,
    'cat /usr/lib/os-release': 'ID=centos\n',
    'nproc --all': 127,
    'grep -c ^processor /proc/cpuinfo': '2\n',
  })
  expect(await gatherFacts(host)).toEqual({ ...facts, os: 'centos', cpus: 2 })
})

test.each([
  ['test -e /run/ostree-booted', 2],
  ['cat /proc/meminfo', 1],
  ['df -kP', 1],
])('%s ends with %i', async (command, exitCode) => {
  await expect(gatherFacts(scriptedHost({ ...says, [command]: exitCode }))).rejects.toMatchObject({
    name: 'CommandFailed',
    command,
    exitCode,
  })
})
