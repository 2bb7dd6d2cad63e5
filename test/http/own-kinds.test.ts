import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runs } from '../contracts/processes.ts'
import { isProblem, problem, startApp, type TestApp } from './app.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'intendant-own-'))
const kindsDir = join(dataDir, 'kinds')
let app: TestApp
const patience = { timeout: 30_000, interval: 50 }

const put = (file: string, manifest: unknown): void =>
  writeFileSync(join(kindsDir, file), typeof manifest === 'string' ? manifest : JSON.stringify(manifest))
/** A manifest whose program is a script for the shell. */
const scripted = (kind: string, script: string, more: object = {}): object => ({
  kind,
  description: `The kind ${kind}`,
  run: ['sh', '-c', script],
  ...more,
})

const sound = { description: 'Sound', run: ['true'] }
/** Where a manifest is wrong; one that tells no kind gets one. */
const faults: readonly (readonly [string, unknown, string])[] = [
  ['not JSON', '{', ''],
  ['no object', '[]', ''],
  ['a schema of another draft', { ...sound, input: { $schema: 'http://json-schema.org/draft-07/schema#' } }, '/input/$schema'],
  ['no kind', { ...sound, kind: undefined }, '/kind'],
  ['a kind of another name', { ...sound, kind: 'mine' }, '/kind'],
  ['a kind with an empty part', { ...sound, kind: 'own.a..b' }, '/kind'],
  ['a long kind', { ...sound, kind: `own.${'a'.repeat(61)}` }, '/kind'],
  ['no description', { run: ['true'] }, '/description'],
  ['no program', { ...sound, run: [] }, '/run'],
  ['a number as a word', { ...sound, run: ['true', 1] }, '/run/1'],
  ['an unknown member', { ...sound, command: 'a' }, '/command'],
  ['an unknown member of the policy', { ...sound, policy: { attempt: 1 } }, '/policy/attempt'],
  ['too many attempts', { ...sound, policy: { attempts: 101 } }, '/policy/attempts'],
  ['a wrong schema', { ...sound, input: { type: 'object', properties: { a: { type: 'texts' } } } }, '/input/properties/a/type'],
  ['a schema that is none', { ...sound, input: 5 }, '/input'],
  ['a schema elsewhere', { ...sound, input: { $ref: 'https://example.com/a.json' } }, '/input'],
  ['a template that is no pointer', { ...sound, lane: '{/a~2}' }, '/lane'],
  ['a secret lane', { ...sound, input: { properties: { a: { secret: true } } }, lane: '{/a}' }, '/lane'],
  ['a variable with a wrong name', { ...sound, environment: { 'A-B': '1' } }, '/environment/A-B'],
  ['targets from nowhere', { ...sound, targets: { parallel: 2 } }, '/targets/from'],
  ['too many at once', { ...sound, targets: { from: '/a', parallel: 101 } }, '/targets/parallel'],
  ['a file in a folder', { ...sound, files: { '/a': 'b/c' } }, '/files/~1a'],
  ['no concurrency', { ...sound, concurrency: 0 }, '/concurrency'],
]
const faultyManifests = faults.map(([name, manifest, pointer], index) => ({
  name,
  pointer,
  file: `faulty ${name}.json`,
  manifest:
    typeof manifest === 'object' && !Array.isArray(manifest)
      ? { kind: `own.faulty-${index}`, ...manifest }
      : (manifest as string),
}))

beforeAll(async () => {
  mkdirSync(kindsDir)
  const quick = { policy: { attempts: 2, backoff: { firstMs: 1 } } }
  put(
    'hello.json',
    scripted('own.hello', 'cat; echo; echo oops >&2; echo \'{"progress":{"phase":"half"}}\'; echo \'{"done":true}\''),
  )
  put('environment.json', scripted('own.environment', 'env | sort; ls -A; pwd', { environment: { NAME: 'value' } }))
  put('exit.json', scripted('own.exit', 'echo \'{"held":1}\'; echo "no such thing" >&2; exit 3', quick))
  put('signal.json', scripted('own.signal', "printf 'a\\303'; kill -9 $$", quick))
  put('missing.json', { kind: 'own.missing', description: 'No program', run: ['./not-there'] })
  put(
    'refused.json',
    scripted('own.refused', 'echo \'{"error":{"type":"disk-full","message":"no room","retryable":false,"details":{"left":0}}}\''),
  )
  put(
    'secret.json',
    scripted('own.secret', 'cat; echo; echo end', {
      input: {
        type: 'object',
        properties: { key: { type: 'string', secret: true }, name: { type: 'string' } },
        required: ['key'],
      },
    }),
  )
  put('placed.json', scripted('own.placed', 'true', { lane: 'db:{/name}', limits: ['disk', 'db-{/name}'] }))
  put('slow.json', scripted('own.slow', 'sleep 1000 & echo $!; echo ready; wait', { concurrency: 1 }))
  put('deaf.json', scripted('own.deaf', 'trap "" TERM; echo $$; while :; do sleep 1; done', { policy: { timeoutMs: 300 } }))
  put('capped.json', scripted('own.capped', 'head -c 100000 /dev/zero | tr "\\0" a', { outputCapBytes: 1000 }))
  put('files.json', scripted('own.files', 'cat data.txt', { files: { '/blob': 'data.txt' } }))
  put(
    'targets.json',
    scripted('own.targets', 'test "$INTENDANT_TARGET" != b || exit 4; echo "\\"$INTENDANT_TARGET\\""', {
      targets: { from: '/hosts', parallel: 2 },
      policy: { attempts: 1 },
    }),
  )
  for (const { file, manifest } of faultyManifests) put(file, manifest)
  app = await startApp({ KILL_GRACE_MS: '300' }, { dataDir })
}, 60_000)
afterAll(() => app?.stop())

const submit = (kind: string, input: unknown = {}, more: object = {}) =>
  app.ask('POST /v1/operations', { body: { kind, input, ...more }, headers: { Prefer: 'wait=30' } })
const outputOf = async (id: string, query = ''): Promise<string> =>
  (await app.ask(`GET /v1/operations/${id}/output${query}`)).text
const listed = async (kind: string) =>
  (await app.ask('GET /v1/kinds?limit=1000')).json.items.filter((item: { kind: string }) => item.kind === kind)

test('a manifest is a kind: listed, validated, run, and its output kept', async () => {
  expect(await listed('own.hello')).toEqual([
    {
      kind: 'own.hello',
      face: null,
      description: 'The kind own.hello',
      submittable: true,
      policy: {
        attempts: 3,
        timeoutMs: 900_000,
        backoff: { initialMs: 1000, factor: 2, maxMs: 60_000 },
        whenLost: 'retry',
        lostAttempts: 5,
      },
      inputSchema: { type: 'object' },
      workers: 1,
      fault: null,
    },
  ])
  const { json } = await submit('own.hello', { a: 'é' })
  expect(json).toMatchObject({ state: 'succeeded', result: { done: true }, face: null, progress: { phase: 'half' } })
  expect(await outputOf(json.id, '?stream=stdout')).toBe('{"a":"é"}\n')
  expect(await outputOf(json.id, '?stream=stderr')).toBe('oops\n')
  expect(problem(await submit('own.hello', []))).toEqual(isProblem('invalid', 400))
})

test('the environment is clean, and the working directory empty', async () => {
  const { json } = await submit('own.environment')
  const lines = (await outputOf(json.id)).trim().split('\n')
  const names = lines.slice(0, -1).map((line) => line.split('=')[0])
  expect(names.sort()).toEqual(
    ['HOME', 'INTENDANT_ATTEMPT', 'INTENDANT_KIND', 'INTENDANT_OPERATION', 'LANG', 'NAME', 'PATH', 'PWD', 'TMPDIR'].filter(
      // A shell sets it for what it starts.
      (name) => name !== 'PWD' || names.includes('PWD'),
    ),
  )
  expect(lines).toContain('INTENDANT_ATTEMPT=1')
  expect(lines).toContain(`INTENDANT_OPERATION=${json.id}`)
  expect(lines).toContain('NAME=value')
  expect(existsSync(lines.at(-1) ?? '')).toBe(false)
})

describe('how a program ends', () => {
  test('another exit fails, and is tried again; a last line of JSON is output then', async () => {
    const { json } = await submit('own.exit')
    expect(json).toMatchObject({
      state: 'failed',
      attempt: 2,
      error: { type: 'exit-3', message: 'no such thing', retryable: true },
    })
    expect(await outputOf(json.id, '?stream=stdout')).toBe('{"held":1}\n{"held":1}\n')
  })

  test('a signal is named, and half a character is shown as what it is', async () => {
    const { json } = await submit('own.signal')
    expect(json).toMatchObject({ state: 'failed', error: { type: 'signal-SIGKILL', retryable: true } })
    expect(await outputOf(json.id)).toBe('a\ufffda\ufffd')
  })

  test('what cannot be started is not tried again', async () => {
    expect((await submit('own.missing')).json).toMatchObject({
      state: 'failed',
      attempt: 1,
      error: { type: 'cannot-start', retryable: false },
    })
  })

  test('an error line counts, whatever the exit code', async () => {
    const { json } = await submit('own.refused')
    expect(json).toMatchObject({
      state: 'failed',
      attempt: 1,
      error: { type: 'disk-full', message: 'no room', retryable: false, details: { left: 0 } },
    })
    expect(await outputOf(json.id)).toBe('')
  })

  test('a cancellation ends the program and its children', async () => {
    const { json } = await app.ask('POST /v1/operations', { body: { kind: 'own.slow', input: {} } })
    await expect.poll(() => outputOf(json.id), patience).toMatch(/ready/)
    const pid = Number.parseInt(await outputOf(json.id), 10)
    expect(runs(pid)).toBe(true)
    await app.ask(`POST /v1/operations/${json.id}/cancel`, { body: {} })
    expect((await app.ask(`GET /v1/operations/${json.id}?wait=30`)).json.state).toBe('cancelled')
    expect(runs(pid)).toBe(false)
  })

  test('one that ignores TERM is killed after the grace', async () => {
    const { json } = await submit('own.deaf')
    expect(json.state).toBe('timed-out')
    expect(runs(Number.parseInt(await outputOf(json.id), 10))).toBe(false)
  })
})

test('output past the cap is dropped with a line that says so', async () => {
  const { json } = await submit('own.capped')
  expect(json.state).toBe('succeeded')
  const output = await outputOf(json.id)
  expect(output.slice(0, 1000)).toBe('a'.repeat(1000))
  expect(output.slice(1000)).toMatch(/^\n\[.*1000 bytes.*\]\n$/)
})

test('secrets of the schema are sealed, and masked in what the program prints', async () => {
  const { json } = await submit('own.secret', { key: 'open-sesame', name: 'b' })
  expect(json).toMatchObject({ state: 'succeeded', input: { key: '***', name: 'b' }, result: null })
  const whole = await outputOf(json.id)
  const { text } = await app.ask(`GET /v1/operations/${json.id}/events`)
  expect(whole + text).not.toContain('open-sesame')
  expect((await app.ask('GET /v1/secrets')).json.items).toContainEqual(
    expect.objectContaining({ subject: `operation-${json.id}` }),
  )
})

describe('lane and limits', () => {
  test('are filled from the input where the request names none', async () => {
    expect((await submit('own.placed', { name: 'a' })).json).toMatchObject({ lane: 'db:a', limits: ['disk', 'db-a'] })
    expect((await submit('own.placed', {}, { lane: 'other', limits: ['mine'] })).json).toMatchObject({
      lane: 'other',
      limits: ['mine'],
    })
  })
  test.each([[{}], [{ name: null }], [{ name: ['a'] }]])('a pointer that finds nothing is refused: %j', async (input) => {
    const answer = await submit('own.placed', input)
    expect(problem(answer)).toEqual(isProblem('invalid', 400))
    expect(answer.json.errors[0].pointer).toBe('/input/name')
  })
})

test('programs of one kind run as many at once as it says', async () => {
  const started = await Promise.all(
    [1, 2].map(async () => (await app.ask('POST /v1/operations', { body: { kind: 'own.slow', input: {} } })).json.id),
  )
  const states = async (): Promise<readonly string[]> =>
    Promise.all(started.map(async (id) => (await app.ask(`GET /v1/operations/${id}`)).json.state))
  await expect.poll(async () => (await states()).toSorted(), patience).toEqual(['pending', 'running'])
  expect((await submit('own.hello')).json.state).toBe('succeeded')
  const first = started[(await states()).indexOf('running')]
  await app.ask(`POST /v1/operations/${first}/cancel`, { body: {} })
  await expect.poll(async () => (await states()).toSorted(), patience).toEqual(['cancelled', 'running'])
  for (const id of started) await app.ask(`POST /v1/operations/${id}/cancel`, { body: {} })
})

test('a blob stands as a file in the working directory', async () => {
  const { json: blob } = await app.ask('POST /v1/blobs', { raw: 'the content', headers: { 'Content-Type': 'text/plain' } })
  const { json } = await submit('own.files', { blob: blob.id })
  expect(json.state).toBe('succeeded')
  expect(await outputOf(json.id)).toBe('the content')
  const unknown = await submit('own.files', { blob: `sha256-${'0'.repeat(64)}` })
  expect(problem(unknown)).toEqual(isProblem('invalid', 400))
  expect(unknown.json.errors[0].pointer).toBe('/input/blob')
})

test('the program runs once per target', async () => {
  const failing = (await submit('own.targets', { hosts: ['a', 'b', 'c'] })).json
  expect(failing).toMatchObject({
    state: 'failed',
    error: { type: 'targets-failed', details: { failed: 1, skipped: 0 } },
    targets: { total: 3, succeeded: 2, failed: 1 },
  })
  const { items } = (await app.ask(`GET /v1/operations/${failing.id}/targets`)).json
  expect(items).toMatchObject([
    { name: 'a', state: 'succeeded', result: 'a' },
    { name: 'b', state: 'failed', error: { type: 'exit-4' } },
    { name: 'c', state: 'succeeded', result: 'c' },
  ])
  expect((await submit('own.targets', { hosts: ['a'] })).json).toMatchObject({ state: 'succeeded', result: { succeeded: 1 } })
  expect(problem(await submit('own.targets', { hosts: ['a', 'a'] }))).toEqual(isProblem('invalid', 400))
})

describe('faulty manifests', () => {
  test.each(faultyManifests)('$name', async ({ file, manifest, pointer }) => {
    const kind = (typeof manifest === 'object' && manifest.kind) || file.slice(0, -'.json'.length)
    const [found] = await listed(kind)
    expect(found).toMatchObject({ submittable: false, face: null, workers: 0 })
    expect(found.fault).toEqual({ file, pointer, message: expect.any(String) })
    const answer = await submit(kind)
    expect(problem(answer)).toEqual(isProblem('invalid', 400))
    expect(answer.json.detail).toContain(file)
  })

  test('two manifests with one kind are both faulty, until one of them is gone', async () => {
    put('one.json', { ...sound, kind: 'own.twice' })
    put('two.json', { ...sound, kind: 'own.twice' })
    await expect.poll(async () => (await listed('own.twice')).length, patience).toBe(2)
    expect(await listed('own.twice')).toMatchObject([
      { fault: { file: 'one.json', pointer: '/kind' } },
      { fault: { file: 'two.json', pointer: '/kind' } },
    ])
    rmSync(join(kindsDir, 'two.json'))
    await expect.poll(async () => (await listed('own.twice'))[0]?.fault, patience).toBeNull()
    expect((await submit('own.twice')).json.state).toBe('succeeded')
  })
})

test('a changed manifest counts for the next attempt; while it is faulty, attempts wait', async () => {
  const waiting = { policy: { attempts: 50, backoff: { firstMs: 200, maxMs: 200 } } }
  put('mended.json', scripted('own.mended', 'echo first; exit 1', waiting))
  await expect.poll(() => listed('own.mended'), patience).toHaveLength(1)
  const { json } = await app.ask('POST /v1/operations', { body: { kind: 'own.mended', input: {} } })
  await expect.poll(() => outputOf(json.id), patience).toMatch(/first/)
  put('mended.json', '{"kind": "own.mended"')
  const reason = async () => (await app.ask(`GET /v1/operations/${json.id}`)).json.waitingFor
  await expect.poll(async () => (await reason())?.reason, patience).toBe('worker')
  expect((await reason()).detail).toContain('own.mended')
  put('mended.json', scripted('own.mended', 'echo mended', waiting))
  expect((await app.ask(`GET /v1/operations/${json.id}?wait=30`)).json.state).toBe('succeeded')
  expect(await outputOf(json.id)).toMatch(/mended\n$/)
  expect(readFileSync(join(kindsDir, 'mended.json'), 'utf8')).toContain('mended')
})
