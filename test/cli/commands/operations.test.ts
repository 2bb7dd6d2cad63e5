import { expect, test } from 'vitest'
import {
  eventsOf,
  getJson,
  type Json,
  runCommand,
  startCommand,
  startServer,
  submitProbe,
  untilEnded,
  untilState,
} from '../../e2e/harness.ts'

const lines = (text: string): Json[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Json)

test('operations are submitted, listed, shown, waited for, followed, cancelled and retried', async () => {
  const { url } = await startServer()
  const env = { INTENDANT_URL: url }
  const run = (...words: string[]) => runCommand(['operations', ...words], { env })

  const submitted = await run('submit', 'probe', '--input', '{"echo":"a","output":"one\\ntwo\\n"}', '--wait', '20', '--json')
  expect(submitted).toMatchObject({ code: 0, stderr: '' })
  const [operation] = lines(submitted.stdout)
  expect(operation).toMatchObject({ state: 'succeeded', result: { echo: 'a' } })
  const id = String(operation?.id)

  expect(lines((await run('get', id, '--json')).stdout)).toEqual([await getJson(`${url}/v1/operations/${id}`)])
  expect((await run('get', id)).stdout).toContain('state:         succeeded')
  const table = (await run('ls', '--state', 'succeeded')).stdout
  expect(table).toContain(id)
  expect(table).not.toContain('\u001b')
  expect(lines((await run('ls', '--kind', 'probe', '--limit', '1', '--json')).stdout)).toMatchObject([
    { items: [{ id }], next: null },
  ])
  expect(await run('tail', id)).toEqual({ code: 0, stdout: 'one\ntwo\n', stderr: '' })
  expect(await run('tail', id, '--last-lines', '1')).toEqual({ code: 0, stdout: 'two\n', stderr: '' })
  expect(await run('tail', id, '--stream', 'stderr')).toEqual({ code: 0, stdout: '', stderr: '' })
  expect((await run('tail', id, '--stream', 'both')).code).toBe(2)
  expect((await run('tail', '--help')).stdout).toContain('intendant operations tail 01')
  const [chunk, whole] = lines((await run('tail', id, '--json')).stdout)
  expect([chunk, whole?.id]).toEqual([{ offset: 0, stream: 'stdout', text: 'one\ntwo\n' }, id])

  const failing = await run('submit', 'probe', '--input', '{"failAttempts":1}', '--attempts', '1', '--wait')
  expect(failing.code).toBe(4)
  expect(failing.stderr).toContain('ended as failed')
  const failed = ((await getJson(`${url}/v1/operations?state=failed`)).items as Json[])[0]
  const retried = await run('retry', String(failed?.id), '--json')
  expect(lines(retried.stdout)).toMatchObject([{ retryOf: failed?.id }])
  expect((await run('retry', id)).code).toBe(1)
  const withoutTargets = await run('retry', String(failed?.id), '--failed-targets')
  expect(withoutTargets.code).toBe(1)
  expect(withoutTargets.stderr).toContain('no target of the operation failed or was skipped')

  const sleeper = await submitProbe(url, { sleepMs: 60_000 })
  expect((await run('wait', sleeper, '--timeout', '0')).code).toBe(5)
  await untilState(url, sleeper, 'running')
  expect((await run('cancel', sleeper, '--reason', 'enough')).code).toBe(0)
  expect(await untilEnded(url, sleeper)).toMatchObject({ state: 'cancelled' })
  expect((await run('wait', sleeper)).code).toBe(4)
  expect((await run('cancel', id)).code).toBe(1)
})

test('input comes from stdin, too, and a repeated key asks once', async () => {
  const { url } = await startServer()
  const words = [
    'operations',
    'submit',
    'probe',
    '--input',
    '-',
    '--idempotency-key',
    'k1',
    '--lane',
    'l',
    '--json',
    '--url',
    url,
  ]
  const first = await runCommand(words, { input: '{"echo":[1,2]}' })
  const second = await runCommand(words, { input: '{"echo":[1,2]}' })
  expect(first.code).toBe(0)
  expect(lines(first.stdout)[0]).toMatchObject({ lane: 'l', input: { echo: [1, 2] } })
  expect(lines(second.stdout)[0]?.id).toBe(lines(first.stdout)[0]?.id)
})

test('events are listed and followed', async () => {
  const { url } = await startServer()
  const tail = startCommand([
    'events',
    'tail',
    '--type',
    'OperationSucceeded',
    '--after',
    '0',
    '--limit',
    '2',
    '--json',
    '--url',
    url,
  ])
  const id = await submitProbe(url, {})
  expect(JSON.parse(await tail.nextLine())).toMatchObject({ type: 'OperationSucceeded', stream: `operation-${id}` })
  await submitProbe(url, {})
  expect(JSON.parse(await tail.nextLine())).toMatchObject({ type: 'OperationSucceeded' })
  expect(await tail.ended).toEqual([0, null])
  const listed = await runCommand(['events', 'ls', '--stream', `operation-${id}`, '--json', '--url', url])
  expect(lines(listed.stdout)[0]?.items).toEqual(await eventsOf(url, id))
  const shown = await runCommand(['events', 'ls', '--stream', `operation-${id}`, '--url', url])
  expect(shown.stdout.split('\n')[0]).toContain('OperationRequested')
})

test('views are listed and rebuilt at a server', async () => {
  const { url } = await startServer()
  const listed = await runCommand(['projections', 'ls', '--json', '--url', url])
  expect(lines(listed.stdout)[0]?.items).toContainEqual(expect.objectContaining({ name: 'operations', state: 'live', lag: 0 }))
  expect((await runCommand(['projections', 'rebuild', 'operations', '--url', url])).code).toBe(0)
  expect((await runCommand(['projections', 'rebuild', 'nothing', '--url', url])).code).toBe(3)
})

test('each way to fail has its exit code', async () => {
  const { url } = await startServer()
  const env = { INTENDANT_URL: url }
  const code = async (...words: string[]) => (await runCommand(words, { env })).code
  expect(await code('operations', 'get', '01a1fea6-72a8-7239-a85d-3be270dc9f0b')).toBe(3)
  expect(await code('operations', 'get', 'no-id')).toBe(3)
  expect(await code('operations', 'submit', 'nobody')).toBe(1)
  expect(await code('operations', 'submit', 'probe', '--input', '{')).toBe(2)
  expect(await code('operations', 'fly')).toBe(2)
  expect(await code('operations', 'ls', '--colour')).toBe(2)
  expect(await code('operations', 'ls', '--limit', 'many')).toBe(2)
  expect(await code()).toBe(2)
  expect(await code('--help')).toBe(0)
  expect(await code('--version')).toBe(0)
  const unreachable = await runCommand(['operations', 'ls', '--url', 'http://127.0.0.1:1'])
  expect(unreachable).toMatchObject({ code: 6, stdout: '' })
  expect(unreachable.stderr).toContain('no server at http://127.0.0.1:1')
  expect(await code('operations', 'ls', '--url', 'ftp://x')).toBe(2)
  const noFile = await runCommand(['operations', 'submit', 'probe', '--input', '@no-such.json'])
  expect(noFile).toMatchObject({ code: 2, stderr: 'intendant: --input: there is no file no-such.json\n' })
  expect(await code('worker')).toBe(1)
})
