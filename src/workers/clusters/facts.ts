import type { Facts } from '../../commands/clusters/investigation.ts'
import { CommandFailed, HostUnusable } from './host-failure.ts'
import type { OpenHost } from './hosts.ts'
import { ostreeSystem, systemName, timeLimits } from './operating-systems.ts'

const limit = { timeLimitMs: timeLimits.factsMs }
/** A longer name of a system is cut off. */
const longestName = 64
/** What os-release means where it names nothing. */
const unnamed = 'linux'

/** Exit code 0 says that the host was booted from an OSTree, 1 that it was not. */
export const ostreeTest = 'test -e /run/ostree-booted'

export const isOstree = async (host: OpenHost): Promise<boolean> => {
  const ended = await host.attempt(ostreeTest, limit)
  if (ended.exitCode !== 0 && ended.exitCode !== 1) throw new CommandFailed(ostreeTest, ended)
  return ended.exitCode === 0
}

/** The `os` of a host; one that is known is only asked again whether it was booted from an OSTree. */
export const hostSystem = async (host: OpenHost, known: string = ostreeSystem): Promise<string> => {
  if (await isOstree(host)) return ostreeSystem
  return known === ostreeSystem ? osOf(await firstOf(host, 'cat /etc/os-release', 'cat /usr/lib/os-release')) : known
}

/** What a host says of itself. Rejects where a command fails or says nothing that can be used. Source: clusters contract, section 6.2. */
export const gatherFacts = async (host: OpenHost): Promise<Facts> => ({
  os: await hostSystem(host),
  cpus: wholeNumber('nproc', await firstOf(host, 'nproc --all', 'grep -c ^processor /proc/cpuinfo')),
  memory: memoryOf(await host.run('cat /proc/meminfo', limit)),
  space: spaceOf(await host.run('df -kP', limit)),
})

const firstOf = async (host: OpenHost, command: string, otherwise: string): Promise<string> => {
  const { exitCode, stdout } = await host.attempt(command, limit)
  return exitCode === 0 ? stdout : host.run(otherwise, limit)
}

/** `ID` of os-release, without quotes, by the one name of that system. */
export const osOf = (release: string): string => {
  const [, , id = ''] = /^ID=(["']?)(.*?)\1\s*$/m.exec(release) ?? []
  return systemName(id.slice(0, longestName)) || unnamed
}

/** Kilobytes. */
export const memoryOf = (meminfo: string): number =>
  wholeNumber('/proc/meminfo', /^MemTotal:\s+(\d+) kB\s*$/m.exec(meminfo)?.[1] ?? '')

const row = /^(\S.*?)\s+(\d+)\s+\d+\s+-?\d+\s+(?:-?\d+%|-)\s+(\/.*)$/

/** Kilobytes of all disk file systems, local and remote ones; where none is named so, of the one at `/`. */
export const spaceOf = (df: string): number => {
  const rows = df.split('\n').flatMap((line) => {
    const [, device = '', size = '', mountedOn = ''] = row.exec(line.trimEnd()) ?? []
    return size === '' ? [] : [{ device, size: wholeNumber('df', size), mountedOn }]
  })
  const disks = rows.filter(({ device }) => device.startsWith('/') || device.includes(':/'))
  const counted = disks.length > 0 ? disks : rows.filter(({ mountedOn }) => mountedOn === '/')
  if (counted.length === 0) throw unusable('df')
  return wholeNumber('df', String(counted.reduce((sum, { size }) => sum + size, 0)))
}

const wholeNumber = (from: string, text: string): number => {
  const number = Number(text)
  if (!/^\s*\d+\s*$/.test(text) || !Number.isSafeInteger(number)) throw unusable(from)
  return number
}

const unusable = (from: string): HostUnusable => new HostUnusable('facts-unusable', `${from} does not say what is asked for`)
