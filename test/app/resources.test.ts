import { expect, onTestFinished, test } from 'vitest'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { temporaryDirectory } from '../e2e/harness.ts'

const here = { HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'silent' }

test('a server that cannot be put together gives the data directory back', async () => {
  const DATA_DIR = temporaryDirectory()
  const broken = {
    CRAWLING_MODE: 'bridge',
    CRAWLING_KAFKA_BROKERS: '127.0.0.1:1',
    KAFKA_TLS: 'true',
    KAFKA_TLS_CA_FILE: `${DATA_DIR}/nothing.pem`,
  }
  await expect(buildApp(loadConfig({ ...here, ...broken, DATA_DIR }))).rejects.toThrow('nothing.pem')
  const app = await buildApp(loadConfig({ ...here, DATA_DIR }))
  onTestFinished(() => app.stop())
  await app.start()
  expect((await fetch(`${app.url()}/readyz`)).status).toBe(200)
})
