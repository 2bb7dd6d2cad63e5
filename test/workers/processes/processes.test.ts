import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock as clock } from '../../../src/lib/clock.ts'
import { bootId, processOf } from '../../../src/workers/processes/process-table.ts'
import { createProcesses } from '../../../src/workers/processes/system-processes.ts'
import { processesContract, runs } from '../../contracts/processes.ts'
import { temporaryDirectory } from '../../stores/temporary.ts'

const logger = pino({ level: 'silent' })

processesContract('the system', (options) => createProcesses({ ...options, clock, logger }))

/** A program under way whose server was killed; answers with the numbers that it printed. */
const orphaned = async (directory: string, script: string): Promise<readonly number[]> => {
  const server = spawn(process.execPath, [join(import.meta.dirname, 'server-child.ts'), directory, script])
  const [printed] = (await once(server.stdout, 'data')) as [Buffer]
  server.kill('SIGKILL')
  await once(server, 'exit')
  const pids = String(printed).trim().split(/\s+/).map(Number)
  onTestFinished(() => {
    for (const pid of pids) if (runs(pid)) process.kill(pid, 'SIGKILL')
  })
  return pids
}

/** The next server on the same directory, once it has looked for orphans. */
const nextServer = async (directory: string): Promise<void> => {
  const processes = createProcesses({ directory, clock, logger, graceMs: 200 })
  onTestFinished(() => processes.stop())
  const nothing = async (stream: AsyncIterable<unknown>): Promise<void> => {
    for await (const _ of stream);
  }
  const signal = new AbortController().signal
  await processes.run({ name: 'next', argv: ['true'], base: '/', signal, stdout: nothing, stderr: nothing })
  expect(readdirSync(directory)).toEqual([])
}

test('the next server ends what a killed one left running, children and deaf ones too', async () => {
  const directory = join(temporaryDirectory(), 'programs')
  const pids = await orphaned(directory, 'trap "" TERM; sleep 1000 & echo $$ $!; while :; do sleep 1; done')
  expect(pids.map(runs)).toEqual([true, true])
  await nextServer(directory)
  expect(pids.map(runs)).toEqual([false, false])
})

test('the next server ends the children of a program that has ended meanwhile', async () => {
  const directory = join(temporaryDirectory(), 'programs')
  const [leader = 0, child = 0] = await orphaned(directory, 'sleep 1000 & echo $$ $!; read never; sleep 1000')
  process.kill(leader, 'SIGKILL')
  await expect.poll(() => runs(leader)).toBe(false)
  expect(runs(child)).toBe(true)
  await nextServer(directory)
  expect(runs(child)).toBe(false)
})

test('the next server ends what left the group of a program', async () => {
  const directory = join(temporaryDirectory(), 'programs')
  const pids = await orphaned(directory, 'setsid sleep 1000 & echo $$ $!; sleep 1000')
  expect(pids.map(runs)).toEqual([true, true])
  await nextServer(directory)
  expect(pids.map(runs)).toEqual([false, false])
})

const stranger = (): number => {
  const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore', env: {} })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  return child.pid ?? 0
}

test.each([
  ['started at another time', { startTime: '1' }],
  ['started before the machine did', { boot: '00000000-0000-0000-0000-000000000000' }],
])('a stranger with the recorded pid is left alone: %s', async (_, other) => {
  const directory = join(temporaryDirectory(), 'programs')
  const pid = stranger()
  mkdirSync(join(directory, 'orphan'), { recursive: true })
  const record = { pid, startTime: processOf(pid)?.startTime, boot: bootId(), ...other }
  writeFileSync(join(directory, 'orphan', 'process.json'), JSON.stringify(record))
  await nextServer(directory)
  expect(runs(pid)).toBe(true)
})

test('the folder of a program that was never let go is removed', async () => {
  const directory = join(temporaryDirectory(), 'programs')
  mkdirSync(join(directory, 'cut-off', 'work'), { recursive: true })
  writeFileSync(join(directory, 'cut-off', 'process.json'), '{"pid": 1')
  await nextServer(directory)
})

test('the next server goes on with a lasting program, and learns its exit code', async () => {
  const directory = temporaryDirectory()
  const script = 'echo $$; until test -e go; do sleep 0.02; done; echo done; exit 5'
  const server = spawn(process.execPath, [join(import.meta.dirname, 'lasting-child.ts'), directory, script])
  const stdout = (): string => (existsSync(join(directory, 'stdout')) ? readFileSync(join(directory, 'stdout'), 'utf8') : '')
  await expect.poll(stdout, { timeout: 20_000 }).toMatch(/\n/)
  server.kill('SIGKILL')
  await once(server, 'exit')
  const pid = Number.parseInt(stdout(), 10)
  expect(runs(pid)).toBe(true)

  const processes = createProcesses({ directory: join(directory, 'programs'), clock, logger })
  onTestFinished(() => processes.stop())
  const ended = processes.runLasting({
    name: 'lasting',
    argv: ['false'],
    base: '/',
    signal: new AbortController().signal,
    stdoutFile: join(directory, 'stdout'),
    stderrFile: join(directory, 'stderr'),
  })
  writeFileSync(join(directory, 'programs', 'lasting', 'work', 'go'), '')
  expect(await ended).toEqual({ code: 5, signal: null })
  expect(stdout()).toBe(`${pid}\ndone\n`)
})
