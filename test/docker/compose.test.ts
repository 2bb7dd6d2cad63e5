import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { imageOf } from '../engines/images.ts'
import { temporaryDirectory } from '../stores/temporary.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const compose = read('compose.yaml')
const dockerfile = read('Dockerfile')

/** The lines below a key at the left edge, such as `services:`. */
const section = (name: string): string => new RegExp(`^${name}:.*\\n((?:(?: .*)?\\n)*)`, 'm').exec(compose)?.[1] ?? ''
const namesIn = (text: string): readonly string[] => [...text.matchAll(/^ {2}([\w-]+):/gm)].map(([, name = '']) => name)
const services = namesIn(section('services'))
const service = (name: string): string =>
  new RegExp(`^ {2}${name}:\\n((?: {4}.*\\n|\\n)*)`, 'm').exec(section('services'))?.[1] ?? ''

describe('compose.yaml', () => {
  test('has two servers, two workers, one port and the engines in the versions that are tested', () => {
    expect(services).toEqual(
      expect.arrayContaining(['server-1', 'server-2', 'worker-1', 'worker-2', 'proxy', 'eventstoredb', 'kafka', 'credentials']),
    )
    expect(imageOf('eventstoredb')).toBe('eventstore/eventstore:23.10.1-bookworm-slim')
    expect(imageOf('kafka')).toBe('apache/kafka:4.1.1')
    expect(compose.match(/^ +ports:/gm)).toHaveLength(1)
    expect(service('server-1')).toContain('command: [serve, --no-workers]')
    expect(service('worker-2')).toContain('command: [worker]')
  })

  test('the nodes’ settings are ones that the program takes', () => {
    const settings = Object.fromEntries(
      [...section('x-settings').matchAll(/^ {2}([A-Z_]+): (.*)$/gm)].map(([, name = '', value = '']) => [
        name,
        value.replace(/\$\{\w+:-(.*)\}/, '$1'),
      ]),
    )
    expect(loadConfig(settings)).toMatchObject({
      eventStoreDb: { url: 'esdb://eventstoredb:2113?tls=false' },
      kafka: { brokers: ['kafka:9092'] },
      blobsDir: '/shared/blobs',
      secretsKeyFile: '/shared/secrets.key',
      credentialsFile: '/shared/credentials.json',
    })
  })

  test('one service builds the image, and those that wait for it use it', () => {
    const node = /^x-node: &node\n((?: {2}.*\n)*)/m.exec(compose)?.[1] ?? ''
    expect(node).toMatch(/^ {2}image: intendant:local$/m)
    expect(node).toMatch(/^ {2}pull_policy: never$/m)
    expect(node).toMatch(/^ {4}credentials: \{ condition: service_completed_successfully \}$/m)
    expect(node).not.toMatch(/^ {2}build:/m)
    expect(services.filter((name) => /^ {4}build:/m.test(service(name)))).toEqual(['credentials'])
    expect(service('credentials')).toMatch(/^ {4}pull_policy: build$/m)
  })

  test('the documented settings of faces reach every node', () => {
    const documented = new Set(
      [...read('docs/configuration.md').matchAll(/`((?:CRAWLING|ROBOT|CLUSTERS)_[A-Z0-9_]+)`(?=.*\|)/g)].map(
        ([, name = '']) => name,
      ),
    )
    expect(documented.size).toBeGreaterThan(60)
    // Without a value: Compose hands over the variable where it is set, and nothing where it is not. Two have a default for these nodes.
    const settings = section('x-settings').matchAll(/^ {2}((?:CRAWLING|ROBOT|CLUSTERS)_[A-Z0-9_]+):(?: \$\{\1:-.+\})?$/gm)
    expect([...settings].map(([, name = '']) => name).sort()).toEqual([...documented].sort())
  })

  test('no volume without a name stays behind', () => {
    expect(dockerfile).not.toMatch(/^VOLUME/m)
    // What the images of others declare.
    expect(service('kafka')).toContain('tmpfs: [/etc/kafka/secrets, /mnt/shared/config]')
    expect(service('proxy')).toContain('tmpfs: [/config, /data]')
    expect(service('eventstoredb')).toContain('[eventstoredb:/var/lib/eventstore, eventstoredb-logs:/var/log/eventstore]')
  })

  test('every volume that is used is declared, and every file that is mounted is there', () => {
    const declared = namesIn(section('volumes'))
    const mounts = [...compose.matchAll(/^ +volumes: \[(.*)\]$/gm)].flatMap(([, list = '']) =>
      list.split(',').map((mount) => mount.trim().replaceAll(/['"]/g, '').split(':')[0] ?? ''),
    )
    expect(mounts.length).toBeGreaterThan(8)
    for (const mount of mounts) {
      if (mount.startsWith('.')) expect(existsSync(join(root, mount)), mount).toBe(true)
      else expect(declared).toContain(mount)
    }
    expect(declared.filter((name) => !mounts.includes(name))).toEqual([])
  })

  test('whoever waits for health waits for a service that tells it', () => {
    const awaited = new Set([...compose.matchAll(/([\w-]+): \{ condition: service_healthy \}/g)].map(([, name = '']) => name))
    expect([...awaited].sort()).toEqual(['eventstoredb', 'kafka', 'server-1', 'server-2'])
    for (const name of awaited) expect(service(name), name).toMatch(/healthcheck:/)
  })

  test('the image is asked whether it is alive, and who waits for a node whether it is ready', () => {
    expect(/^HEALTHCHECK.*\n.*$/m.exec(dockerfile)?.[0]).toContain('/livez')
    expect(section('x-ready')).toContain('/readyz')
    for (const name of ['server-1', 'server-2', 'worker-1', 'worker-2'])
      expect(service(name), name).toContain('healthcheck: *ready')
  })

  test('the one port leads to every server', () => {
    const upstreams = /reverse_proxy (.*) \{/.exec(read('docker/Caddyfile'))?.[1]?.split(' ')
    expect(upstreams).toEqual(services.filter((name) => name.startsWith('server-')).map((name) => `${name}:8080`))
  })

  test('the proxy keeps a client at one server, and its word for the client’s address is the only one', () => {
    expect(read('docker/Caddyfile')).toMatch(/lb_policy header Authorization \{\s+fallback client_ip_hash\s+\}/)
    expect(read('docker/Caddyfile')).toContain('header_up -Forwarded')
    expect(section('x-settings')).toMatch(/^ {2}TRUSTED_PROXIES: \S+$/m)
  })
})

describe('the image', () => {
  test('holds what the program needs, runs as nobody special, and has no tests in it', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, files = '']) => files.split(' '))
    const kept = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    expect([...new Set(copied)].sort()).toEqual(kept.sort())
    for (const file of copied) expect(existsSync(join(root, file)), file).toBe(true)
    expect(dockerfile).toMatch(/^USER node$/m)
    expect(dockerfile).toMatch(/npm prune --omit=dev .*--offline/)
  })

  test('needs the registry once, and takes a mirror and a further authority', () => {
    expect(dockerfile.match(/npm (ci|install|i) /g)).toHaveLength(1)
    expect(dockerfile).not.toMatch(/^# *syntax/m)
    for (const stage of dockerfile.match(/^FROM .*$/gm) ?? []) expect(stage).toMatch(/^FROM \$\{NODE_IMAGE\}/)
    expect(dockerfile).toMatch(/--mount=type=secret,id=ca/)
    expect(dockerfile).toContain('--registry "$NPM_REGISTRY"')
    for (const name of ['NODE_IMAGE', 'NPM_REGISTRY']) {
      const [, standard] = new RegExp(`^ARG ${name}=(.*)$`, 'm').exec(dockerfile) ?? []
      expect(service('credentials')).toContain(`${name}: \${${name}:-${standard}}`)
    }
    expect(existsSync(join(root, /BUILD_CA_FILE:-(.*?)\}/.exec(compose)?.[1] ?? 'none'))).toBe(true)
  })
})

describe('the first credential', () => {
  const run = (file: string) =>
    spawnSync('sh', ['docker/first-credential.sh', process.execPath, 'bin/intendant.js'], {
      cwd: root,
      env: { PATH: process.env.PATH, CREDENTIALS_FILE: file },
      encoding: 'utf8',
    })

  test('is made once, its token kept for those who may read it and not printed', () => {
    const directory = temporaryDirectory()
    const file = join(directory, 'credentials.json')
    const first = run(file)
    expect(first.status, first.stderr).toBe(0)
    const token = readFileSync(join(directory, 'admin.token'), 'utf8').trim()
    expect(token).toMatch(/^[\w-]{30,}$/)
    expect(statSync(join(directory, 'admin.token')).mode & 0o777).toBe(0o600)
    expect(first.stdout).toContain('admin.token')
    expect(first.stdout + first.stderr).not.toContain(token)
    const made = readFileSync(file, 'utf8')
    expect(run(file).status).toBe(0)
    expect(readFileSync(file, 'utf8')).toBe(made)
  })
})
