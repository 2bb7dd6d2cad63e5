import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { NetworkSettings } from '../../commands/clusters/cluster-network.ts'
import { type BootstrapStep, investigationSteps } from '../../commands/clusters/investigation.ts'
import type { ClustersSettings } from '../../commands/clusters/settings.ts'
import { messageOf } from '../../lib/errors.ts'
import type { WorkContext } from '../work.ts'
import { isOstree, ostreeTest } from './facts.ts'
import { HostUnusable } from './host-failure.ts'
import type { OpenHost } from './hosts.ts'
import { type OperatingSystem, type OperatingSystems, ostreeSystem, timeLimits } from './operating-systems.ts'
import { quoted, writeTo } from './ssh/shell.ts'
import { dockerSettings, flannelSettings } from './sysconfig.ts'

export type BootstrapSettings = Pick<
  ClustersSettings,
  'etcdUrl' | 'etcdCertFile' | 'etcdKeyFile' | 'etcdCaFile' | 'registryMirror'
>

/** Something to do on a host. */
interface Task {
  readonly name: string
  readonly command: string
  readonly timeLimitMs: number
  readonly stdin?: string
}

/**
 * Prepares a host: packages, settings and services of flannel and docker. Each command is a recorded step, which a later attempt does not run again, and
 * has to exit with 0. Source: clusters contract, section 6.4.
 */
export const bootstrap = async (
  host: OpenHost,
  {
    os,
    network,
    systems,
    settings,
    step,
  }: {
    readonly os: OperatingSystem
    readonly network: NetworkSettings
    readonly systems: OperatingSystems
    readonly settings: BootstrapSettings
    readonly step: WorkContext['step']
  },
): Promise<void> => {
  const record = (name: string, work: () => Promise<BootstrapStep>) => step(investigationSteps.bootstrap(name), work)
  const { exitCode } = await record('ostree test', async () => ({
    command: ostreeTest,
    exitCode: (await isOstree(host)) ? 0 : 1,
  }))
  const system = exitCode === 0 ? (systems.of(ostreeSystem) ?? os) : os
  for (const { name, command, ...options } of await tasksOf(system, network, settings))
    await record(name, async () => {
      await host.run(command, options)
      return { command, exitCode: 0 }
    })
}

const tasksOf = async (
  { enableRepos, installFlannel, installDocker, services, files }: OperatingSystem,
  network: NetworkSettings,
  settings: BootstrapSettings,
): Promise<readonly Task[]> => {
  const { etcdUrl, etcdCertFile, etcdKeyFile, etcdCaFile, registryMirror } = settings
  const hasCertificate = etcdCertFile !== undefined && etcdKeyFile !== undefined
  const flannel = flannelSettings(network, { etcdUrl, hasCertificate, hasCa: etcdCaFile !== undefined, files })
  return [
    ...packages('repositories', enableRepos),
    ...packages('flannel', installFlannel),
    writing('flannel settings', files.flannel, flannel),
    ...(await copies([
      ['etcd certificate', etcdCertFile, files.etcdCertificate],
      ['etcd key', etcdKeyFile, files.etcdKey],
      ['etcd CA', etcdCaFile, files.etcdCa],
    ])),
    ...packages('docker', installDocker),
    writing('docker settings', files.docker, dockerSettings(registryMirror)),
    ...services.flatMap((service) =>
      ['enable', 'restart'].map((verb) => ({
        name: `${verb} ${service}`,
        command: `systemctl ${verb} ${service}`,
        timeLimitMs: timeLimits.servicesMs,
      })),
    ),
  ]
}

const packages = (name: string, command: string | null): readonly Task[] =>
  command === null ? [] : [{ name, command, timeLimitMs: timeLimits.packagesMs }]

const writing = (name: string, path: string, content: string): Task => ({
  name,
  command: writeTo(path),
  stdin: content,
  timeLimitMs: timeLimits.filesMs,
})

/** Files of this machine, in a folder that may be missing there; nobody else may read them. */
const copies = async (files: readonly (readonly [string, string | undefined, string])[]): Promise<readonly Task[]> => {
  const given = files.flatMap(([name, from, to]) => (from === undefined ? [] : [{ name, from, to }]))
  const folders = [...new Set(given.map(({ to }) => dirname(to)))]
  const made = folders.map((folder) => ({
    name: `folder ${folder}`,
    command: `mkdir -p ${quoted(folder)}`,
    timeLimitMs: timeLimits.filesMs,
  }))
  const written = await Promise.all(
    given.map(async ({ name, from, to }) => {
      const task = writing(name, to, await contentOf(from))
      return { ...task, command: `umask 077 && ${task.command}` }
    }),
  )
  return [...made, ...written]
}

const contentOf = async (file: string): Promise<string> => {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new HostUnusable('settings-unusable', `a file for hosts cannot be read: ${messageOf(error)}`)
  }
}
