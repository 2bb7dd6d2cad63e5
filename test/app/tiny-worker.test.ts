import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { faces } from '../../src/app/faces.ts'
import { buildWorker } from '../../src/app/worker.ts'
import { loadConfig } from '../../src/config.ts'
import { newId } from '../../src/lib/ids.ts'
import { parseKindPatterns } from '../../src/workers/engine/kind-patterns.ts'
import { eventStoreDbUrl, kafkaBrokers } from '../engines/running.ts'
import { startApp } from '../http/app.ts'
import { tinyFace } from './tiny-face.ts'

const viewsIn = (directory: string): readonly string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .flatMap((file) => file.match(/^views-[^/]*\/([a-z-]+)-v\d.*\.db$/)?.[1] ?? [])
    .sort()

test.skipIf(eventStoreDbUrl === undefined || kafkaBrokers === undefined)(
  'a worker process runs the kind of the tiny face, and builds the one view that it reads',
  { timeout: 120_000 },
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'intendant-tiny-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const blobs = join(directory, 'blobs')
    mkdirSync(blobs)
    const shared = {
      EVENTSTOREDB_URL: eventStoreDbUrl ?? '',
      KAFKA_BROKERS: kafkaBrokers ?? '',
      KAFKA_TOPIC_PREFIX: `tiny-${newId()}`,
      KAFKA_PARTITIONS: '2',
      BLOBS_DIR: blobs,
      SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
    }
    const server = await startApp(shared, { further: [tinyFace()], takesWork: false })
    onTestFinished(() => server.stop())
    const dataDir = join(directory, 'worker')
    mkdirSync(dataDir)
    const worker = await buildWorker(
      loadConfig({ ...shared, HOST: '127.0.0.1', PORT: '0', DATA_DIR: dataDir }, { faces: [...faces, tinyFace()] }),
      { patterns: parseKindPatterns('tiny.*'), logger: pino({ level: 'silent' }) },
    )
    onTestFinished(() => worker.stop())
    await worker.start()
    expect(worker.kinds).toEqual(['tiny.count'])

    const made = await server.ask(`POST /tiny/notes/${newId()}`, { raw: 'twelve chars' })
    expect(made.status).toBe(202)
    const { json } = await server.ask(`GET /v1/operations/${made.json.operation}?wait=60`)
    expect(json).toMatchObject({ state: 'succeeded', result: { characters: 12 } })
    expect(viewsIn(dataDir)).toEqual(['tiny-notes'])
    expect(viewsIn(server.dataDir)).toContain('operations')
  },
)
