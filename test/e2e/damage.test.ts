import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  truncateSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'
import { loadMasterKey, openSecrets } from '../../src/stores/embedded/secrets.ts'
import {
  allEvents,
  getJson,
  runCommand,
  type ServerProcess,
  startCommand,
  startServer,
  submitProbe,
  temporaryDirectory,
  untilEnded,
} from './harness.ts'

const stop = async (server: ServerProcess): Promise<void> => {
  server.kill('SIGTERM')
  expect(await server.ended).toEqual({ code: 0, signal: null })
}

const work = async (server: ServerProcess, count: number): Promise<string> => {
  const ids = await Promise.all(Array.from({ length: count }, (_, echo) => submitProbe(server.url, { echo })))
  for (const id of ids) await untilEnded(server.url, id)
  return String(ids.at(-1))
}

/** The data directory of a server that has worked and is stopped. */
const used = async (): Promise<string> => {
  const server = await startServer()
  await work(server, 3)
  await stop(server)
  return server.dataDir
}

const refusal = async (dataDir: string): Promise<string> => {
  const { code, stderr } = await runCommand(['serve', '--data-dir', dataDir, '--port', '0'], { env: { LOG_LEVEL: 'error' } })
  expect(code).toBe(1)
  return stderr
}

/** Paths that others than the owner may read, write or enter. */
const openPaths = (directory: string): string[] =>
  [directory, ...readdirSync(directory, { recursive: true }).map((name) => join(directory, String(name)))].filter(
    (path) => (lstatSync(path).mode & 0o077) !== 0,
  )

test('files are for their owner alone, whatever the umask; wider modes are tightened at the start', async () => {
  const before = process.umask(0)
  try {
    const server = await startServer()
    const { dataDir } = server
    await work(server, 2)
    // A page whose item and body are blobs.
    await fetch(`${server.url}/feed`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ url: server.url, appid: 'a', crawlid: 'c' }),
    })
    expect(openPaths(dataDir)).toEqual([])
    await stop(server)
    const backup = join(temporaryDirectory(), 'backup')
    for (const name of ['log.db', 'secrets.key']) chmodSync(join(dataDir, name), 0o644)
    mkdirSync(join(dataDir, 'blobs', '00'), { mode: 0o755 })
    writeFileSync(join(dataDir, 'blobs', '00', 'old'), 'old', { mode: 0o666 })
    for (const name of ['blobs', '.']) chmodSync(join(dataDir, name), 0o755)
    expect((await runCommand(['backup', backup, '--data-dir', dataDir])).code).toBe(0)
    expect(openPaths(backup)).toEqual([])
    const restored = temporaryDirectory()
    chmodSync(restored, 0o755)
    expect(await runCommand(['restore', backup, '--data-dir', restored])).toMatchObject({ code: 0, stderr: '' })
    expect(openPaths(restored)).toEqual([])
    expect(openPaths(dataDir).length).toBeGreaterThan(4)
    await stop(await startServer({ dataDir }))
    expect(openPaths(dataDir)).toEqual([])
  } finally {
    process.umask(before)
  }
})

test.each([
  ['empty', 'secrets.key'],
  ['missing', 'secrets.key'],
  ['empty', 'views'],
  ['missing', 'views'],
])('an %s log beside %s is refused, and begun anew only when told so', async (how, beside) => {
  const dataDir = await used()
  const log = join(dataDir, 'log.db')
  for (const suffix of ['-wal', '-shm']) rmSync(`${log}${suffix}`, { force: true })
  if (how === 'empty') truncateSync(log)
  else rmSync(log)
  rmSync(join(dataDir, beside === 'views' ? 'secrets.key' : 'views'), { recursive: true })
  const stderr = await refusal(dataDir)
  expect(stderr).toContain(`the log ${log} is ${how}`)
  expect(stderr).toContain(beside)
  expect(stderr).toContain('--accept-loss')
  expect((await runCommand(['backup', join(temporaryDirectory(), 'b'), '--data-dir', dataDir])).code).not.toBe(0)
  expect(existsSync(log)).toBe(how === 'empty')
  expect(await refusal(dataDir)).toBe(stderr)
  const server = await startServer({ dataDir, words: ['--accept-loss'] })
  expect(await allEvents(server.url)).toEqual([])
  await work(server, 1)
  await stop(server)
  await stop(await startServer({ dataDir }))
})

test('a key file that is missing beside sealed values is refused', async () => {
  const dataDir = await used()
  const file = join(dataDir, 'secrets.key')
  const log = await openEmbeddedLog({ path: join(dataDir, 'log.db'), clock: systemClock })
  await openSecrets({ log, masterKey: loadMasterKey({ directory: dataDir }) }).seal('operation-1', 'hunter2')
  await log.close()
  const kept = join(temporaryDirectory(), 'key')
  copyFileSync(file, kept)
  rmSync(file)
  expect(await refusal(dataDir)).toMatch(/secrets\.key is missing.*1 subject.*SECRETS_KEY.*--accept-loss/s)
  expect(existsSync(file)).toBe(false)
  copyFileSync(kept, file)
  await stop(await startServer({ dataDir }))
  rmSync(file)
  await stop(await startServer({ dataDir, words: ['--accept-loss'] }))
  await stop(await startServer({ dataDir }))
})

test('a view that is ahead of the log is proof of a loss: kept, named with both positions, and put aside when told so', async () => {
  const dataDir = await used()
  const log = join(dataDir, 'log.db')
  const older = join(temporaryDirectory(), 'older.db')
  copyFileSync(log, older)
  const server = await startServer({ dataDir })
  const head = (await allEvents(server.url)).at(-1)?.position
  await work(server, 5)
  const last = (await allEvents(server.url)).at(-1)?.position
  await stop(server)
  copyFileSync(older, log)
  const views = readdirSync(join(dataDir, 'views'))
  const stderr = await refusal(dataDir)
  expect(stderr).toContain(`has reached ${last}, but the log ends at ${head}`)
  expect(stderr).toContain('--accept-loss')
  expect(readdirSync(join(dataDir, 'views'))).toEqual(views)
  expect(await refusal(dataDir)).toBe(stderr)

  const again = await startServer({ dataDir, words: ['--accept-loss'] })
  expect((await allEvents(again.url)).at(-1)?.position).toBe(head)
  const { items } = (await getJson(`${again.url}/v1/projections`)) as { items: { state: string; position: string }[] }
  for (const view of items) expect(view).toMatchObject({ state: 'live', position: head })
  await stop(again)
  expect(readdirSync(join(dataDir, 'views')).filter((name) => name.endsWith(`.ahead-of-${head}`)).length).toBe(items.length)
  await stop(await startServer({ dataDir }))
})

test('a restore that was killed is refused, and done again from the beginning', async () => {
  const source = await used()
  writeFileSync(join(source, 'blobs', 'large'), Buffer.alloc(48 * 1024 * 1024, 'x'))
  const backup = join(temporaryDirectory(), 'backup')
  expect((await runCommand(['backup', backup, '--data-dir', source])).code).toBe(0)
  const dataDir = temporaryDirectory()
  const began = new Promise<void>((resolve) => {
    const watcher = watch(dataDir, (_event, name) => {
      if (name !== 'restoring') return
      watcher.close()
      resolve()
    })
  })
  const restore = startCommand(['restore', backup, '--data-dir', dataDir])
  await began
  restore.kill('SIGKILL')
  await restore.ended
  expect(existsSync(join(dataDir, 'log.db'))).toBe(false)
  expect(await refusal(dataDir)).toMatch(/was ended before it was complete.*intendant restore/s)
  expect(existsSync(join(dataDir, 'log.db'))).toBe(false)
  expect(await runCommand(['restore', backup, '--data-dir', dataDir])).toMatchObject({ code: 0, stderr: '' })
  expect(existsSync(join(dataDir, 'restoring'))).toBe(false)
  await stop(await startServer({ dataDir }))
})
