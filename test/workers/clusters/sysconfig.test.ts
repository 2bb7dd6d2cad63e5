import { expect, test } from 'vitest'
import { readOperatingSystems } from '../../../src/workers/clusters/operating-systems.ts'
import { dockerSettings, flannelSettings } from '../../../src/workers/clusters/sysconfig.ts'

const { files } = (await readOperatingSystems()).of('fedora') ?? expect.unreachable()
const around = { etcdUrl: 'http://127.0.0.1:2379', hasCertificate: false, hasCa: false, files }
const etcd = (options: Record<string, string> = {}) => ({ type: 'flannel_etcd', options }) as const
const server = (options: Record<string, string> = {}) => ({ type: 'flannel_server', options }) as const

const ofUrl = (url: string): string =>
  `FLANNEL_ETCD="${url}"\nFLANNEL_ETCD_ENDPOINTS="${url}"\nFLANNEL_ETCD_KEY="/atomic01/network"\nFLANNEL_ETCD_PREFIX="/atomic01/network"\n`
const certificate = '--remote-keyfile=/etc/etcd/key.crt --remote-certfile=/etc/etcd/client.crt'

test('flannel with etcd', () => {
  expect(flannelSettings(etcd(), around)).toBe(ofUrl('http://127.0.0.1:2379'))
  expect(flannelSettings(etcd({ address: 'http://etcd:2379' }), around)).toBe(ofUrl('http://etcd:2379'))
  expect(flannelSettings(etcd({ server_url: 'http://etcd:2379' }), around)).toBe(ofUrl('http://etcd:2379'))
})

test('flannel with etcd and TLS', () => {
  const secured = { ...around, etcdUrl: 'https://etcd:2379', hasCertificate: true, hasCa: true }
  expect(flannelSettings(etcd(), secured)).toBe(
    `${ofUrl('https://etcd:2379')}FLANNEL_OPTIONS="${certificate} --etcd-cafile=/etc/etcd/cacert.pem"\n`,
  )
  expect(flannelSettings(etcd(), { ...secured, hasCertificate: false, etcdUrl: 'http://etcd:2379' })).toBe(
    ofUrl('http://etcd:2379'),
  )
})

test('flannel with a server', () => {
  expect(flannelSettings(server({ address: '10.0.0.1:8472' }), around)).toBe('FLANNEL_OPTIONS="--remote=10.0.0.1:8472"\n')
  expect(flannelSettings(server({ address: '10.0.0.1:8472' }), { ...around, hasCertificate: true, hasCa: true })).toBe(
    `FLANNEL_OPTIONS="--remote=10.0.0.1:8472 ${certificate}"\n`,
  )
  expect(() => flannelSettings(server(), around)).toThrow('no option "address"')
})

test.each(['a"b', 'a\nb', "a'b", 'a\\'])('%j is not written into a file', (value) => {
  expect(() => flannelSettings(etcd({ address: value }), around)).toThrow(/quote/)
  expect(() => flannelSettings(server({ address: value }), around)).toThrow(/quote/)
  expect(() => dockerSettings(value)).toThrow(/quote/)
})

test('docker', () => {
  expect(dockerSettings('127.0.0.1:8080')).toBe(
    "OPTIONS='--registry-mirror=http://127.0.0.1:8080 --selinux-enabled --log-driver=journald'\nDOCKER_CERT_PATH=/etc/docker\n",
  )
})
