import { z } from 'zod'
import type { NetworkSettings } from '../../commands/clusters/cluster-network.ts'
import { HostUnusable } from './host-failure.ts'
import type { OperatingSystem } from './operating-systems.ts'

/** Where flannel keeps its configuration in etcd. */
const etcdPrefix = '/atomic01/network'

/** What a value between quotes must not hold: it would be another setting, or another value. */
const unsafe = /["'\\\p{Cc}]/u

const safe = (value: string): string => {
  if (unsafe.test(value)) throw new HostUnusable('settings-unusable', 'a setting holds a quote, a backslash or a line break')
  return value
}

const lines = (settings: Readonly<Record<string, string | undefined>>): string =>
  Object.entries(settings)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}="${safe(value)}"\n`]))
    .join('')

const text = z.string().min(1).optional().catch(undefined)
const Options = z.object({ address: text, server_url: text })

/** The etcd of a network. */
export const etcdOf = ({ type, options }: NetworkSettings, etcdUrl: string): string => {
  if (type !== 'flannel_etcd') return etcdUrl
  const { address, server_url: serverUrl } = Options.parse(options)
  return address ?? serverUrl ?? etcdUrl
}

/** `/etc/sysconfig/flanneld`. Throws `HostUnusable` where the network's options cannot be used. Source: clusters contract, section 6.4. */
export const flannelSettings = (
  network: NetworkSettings,
  {
    etcdUrl,
    hasCertificate,
    hasCa,
    files,
  }: {
    readonly etcdUrl: string
    readonly hasCertificate: boolean
    readonly hasCa: boolean
    readonly files: OperatingSystem['files']
  },
): string => {
  const ofServer = network.type === 'flannel_server'
  const { address } = Options.parse(network.options)
  if (ofServer && address === undefined)
    throw new HostUnusable('settings-unusable', 'the network of type flannel_server has no option "address"')
  const etcd = etcdOf(network, etcdUrl)
  const options = [
    ...(ofServer ? [`--remote=${address}`] : []),
    ...(hasCertificate ? [`--remote-keyfile=${files.etcdKey}`, `--remote-certfile=${files.etcdCertificate}`] : []),
    ...(hasCa && !ofServer && etcd.startsWith('https:') ? [`--etcd-cafile=${files.etcdCa}`] : []),
  ]
  return lines({
    ...(ofServer
      ? {}
      : { FLANNEL_ETCD: etcd, FLANNEL_ETCD_ENDPOINTS: etcd, FLANNEL_ETCD_KEY: etcdPrefix, FLANNEL_ETCD_PREFIX: etcdPrefix }),
    FLANNEL_OPTIONS: options.length === 0 ? undefined : options.join(' '),
  })
}

/** `/etc/sysconfig/docker`. */
export const dockerSettings = (registryMirror: string): string =>
  `OPTIONS='--registry-mirror=http://${safe(registryMirror)} --selinux-enabled --log-driver=journald'\nDOCKER_CERT_PATH=/etc/docker\n`
