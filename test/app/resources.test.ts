import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
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

test.each(['views', 'views/past', 'blobs'])(
  'a file where the folder %s belongs is refused with its path and what to do',
  async (name) => {
    const DATA_DIR = temporaryDirectory()
    const path = `${DATA_DIR}/${name}`
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, '')
    await expect(buildApp(loadConfig({ ...here, DATA_DIR }))).rejects.toThrow(
      `${path} is not a directory: move it away, and start again`,
    )
  },
)
