import { expect, test } from 'vitest'
import { isLoopback, loadConfig } from '../src/config.ts'
import { crawlingSettingsOf } from './crawling-settings.ts'

test('everything has a default', () => {
  expect(loadConfig({})).toMatchObject({
    host: '127.0.0.1',
    port: 8080,
    dataDir: './data',
    credentialsFile: 'data/credentials.json',
    logLevel: 'info',
    shutdownGraceMs: 10_000,
    maxBodyBytes: 1_048_576,
    nativeHeadersOnFaces: true,
  })
  expect(crawlingSettingsOf(loadConfig({}))).toMatchObject({ hits: 10, windowS: 60 })
})

test('values are read as what they mean', () => {
  const config = loadConfig({ PORT: '0', DATA_DIR: '/srv/x', NATIVE_HEADERS_ON_FACES: 'false', CRAWLING_HITS: '3' })
  expect(config).toMatchObject({ port: 0, credentialsFile: '/srv/x/credentials.json', nativeHeadersOnFaces: false })
  expect(crawlingSettingsOf(config).hits).toBe(3)
})

test.each([
  [{}, true],
  [{ HOST: '0.0.0.0' }, false],
  [{ HOST: '0.0.0.0', CRAWLING_ALLOW_PRIVATE: 'true' }, true],
  [{ CRAWLING_ALLOW_PRIVATE: 'false' }, false],
])('%j: crawls of private addresses are allowed: %s', (env, expected) => {
  expect(crawlingSettingsOf(loadConfig(env)).allowPrivate).toBe(expected)
})

test('a TLS listener stands beside the plain one, or alone', () => {
  const tls = { TLS_PORT: '8443', TLS_CERT_FILE: '/c', TLS_KEY_FILE: '/k' }
  const expected = { port: 8443, certificate: '/c', key: '/k', clientAuthorities: undefined }
  expect(loadConfig({})).toMatchObject({ tls: undefined })
  expect(loadConfig(tls)).toMatchObject({ port: 8080, tls: expected })
  expect(loadConfig({ ...tls, PORT: 'off', TLS_CLIENT_CA_FILE: '/ca' })).toMatchObject({
    port: undefined,
    tls: { ...expected, clientAuthorities: '/ca' },
  })
})

test.each([
  [{ PORT: 'off' }, /^PORT off needs TLS_PORT, TLS_CERT_FILE and TLS_KEY_FILE$/],
  [{ PORT: 'none' }, /^PORT is not a whole number$/],
  [{ TLS_PORT: '8443' }, /^TLS_PORT needs TLS_CERT_FILE and TLS_KEY_FILE too$/],
  [{ TLS_CLIENT_CA_FILE: '/ca', TLS_CERT_FILE: '/c' }, /^TLS_CERT_FILE, TLS_CLIENT_CA_FILE needs TLS_PORT and TLS_KEY_FILE too$/],
  [{ TLS_PORT: '70000', TLS_CERT_FILE: '/c', TLS_KEY_FILE: '/k' }, /^TLS_PORT is above 65535$/],
])('%j is refused', (env, message) => expect(() => loadConfig(env)).toThrow(message))

test('an empty value is an unset one', () => expect(loadConfig({ PORT: '', EVENTSTOREDB_URL: '' }).port).toBe(8080))

test('the engines are named by their addresses', () => {
  const config = loadConfig({
    EVENTSTOREDB_URL: 'esdb://127.0.0.1:2113?tls=false',
    KAFKA_BROKERS: 'one:9092, two:9092',
    KAFKA_PARTITIONS: '3',
    BLOBS_DIR: '/srv/blobs',
  })
  expect(config.eventStoreDb).toMatchObject({ url: 'esdb://127.0.0.1:2113?tls=false' })
  expect(config.kafka).toMatchObject({ brokers: ['one:9092', 'two:9092'], partitions: 3, topicPrefix: 'intendant', tls: false })
  expect(config.blobsDir).toBe('/srv/blobs')
  expect(loadConfig({})).toMatchObject({ eventStoreDb: undefined, kafka: undefined, blobsDir: 'data/blobs' })
})

const both = { EVENTSTOREDB_URL: 'esdb://h:1', KAFKA_BROKERS: 'h:1' }
test.each([
  [{ KAFKA_BROKERS: 'h:1' }, /KAFKA_BROKERS needs EVENTSTOREDB_URL/],
  [{ EVENTSTOREDB_URL: 'http://user:hush@h:1' }, /EVENTSTOREDB_URL is not a connection string/],
  [{ ...both, KAFKA_BROKERS: 'nowhere' }, /KAFKA_BROKERS is not host:port/],
  [{ ...both, KAFKA_BROKERS: 'one:9092,[::1]:9092' }, /^KAFKA_BROKERS cannot name a broker by an IPv6 address: [^\n]+$/],
  [{ ...both, KAFKA_SASL_PASSWORD: 'hush' }, /KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD/],
  [{ ...both, KAFKA_TLS: 'true', KAFKA_TLS_KEY_FILE: 'k' }, /KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE/],
  [{ ...both, KAFKA_TLS_CA_FILE: 'ca' }, /need KAFKA_TLS=true/],
])('%j is refused, and no secret is repeated', (env, message) => {
  expect(() => loadConfig(env)).toThrow(message)
  expect(() => loadConfig(env)).not.toThrow(/hush/)
})

test.each([
  { PORT: '70000' },
  { PORT: '80a' },
  { LEASE_MS: '1' },
  { LOG_LEVEL: 'loud' },
  { NATIVE_HEADERS_ON_FACES: 'perhaps' },
  { CRAWLING_HITS: 'many' },
])('%j is refused by name', (env) => expect(() => loadConfig(env)).toThrow(new RegExp(String(Object.keys(env)[0]))))

test('every setting that is wrong is named at once', () => {
  expect(() => loadConfig({ PORT: 'x', CRAWLING_HITS: 'y' })).toThrow(/PORT[\s\S]*CRAWLING_HITS/)
})

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['localhost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['192.168.1.2', false],
  ['example.com', false],
])('%s is loopback: %s', (host, expected) => expect(isLoopback(host)).toBe(expected))
