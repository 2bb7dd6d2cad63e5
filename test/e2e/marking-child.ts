import { appendFileSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { z } from 'zod'
import { systemClock } from '../../src/lib/clock.ts'
import type { Work } from '../../src/workers/work.ts'

// The program with one more kind of work: an attempt of `marking` holds a file while it runs, and says so where another one does.
enableCompileCache()
const { faces } = await import('../../src/app/faces.ts')
const { buildApp } = await import('../../src/app.ts')
const { buildWorker } = await import('../../src/app/worker.ts')
const { runUntilSignalled } = await import('../../src/cli/run-until-signal.ts')
const { loadConfig } = await import('../../src/config.ts')
const { parseKindPatterns } = await import('../../src/workers/engine/kind-patterns.ts')
const { faceOfWorks } = await import('../face-of-works.ts')

const directory = process.env.MARKS_DIR ?? '.'

const marking: Work<{ sleepMs: number }> = {
  kind: 'marking',
  face: null,
  description: 'Holds a file while it runs',
  submittable: true,
  input: z.object({ sleepMs: z.number() }),
  policy: { attempts: 100, timeoutMs: 60_000, backoff: { initialMs: 50, factor: 1, maxMs: 50 }, whenLost: 'retry' },
  run: async ({ sleepMs }, { operationId, attempt, signal }) => {
    const mark = join(directory, operationId)
    const handle = await open(mark, 'wx').catch(() => undefined)
    if (handle === undefined) appendFileSync(join(directory, 'violations'), `${operationId} attempt ${attempt}\n`)
    try {
      await systemClock.sleep(sleepMs, signal)
      return null
    } finally {
      await handle?.close()
      await rm(mark, { force: true })
    }
  },
}

const config = loadConfig(process.env, { faces: [...faces, faceOfWorks(marking as Work)] })
await runUntilSignalled<{ start(): Promise<void>; stop(): Promise<void>; url(): string }>(
  () =>
    process.argv[2] === 'serve'
      ? buildApp(config, { takesWork: false })
      : buildWorker(config, { patterns: parseKindPatterns('marking') }),
  (app) => console.log(JSON.stringify({ url: app.url() })),
)
