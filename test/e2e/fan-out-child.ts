import { enableCompileCache } from 'node:module'
import { fanOutWork } from '../fan-out-work.ts'

// The program with one more kind of work, which goes over targets and writes down each run.
enableCompileCache()
const { faces } = await import('../../src/app/faces.ts')
const { buildApp } = await import('../../src/app.ts')
const { runUntilSignalled } = await import('../../src/cli/run-until-signal.ts')
const { loadConfig } = await import('../../src/config.ts')
const { faceOfWorks } = await import('../face-of-works.ts')

const config = loadConfig(process.env, { faces: [...faces, faceOfWorks(fanOutWork(process.env.RUNS_FILE))] })
await runUntilSignalled<{ start(): Promise<void>; stop(): Promise<void>; url(): string }>(
  () => buildApp(config),
  (app) => console.log(JSON.stringify({ url: app.url() })),
)
