import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock as clock } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { LogsDiffer } from '../../src/stores/copy/copy-end.ts'
import { copyLog } from '../../src/stores/copy/copy-log.ts'
import { openEmbeddedLogEnd } from '../../src/stores/embedded/copy-end.ts'
import { lockDataDir } from '../../src/stores/embedded/data-directory-lock.ts'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'
import { openSecrets } from '../../src/stores/embedded/secrets.ts'
import type { EventLog, RecordedEvent } from '../../src/stores/event-log.ts'
import { all, event, events } from '../contracts/event-log-tools.ts'
import { runCommand, temporaryDirectory } from '../e2e/harness.ts'
import { canOwnEventStoreDb } from '../engines/own.ts'
import { opened, ownServer } from '../stores/eventstoredb/opened.ts'

const masterKey = Buffer.alloc(32, 7)

const withLog = async <Result>(directory: string, use: (log: EventLog) => Promise<Result>): Promise<Result> => {
  const log = await openEmbeddedLog({ path: join(directory, 'log.db'), clock })
  try {
    return await use(log)
  } finally {
    await log.close()
  }
}

/** Streams that interleave, long runs of one stream, secrets of which one is forgotten and one made anew. */
const writeHistory = async (log: EventLog, operations: number): Promise<readonly string[]> => {
  const secrets = openSecrets({ log, masterKey })
  const sealed: string[] = []
  for (const subject of ['kept', 'forgotten', 'anew']) sealed.push(await secrets.seal(subject, `secret of ${subject}`))
  for (let done = 0; done < operations; done += 50)
    await Promise.all(
      Array.from({ length: Math.min(50, operations - done) }, async () => {
        const stream = `operation-${newId()}`
        for (let revision = -1; revision < 2; revision++)
          await log.append(stream, revision < 0 ? 'noStream' : revision, [
            event('Moved', { text: 'żółć "☃"', nested: { b: [1, { a: null }] } }),
          ])
      }),
    )
  await log.append('output-long', 'noStream', events(700))
  await log.append('output-large', 'noStream', [
    event('Large', { text: 'x'.repeat(900_000) }),
    event('Small', { text: 'é'.repeat(50_000) }),
  ])
  await log.append('output-large', 1, [event('Large', { text: 'y'.repeat(900_000) })])
  await secrets.forget('forgotten')
  await secrets.forget('anew')
  sealed.push(await secrets.seal('anew', 'another secret'))
  return sealed
}

/** What a copy keeps of an event: all but its place, which is the engine's own. */
const kept = (recorded: readonly RecordedEvent[]) => recorded.map(({ position: _, ...rest }) => rest)
const copy = (from: string, to: string) => runCommand(['log', 'copy', '--from', from, '--to', to, '--json'])

describe('copying a log', () => {
  test('from file to file: the copy is the log, and a second run finds nothing to do', async () => {
    const [source, target] = [temporaryDirectory(), join(temporaryDirectory(), 'made')]
    await withLog(source, (log) => writeHistory(log, 60))
    const first = await copy(source, target)
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(kept(await withLog(target, (log) => all(log.readAll())))).toEqual(
      kept(await withLog(source, (log) => all(log.readAll()))),
    )
    const report = JSON.parse(first.stdout)
    const again = JSON.parse((await copy(join(source, 'log.db'), target)).stdout)
    expect(again).toMatchObject({ events: report.events, alreadyThere: report.events, digest: report.digest, verified: true })
    expect(first.stdout).toContain('SECRETS_KEY')
    expect(first.stdout).toContain('blobs')
    // What happened since is copied by another run.
    await withLog(source, (log) => log.append('later-1', 'noStream', [event()]))
    expect(JSON.parse((await copy(source, target)).stdout)).toMatchObject({
      events: report.events + 1,
      alreadyThere: report.events,
    })
  })

  test('a target with other events is refused and stays as it is', async () => {
    const [source, target] = [temporaryDirectory(), temporaryDirectory()]
    await withLog(source, (log) => writeHistory(log, 5))
    await withLog(target, async (log) => {
      await openSecrets({ log, masterKey }).seal('its own', 'secret')
      await log.append('other-1', 'noStream', [event()])
    })
    const before = await withLog(target, (log) => all(log.readAll()))
    const refused = await copy(source, target)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('other-1@0')
    expect(await withLog(target, (log) => all(log.readAll()))).toEqual(before)
    expect(await withLog(target, (log) => all(log.readStream('key-its own')))).toHaveLength(1)
  })

  test('a target that goes on after the source ended is refused', async () => {
    const [source, target] = [temporaryDirectory(), temporaryDirectory()]
    await withLog(source, (log) => writeHistory(log, 5))
    await copy(source, target)
    await withLog(target, (log) => log.append('own-1', 'noStream', [event()]))
    expect(await copy(source, target)).toMatchObject({ code: 1, stderr: expect.stringContaining('own-1@0') })
  })

  test('a key that was forgotten between two runs is forgotten in the copy', async () => {
    const [source, target] = [temporaryDirectory(), temporaryDirectory()]
    await withLog(source, (log) => writeHistory(log, 5))
    await copy(source, target)
    expect(await withLog(target, (log) => all(log.readStream('key-kept')))).toHaveLength(1)
    expect(await withLog(target, (log) => all(log.readStream('key-forgotten')))).toHaveLength(0)
    await withLog(source, (log) => openSecrets({ log, masterKey }).forget('kept'))
    expect(JSON.parse((await copy(source, target)).stdout)).toMatchObject({ forgotten: 1 })
    expect(await withLog(target, (log) => all(log.readStream('key-kept')))).toHaveLength(0)
  })

  test('a copy that lost an event on its way is found out', async () => {
    const [source, target] = [temporaryDirectory(), temporaryDirectory()]
    await withLog(source, (log) => writeHistory(log, 5))
    const [from, to] = [openEmbeddedLogEnd(join(source, 'log.db')), openEmbeddedLogEnd(join(target, 'log.db'))]
    const losing = (lost: (event: RecordedEvent) => boolean) => ({
      ...to,
      append: (copied: readonly RecordedEvent[]) => to.append(copied.filter((event) => !lost(event))),
    })
    const small = losing(({ type }) => type === 'Small')
    await expect(copyLog({ from, to: small })).rejects.toThrow(LogsDiffer)
    const last = losing(({ stream }) => stream === 'key-anew')
    await expect(copyLog({ from, to: last })).rejects.toThrow('lacks key-anew@0')
    await copyLog({ from, to })
    await Promise.all([from.close(), to.close()])
  })

  test('what is not there, held, or out of reach is said', async () => {
    const [source, target] = [temporaryDirectory(), temporaryDirectory()]
    expect((await copy(source, target)).code).toBe(3)
    await withLog(source, (log) => writeHistory(log, 1))
    const lock = lockDataDir(source, { command: 'serve', pid: process.pid })
    expect(await copy(source, target)).toMatchObject({ code: 1, stderr: expect.stringContaining('in use') })
    lock.release()
    mkdirSync(join(target, 'views'))
    expect(await copy(source, target)).toMatchObject({ code: 1, stderr: expect.stringContaining('another log') })
    const secret = `p${newId()}`
    const away = await copy(source, `esdb://user:${secret}@127.0.0.1:1?tls=false`)
    expect(away).toMatchObject({ code: 6, stderr: expect.stringContaining('127.0.0.1:1') })
    expect(away.stderr + away.stdout).not.toContain(secret)
    expect((await runCommand(['log', 'copy', '--from', source])).code).toBe(2)
  })
})

describe.skipIf(!canOwnEventStoreDb)('copying a log to and from EventStoreDB', () => {
  test('file to server to file and server to server: the same log, event by event', async () => {
    const [source, back] = [temporaryDirectory(), temporaryDirectory()]
    const [first, second] = [await ownServer(), await ownServer()]
    const sealed = await withLog(source, (log) => writeHistory(log, 100))
    const there = await copy(source, first.url)
    expect(there).toMatchObject({ code: 0, stderr: '' })
    const { events: count, digest } = JSON.parse(there.stdout)
    for (const [from, to] of [
      [first.url, second.url],
      [second.url, back],
    ] as const)
      expect(JSON.parse((await copy(from, to)).stdout)).toMatchObject({ events: count, alreadyThere: 0, digest })

    const original = kept(await withLog(source, (log) => all(log.readAll())))
    expect(kept(await withLog(back, (log) => all(log.readAll())))).toEqual(original)
    const { log } = await opened(first.url)
    expect(kept(await all(log.readAll()))).toEqual(original)
    const secrets = openSecrets({ log, masterKey })
    const [keptSecret = '', forgotten = '', before = '', anew = ''] = sealed
    expect(await secrets.open('kept', keptSecret)).toBe('secret of kept')
    expect(await secrets.open('anew', anew)).toBe('another secret')
    await expect(secrets.open('forgotten', forgotten)).rejects.toThrow('forgotten')
    await expect(secrets.open('anew', before)).rejects.toThrow('forgotten')

    // Forgotten on the server its bytes are still in `$all`: they must not come back.
    await secrets.forget('kept')
    await secrets.seal('anew once more', 'x')
    expect(JSON.parse((await copy(first.url, second.url)).stdout)).toMatchObject({ events: count, forgotten: 1 })
    const { log: other } = await opened(second.url)
    expect(await all(other.readStream('key-kept'))).toEqual([])
    expect(await all(other.readStream('key-anew once more'))).toHaveLength(1)
    expect((await all(other.readStream('key-log-identity')))[0]?.data).not.toEqual(
      (await all(log.readStream('key-log-identity')))[0]?.data,
    )
  })

  test('killed again and again, it goes on where it was', async () => {
    const source = temporaryDirectory()
    const server = await ownServer()
    await withLog(source, (log) => writeHistory(log, 400))
    const { log } = await opened(server.url)
    const count = async (): Promise<number> => (await all(log.readAll())).length
    let kills = 0
    for (let there = 0; kills < 3; kills++) {
      const child = startCopy(source, server.url)
      const ended = once(child, 'exit')
      await expect.poll(count, { timeout: 30_000, interval: 50 }).toBeGreaterThan(there + 100)
      child.kill('SIGKILL')
      expect(await ended).toEqual([null, 'SIGKILL'])
      there = await count()
    }
    const finished = await copy(source, server.url)
    expect(finished).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(finished.stdout).alreadyThere).toBeGreaterThan(300)
    expect(kept(await all(log.readAll()))).toEqual(kept(await withLog(source, (file) => all(file.readAll()))))
  })

  test('a server that goes away is said, and the copy goes on later', async () => {
    const source = temporaryDirectory()
    const server = await ownServer()
    await withLog(source, (log) => writeHistory(log, 300))
    const { log } = await opened(server.url)
    const running = copy(source, server.url)
    await expect.poll(async () => (await all(log.readAll())).length, { timeout: 30_000, interval: 50 }).toBeGreaterThan(100)
    await server.kill('SIGKILL')
    await server.start()
    // A short absence is waited out.
    expect(await running).toMatchObject({ code: 0, stderr: '' })
  })
})

const startCopy = (from: string, to: string): ChildProcess => {
  const main = join(import.meta.dirname, '../../bin/intendant.js')
  const child = spawn(process.execPath, [main, 'log', 'copy', '--from', from, '--to', to], { stdio: 'ignore' })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}
