import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { messageOf } from '../../lib/errors.ts'
import { HostUnusable } from './host-failure.ts'
import { quoted } from './ssh/shell.ts'

const command = z.string().min(1)
/** Null where there is nothing to do. */
const optional = command.nullable()
const path = z.string().regex(/^\/[^\0]*$/, 'is not an absolute path')

/** What is run on hosts of one operating system, for `/bin/sh` as root. Source: clusters contract, section 6.3. */
const Commands = z.strictObject({
  enableRepos: optional,
  installFlannel: optional,
  installDocker: optional,
  upgrade: optional,
  /** `{version}` stands for the version, which is quoted. */
  deploy: optional,
  restart: command,
  /** Started in this order at the end of the bootstrap. */
  services: z.array(z.string().min(1)),
  files: z.strictObject({
    flannel: path,
    docker: path,
    etcdCertificate: path,
    etcdKey: path,
    etcdCa: path,
  }),
})
export type OperatingSystem = z.infer<typeof Commands>

/** Where the system was booted from an OSTree, whatever it is. */
export const ostreeSystem = 'atomic'

const common = {
  enableRepos: null,
  deploy: null,
  restart: 'sleep 2 && systemctl reboot',
  services: ['flanneld', 'docker'],
  files: {
    flannel: '/etc/sysconfig/flanneld',
    docker: '/etc/sysconfig/docker',
    etcdCertificate: '/etc/etcd/client.crt',
    etcdKey: '/etc/etcd/key.crt',
    etcdCa: '/etc/etcd/cacert.pem',
  },
} satisfies Partial<OperatingSystem>

const centos: OperatingSystem = {
  ...common,
  installFlannel: 'yum install -y flannel',
  installDocker: 'yum install -y docker',
  upgrade: 'yum update -y',
}

const builtIn: Readonly<Record<string, OperatingSystem>> = {
  fedora: {
    ...common,
    installFlannel: 'dnf install -y flannel',
    installDocker: 'dnf install -y docker',
    upgrade: 'dnf update -y',
  },
  centos,
  rhel: {
    ...centos,
    enableRepos: 'subscription-manager repos --enable=rhel-7-server-extras-rpms --enable=rhel-7-server-optional-rpms',
  },
  [ostreeSystem]: {
    ...common,
    installFlannel: null,
    installDocker: null,
    upgrade: 'rpm-ostree upgrade',
    deploy: 'rpm-ostree deploy {version}',
  },
}

/** Other names by which systems are known. */
const aliases = new Map([['redhat', 'rhel']])

/** The one name of a system, of the `ID` in its os-release. */
export const systemName = (id: string): string => aliases.get(id) ?? id

/** Members that are missing are those of the system `like`, else of the built-in one of the name. */
const Changes = z.record(
  z.string(),
  Commands.partial().extend({ like: z.string().optional(), files: Commands.shape.files.partial().optional() }),
)

/** The commands by the `os` of a host. */
export interface OperatingSystems {
  /** Undefined where the system is not supported. */
  of(os: string): OperatingSystem | undefined
}

const systemsOf = (table: Readonly<Record<string, OperatingSystem>>): OperatingSystems => ({
  of: (os) => (Object.hasOwn(table, os) ? table[os] : undefined),
})

/** The commands of a system. Throws `HostUnusable` where there are none. */
export const supported = (systems: OperatingSystems, os: string): OperatingSystem => {
  const system = systems.of(os)
  if (system === undefined) throw new HostUnusable('os-unsupported', `the operating system "${os}" is not supported`)
  return system
}

/** The table with the changes of a JSON file, where there is one. Throws where it cannot be used. */
export const readOperatingSystems = async (file?: string): Promise<OperatingSystems> => {
  if (file === undefined) return systemsOf(builtIn)
  try {
    return systemsOf(changed(JSON.parse(await readFile(file, 'utf8'))))
  } catch (error) {
    throw new Error(`CLUSTERS_OS_FILE ${file} cannot be used: ${messageOf(error)}`)
  }
}

const changed = (given: unknown): Readonly<Record<string, OperatingSystem>> => {
  const changes = Changes.safeParse(given)
  if (!changes.success) throw new Error(z.prettifyError(changes.error))
  const own = Object.entries(changes.data).map(([id, { like = id, files, ...commands }]) => {
    const os = systemName(id)
    const base = builtIn[systemName(like)]
    if (base === undefined) throw new Error(`${os}: "like" has to be one of ${Object.keys(builtIn).join(', ')}`)
    return [os, { ...base, ...commands, files: { ...base.files, ...files } } as OperatingSystem]
  })
  return { ...builtIn, ...Object.fromEntries(own) }
}

/** The command that deploys a version; null where there is nothing to do. */
export const deployCommand = ({ deploy }: OperatingSystem, version: string): string | null =>
  deploy === null ? null : deploy.replaceAll('{version}', () => quoted(version))

const minuteMs = 60_000
/** How long one command of a kind may take. Source: clusters contract, section 6.1. */
export const timeLimits = {
  factsMs: minuteMs,
  filesMs: minuteMs,
  servicesMs: 5 * minuteMs,
  packagesMs: 30 * minuteMs,
  ostreeMs: 60 * minuteMs,
} as const
