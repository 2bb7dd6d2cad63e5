import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  truncateSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'
import { loadMasterKey, openSecrets } from '../../src/stores/embedded/secrets.ts'
import {
  allEvents,
  eventsOf,
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

test('damaged bytes of the log: /readyz and the answers say so, and a view that cannot be rebuilt shows its fault', async () => {
  const first = await startServer()
  const id = await submitProbe(first.url, { echo: 'marker-500-' })
  await untilEnded(first.url, id)
  await work(first, 3)
  const [requested] = await eventsOf(first.url, id)
  await stop(first)
  const log = join(first.dataDir, 'log.db')
  const bytes = readFileSync(log)
  bytes.write('999', bytes.lastIndexOf('marker-500-') + 7)
  writeFileSync(log, bytes)

  const server = await startServer({ dataDir: first.dataDir, readiness: 503 })
  const ready = await fetch(`${server.url}/readyz`)
  expect(await ready.json()).toMatchObject({
    status: 'failing',
    checks: { log: `damaged at position ${requested?.position}: its bytes are not those that were written` },
  })
  const answer = await fetch(`${server.url}/v1/operations/${id}/events`)
  expect(answer.status).toBe(500)
  const problem = (await answer.json()) as { type: string; detail: string }
  expect(problem.type).toBe('urn:intendant:problem:damaged')
  expect(problem.detail).toContain(requested?.position)
  // What the views know and what is appended now is whole.
  expect(await getJson(`${server.url}/v1/operations/${id}`)).toMatchObject({ state: 'succeeded' })
  await work(server, 1)
  await fetch(`${server.url}/v1/projections/operations/rebuild`, { method: 'POST' })
  await expect
    .poll(
      async () => {
        const { items } = (await getJson(`${server.url}/v1/projections`)) as {
          items: { name: string; state: string; fault: unknown }[]
        }
        return items.find(({ name }) => name === 'operations')
      },
      { timeout: 60_000 },
    )
    .toMatchObject({
      state: 'faulted',
      fault: { message: expect.stringContaining(`damaged at position ${requested?.position}`) },
    })
  expect(await getJson(`${server.url}/v1/operations/${id}`)).toMatchObject({ state: 'succeeded' })
  await work(server, 1)
  await stop(server)

  // Views that have to read the damage show it; the server starts all the same.
  rmSync(join(first.dataDir, 'views'), { recursive: true })
  const again = await startServer({ dataDir: first.dataDir, readiness: 503 })
  const { items } = (await getJson(`${again.url}/v1/projections`)) as {
    items: { name: string; state: string; fault: { message: string } }[]
  }
  const view = items.find(({ name }) => name === 'operations')
  expect(view).toMatchObject({ state: 'faulted', fault: { message: expect.stringContaining('damaged') } })
  await stop(again)
})

/** A file system of that size; undefined where this user may not mount one. */
const smallDisk = (megabytes: number): string | undefined => {
  const directory = temporaryDirectory()
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs', directory])
  if (status !== 0) return undefined
  onTestFinished(() => {
    spawnSync('umount', ['-l', directory])
  })
  return directory
}

test('a full disk is said by /readyz, until there is room again', async (test) => {
  const dataDir = smallDisk(16)
  if (dataDir === undefined) return test.skip('no file system can be mounted here')
  const server = await startServer({ dataDir })
  const id = await work(server, 1)
  const { bavail, bsize } = statfsSync(dataDir)
  writeFileSync(join(dataDir, 'filling'), Buffer.alloc(bavail * bsize - 100 * 1024))
  const full = await fetch(`${server.url}/readyz`)
  expect(full.status).toBe(503)
  expect(await full.json()).toMatchObject({ status: 'failing', checks: { disk: expect.stringContaining('is full') } })
  expect((await fetch(`${server.url}/v1/operations/${id}`)).status).toBe(200)
  rmSync(join(dataDir, 'filling'))
  await expect.poll(async () => (await fetch(`${server.url}/readyz`)).status, { timeout: 60_000 }).toBe(200)
  await work(server, 1)
  await stop(server)
})
