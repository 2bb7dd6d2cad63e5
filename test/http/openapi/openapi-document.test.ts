import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { beforeAll, expect, test } from 'vitest'
import { faces, scopeAreas } from '../../../src/app/faces.ts'
import { temporaryDirectory } from '../../e2e/harness.ts'
import { type Answer, useApp } from '../app.ts'

const server = useApp()
const modules = fileURLToPath(new URL('../../openapi-types/node_modules', import.meta.url))

interface Content {
  readonly schema?: unknown
  readonly example?: unknown
  readonly examples?: Readonly<Record<string, { readonly summary: string; readonly value: unknown }>>
}
interface Operation {
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly example?: string }[]
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, Content>> }
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Content>> }>>
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> }
}

let document: Document
let text: string
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true })

beforeAll(async () => {
  const answer = await server.it.ask('GET /openapi.json')
  document = answer.json
  text = answer.text
  ajv.addSchema({ $id: 'openapi', components: document.components })
})

/** What is wrong with a value; null where it is as the schema says. */
const faults = (schema: unknown, value: unknown): unknown => {
  const own = JSON.parse(JSON.stringify(schema).replaceAll('"#/components/', '"openapi#/components/'))
  const validate = ajv.compile(own)
  return validate(value) ? null : validate.errors
}

const operations = (): readonly (readonly [path: string, method: string, Operation])[] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => [path, method.toUpperCase(), operation] as const),
  )

const operationAt = (path: string, method: string): Operation => {
  const found = document.paths[path]?.[method.toLowerCase()]
  if (found === undefined) throw new Error(`${method} ${path} is not documented`)
  return found
}

/** The path with the examples of its parameters. */
const filled = (path: string, { parameters }: Operation): string =>
  path.replaceAll(/\{(\w+)\}/g, (_, name) => {
    const example = parameters.find((parameter) => parameter.in === 'path' && parameter.name === name)?.example
    if (example === undefined) throw new Error(`${path}: the parameter ${name} has no example`)
    return encodeURIComponent(example)
  })

const examplesOf = ({ requestBody }: Operation): readonly unknown[] =>
  Object.values(requestBody?.content ?? {}).flatMap(({ examples = {} }) => Object.values(examples).map(({ value }) => value))

/** The answer has a status of the document and a body as the document says. */
const expectDocumented = ({ responses }: Operation, answer: Answer, what: string): void => {
  expect(Object.keys(responses), `${what}: ${answer.text}`).toContain(String(answer.status))
  if (answer.json === undefined) return
  const type = answer.headers.get('content-type')?.split(';')[0] ?? ''
  const schema = responses[answer.status]?.content?.[type]?.schema
  expect(schema, `${what}: ${answer.status} ${type}`).toBeDefined()
  expect(faults(schema, answer.json), `${what}: ${answer.text}`).toBeNull()
}

/** Whose examples need an answer that waits, or a git server with templates. */
const needsMore = ['/poll', '/templates', '/services', '/blueprints']

test('every example of a request is taken, and answered as the document says', async () => {
  let sent = 0
  for (const [path, method, operation] of operations()) {
    const [[type, body] = ['', {}]] = Object.entries(operation.requestBody?.content ?? {})
    if (operation.requestBody !== undefined) expect(examplesOf(operation).length, `${method} ${path}`).toBeGreaterThan(0)
    for (const example of examplesOf(operation)) {
      expect(faults(body.schema, example), `${method} ${path}`).toBeNull()
      const line = `${method} ${filled(path, operation)}`
      const raw = typeof example === 'string' ? example : JSON.stringify(example)
      const answer = await server.it.ask(line, { raw, headers: { 'Content-Type': type } })
      expectDocumented(operation, answer, line)
      if (!path.includes('{') && !needsMore.includes(path.replace('/zrobot/0.9', '')))
        expect(answer.status, `${line}: ${answer.text}`).toBeLessThan(300)
      sent++
    }
  }
  expect(sent).toBeGreaterThanOrEqual(11)
})

test('a probe as the page sends it first succeeds', async () => {
  const [example] = examplesOf(operationAt('/v1/operations', 'POST'))
  const { status, json } = await server.it.ask('POST /v1/operations', { body: example, headers: { Prefer: 'wait=60' } })
  expect({ status, state: json.state }).toEqual({ status: 200, state: 'succeeded' })
})

test('what exists is shown as the document says', async () => {
  const { json: operation } = await server.it.probe({ output: 'text', echo: [1] }, {}, { Prefer: 'wait=60' })
  const stream = `operation-${operation.id}`
  const lines = operations().flatMap(([path, method, described]) => {
    if (method !== 'GET') return []
    const id = path.startsWith('/v1/operations/') ? operation.id : undefined
    const real = path.replace('{id}', id ?? '{id}').replace('{stream}', stream)
    return [[real, described] as const]
  })
  for (const [path, described] of lines) {
    const answer = await server.it.ask(`GET ${filled(path, described)}`)
    expectDocumented(described, answer, path)
    if (!path.includes('{')) expect(answer.status, path).toBe(200)
  }
})

test('the examples of answers are as their schemas say', () => {
  const contents = operations().flatMap(([, , { responses }]) =>
    Object.values(responses).flatMap(({ content = {} }) => Object.values(content)),
  )
  const shown = contents.filter(({ example }) => example !== undefined)
  expect(shown.length).toBeGreaterThan(1)
  for (const { schema, example } of shown) expect(faults(schema, example)).toBeNull()
})

const malformedKey = { 'Idempotency-Key': 'a b' }
test.each([
  ['POST', '/', 'POST /', {}, 200],
  ['POST', '/v1/operations', 'POST /v1/operations', { raw: '', headers: { 'Content-Type': 'application/json' } }, 400],
  ['POST', '/v1/operations', 'POST /v1/operations', { raw: 'x', headers: { 'Content-Type': 'text/plain' } }, 415],
  ['POST', '/v1/operations', 'POST /v1/operations', { body: { kind: 'crawling.info', input: {} } }, 403],
  ['POST', '/v1/operations', 'POST /v1/operations', { body: { kind: 'probe', input: 'x'.repeat(1_100_000) } }, 413],
  ['POST', '/v1/operations/{id}/cancel', 'POST /v1/operations/x/cancel', { headers: malformedKey }, 400],
  ['POST', '/v1/operations/{id}/retry', 'POST /v1/operations/x/retry', { headers: malformedKey }, 400],
  ['POST', '/v1/projections/{name}/rebuild', 'POST /v1/projections/operations/rebuild?x=1', {}, 400],
  ['POST', '/v1/projections/{name}/rebuild', 'POST /v1/projections/nothing/rebuild', {}, 404],
  ['POST', '/feed', 'POST /feed', { body: { appid: 'abc' }, headers: malformedKey }, 400],
  ['POST', '/feed', 'POST /feed', { raw: '{' }, 400],
  ['POST', '/poll', 'POST /poll', { body: {} }, 400],
  ['GET', '/v1/crawls/{key}', 'GET /v1/crawls/x', { headers: { 'Event-Position': 'nope' } }, 400],
  ['GET', '/v1/crawls/items/{id}', 'GET /v1/crawls/items/x?y=1', {}, 400],
  ['GET', '/v1/events', 'GET /v1/events', { headers: { Accept: 'image/png' } }, 406],
  ['GET', '/livez', 'GET /livez?x=1', {}, 400],
] as const)('%s %s documents the answer of %s', async (method, path, line, options, status) => {
  const answer = await server.it.ask(line, options)
  expect(answer.status, answer.text).toBe(status)
  expectDocumented(operationAt(path, method), answer, line)
})

test.each(['/v1/operations', '/feed'])('another request under a used key is documented at %s', async (path) => {
  const headers = { 'Idempotency-Key': `documented ${path}`.replaceAll(' ', '-') }
  const operation = operationAt(path, 'POST')
  const [one, other] = examplesOf(operation)
  expectDocumented(operation, await server.it.ask(`POST ${path}`, { body: one, headers }), path)
  const refused = await server.it.ask(`POST ${path}`, { body: other, headers })
  expect(refused.status).toBe(422)
  expectDocumented(operation, refused, path)
})

test('POST / under a used key is documented', async () => {
  const headers = { 'Idempotency-Key': 'documented-index', 'Content-Type': 'text/plain' }
  expect((await server.it.ask('POST /', { raw: 'one', headers })).status).toBe(200)
  const refused = await server.it.ask('POST /', { raw: 'other', headers })
  expect(refused.status).toBe(422)
  expectDocumented(operationAt('/', 'POST'), refused, '/')
})

test('whatever has a past says that the event of asOf may be unknown', async () => {
  const withPast = operations().filter(([, , { parameters }]) => parameters.some(({ name }) => name === 'asOf'))
  expect(withPast.length).toBeGreaterThan(10)
  for (const [path, method, operation] of withPast) {
    const line = `${method} ${filled(path, operation)}?asOf=019ab2c4-0000-7000-8000-000000000000`
    const answer = await server.it.ask(line)
    expect(answer.status, answer.text).toBe(404)
    expectDocumented(operation, answer, line)
  }
})

test('a body that is needed is required, one that may be left out is not', () => {
  const required = operations().flatMap(([path, , { requestBody }]) =>
    requestBody === undefined ? [] : [[path, requestBody.required]],
  )
  expect(Object.fromEntries(required)).toMatchObject({
    '/v1/operations': true,
    '/feed': true,
    '/poll': true,
    '/v1/operations/{id}/cancel': false,
    '/v1/operations/{id}/retry': false,
  })
})

test('schemas have names of their own, and none refers to itself', () => {
  const names = Object.keys(document.components.schemas)
  expect(names).toEqual(expect.arrayContaining(['Operation', 'OperationList', 'CrawlRequest', 'JsonValue', 'Problem']))
  for (const name of names) {
    expect(name).toMatch(/^[A-Z][A-Za-z]+$/)
    expect(JSON.stringify(document.components.schemas[name])).not.toContain(`"#/components/schemas/${name}"`)
  }
  expect(text).not.toContain('9007199254740991,"maximum"')
  expect(text).not.toContain(String(Number.MIN_SAFE_INTEGER))
})

test('the areas of scopes are those that routes ask for', () => {
  const asked = [...text.matchAll(/The scope ([a-z0-9]+):(?:read|write) is missing/g)].map(([, area]) => area)
  expect([...new Set(asked)].sort()).toEqual([...scopeAreas(faces)].sort())
})

test('the types that openapi-typescript makes of it compile', async () => {
  const directory = temporaryDirectory()
  const run = (program: string, ...words: string[]) =>
    promisify(execFile)(process.execPath, [program, ...words], { cwd: directory })
  writeFileSync(join(directory, 'openapi.json'), text)
  await run(
    join(modules, 'openapi-typescript/bin/cli.js'),
    'openapi.json',
    '--output',
    'api.d.ts',
    '--default-non-nullable',
    'false',
  )
  writeFileSync(
    join(directory, 'use.ts'),
    `import type { components, paths } from './api.d.ts'
const request: components['schemas']['OperationRequest'] = { kind: 'probe', input: { echo: 'hello' } }
export type Taken = paths['/v1/operations']['post']['responses'][202]['content']['application/json']
export const state = (taken: Taken): 'pending' | 'running' | 'retrying' | 'cancelling' | 'succeeded' | 'failed' | 'cancelled' | 'timed-out' => taken.state
export { request }
`,
  )
  const compiler = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url))
  const options = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'esnext', '--module', 'nodenext', '--types', '']
  await run(compiler, ...options, '--allowImportingTsExtensions', 'use.ts').catch((error) => {
    throw new Error(error.stdout)
  })
})
