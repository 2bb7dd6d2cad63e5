import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKafka } from '../../../src/bus/kafka/client.ts'
import { createKafkaBus } from '../../../src/bus/kafka/jobs/kafka-job-bus.ts'
import type { KafkaSettings } from '../../../src/bus/kafka/settings.ts'
import { checkKafka } from '../../../src/bus/kafka/startup-check.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { makeCertificate } from '../../engines/certificate.ts'
import { canConfigureKafka, type OwnKafka, ownKafka } from '../../engines/own.ts'
import { freePortPair } from '../../engines/ports.ts'
import { kafkaBrokers } from '../../engines/running.ts'
import { job, keptLog, listen, openBus, settingsFor } from './harness.ts'

const secret = 'right-9f3c-Secret'
const wrong = 'wrong-77aa-Secret'

/** What a check says, and that it says no secret. */
const problemOf = async (settings: KafkaSettings): Promise<string | undefined> => {
  const { logger, lines } = keptLog()
  const problem = await checkKafka({ settings, logger, clock: systemClock, timeoutMs: 5_000 })
  for (const text of [problem?.sentence ?? '', ...lines]) {
    expect(text).not.toContain(secret)
    expect(text).not.toContain(wrong)
  }
  return problem?.sentence
}

describe.skipIf(!canConfigureKafka)('Kafka with TLS and SCRAM', () => {
  const directory = mkdtempSync(join(tmpdir(), 'intendant-kafka-tls-'))
  let kafka: OwnKafka
  let certificate: string
  let other: string

  beforeAll(async () => {
    const made = makeCertificate(directory, 'broker', 'IP:127.0.0.1')
    certificate = made.certificate
    other = makeCertificate(directory, 'somebody', 'IP:127.0.0.1').certificate
    const store = join(directory, 'store.pem')
    writeFileSync(store, readFileSync(made.key, 'utf8') + readFileSync(certificate, 'utf8'))
    const port = await freePortPair()
    const properties = join(directory, 'broker.properties')
    const module = 'org.apache.kafka.common.security.scram.ScramLoginModule'
    writeFileSync(
      properties,
      [
        `listeners=SASL_SSL://127.0.0.1:${port},CONTROLLER://127.0.0.1:${port + 1}`,
        `advertised.listeners=SASL_SSL://127.0.0.1:${port}`,
        'inter.broker.listener.name=SASL_SSL',
        'sasl.enabled.mechanisms=SCRAM-SHA-512',
        'sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512',
        `listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=${module} required username="admin" password="${secret}";`,
        'ssl.keystore.type=PEM',
        `ssl.keystore.location=${store}`,
        'ssl.truststore.type=PEM',
        `ssl.truststore.location=${certificate}`,
        '',
      ].join('\n'),
    )
    kafka = await ownKafka({ properties, scram: `admin:${secret}`, port })
  })
  afterAll(async () => {
    await kafka?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  const settings = (more: Readonly<Record<string, string>> = {}): KafkaSettings =>
    settingsFor(kafka.brokers, {
      KAFKA_TLS: 'true',
      KAFKA_TLS_CA_FILE: certificate,
      KAFKA_SASL_MECHANISM: 'scram-sha-512',
      KAFKA_SASL_USERNAME: 'admin',
      KAFKA_SASL_PASSWORD: secret,
      ...more,
    })

  test('carries jobs for the right user, whose password no line of the log holds', async () => {
    const { logger, lines } = keptLog('trace')
    const bus = await openBus(settings(), logger)
    const member = listen(bus)
    await bus.publish([job('a')])
    await member.heardAll([job('a')])
    expect(bus.connected()).toBe(true)
    expect(lines.length).toBeGreaterThan(0)
    expect(lines.join('')).not.toContain(secret)
    expect(await problemOf(settings())).toBeUndefined()
  })

  test('a wrong password is said at once, without the password', async () => {
    const refused = settings({ KAFKA_SASL_PASSWORD: wrong })
    expect(await problemOf(refused)).toBe(
      `${kafka.brokers} refused the user "admin" (scram-sha-512): wrong name or password (KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD)`,
    )
    const { logger, lines } = keptLog('trace')
    const bus = createKafkaBus({ settings: refused, logger, clock: systemClock })
    const begun = systemClock.now()
    await expect(bus.start()).rejects.toThrow(/refused the user "admin"/)
    expect(systemClock.now() - begun).toBeLessThan(5_000)
    await bus.close()
    expect(lines.join('')).not.toContain(wrong)
  })

  test('a mechanism that the broker does not take is named', async () => {
    expect(await problemOf(settings({ KAFKA_SASL_MECHANISM: 'plain' }))).toBe(
      `${kafka.brokers} does not take plain (KAFKA_SASL_MECHANISM)`,
    )
  })

  test('plain text to a port of TLS is said to be that', async () => {
    const plain = settingsFor(kafka.brokers)
    expect(await problemOf(plain)).toMatch(
      /closed the connection without an answer: it may be stopping, or want TLS \(KAFKA_TLS\)/,
    )
    const user = settings({ KAFKA_TLS: 'false', KAFKA_TLS_CA_FILE: '' })
    expect(await problemOf(user)).toMatch(/closed the connection without an answer: .*TLS \(KAFKA_TLS\)/)
  })

  test('a broker whose certificate nobody vouches for is not trusted', async () => {
    expect(await problemOf(settings({ KAFKA_TLS_CA_FILE: other }))).toMatch(/^TLS to 127.0.0.1:\d+ failed: .*KAFKA_TLS_CA_FILE/)
    expect(await problemOf(settings({ KAFKA_TLS_CA_FILE: '' }))).toMatch(/^TLS to 127.0.0.1:\d+ failed: .*KAFKA_TLS_CA_FILE/)
  })
})

describe.skipIf(kafkaBrokers === undefined)('settings that a plain Kafka does not fit', () => {
  test('TLS to a port without it is said to be that', async () => {
    expect(await problemOf(settingsFor(kafkaBrokers ?? '', { KAFKA_TLS: 'true' }))).toMatch(
      /it may not be a TLS port \(KAFKA_TLS\)/,
    )
  })

  test('a user for a port that wants none is named', async () => {
    const user = { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'me', KAFKA_SASL_PASSWORD: secret }
    expect(await problemOf(settingsFor(kafkaBrokers ?? '', user))).toMatch(/wants no user on this port/)
  })
})

describe('settings that no Kafka fits', () => {
  test('nobody at the address', async () => {
    const port = await freePortPair()
    expect(await problemOf(settingsFor(`127.0.0.1:${port}`))).toBe(`no broker answers at 127.0.0.1:${port} (ECONNREFUSED)`)
  })

  test('files that are not there, or are no certificates', () => {
    const open = (file: string) => () =>
      createKafka({
        settings: settingsFor('127.0.0.1:1', { KAFKA_TLS: 'true', KAFKA_TLS_CA_FILE: file }),
        logger: keptLog().logger,
      })
    expect(open('/nowhere/ca.pem')).toThrow('KAFKA_TLS_CA_FILE /nowhere/ca.pem cannot be read (ENOENT)')
    expect(open('package.json')).toThrow('KAFKA_TLS_CA_FILE package.json is not a PEM file')
  })
})
