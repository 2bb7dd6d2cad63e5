import { runInNewContext } from 'node:vm'
import { expect, onTestFinished, test } from 'vitest'
import { startApp, type TestApp, useApp } from '../app.ts'

const server = useApp()

test('the OpenAPI document names every route and refers to nothing that is missing', async () => {
  const { json, text } = await server.it.ask('GET /openapi.json')
  expect(json.openapi).toBe('3.1.0')
  const paths = [
    '/v1/operations',
    '/v1/operations/{id}',
    '/v1/events',
    '/v1/streams/{stream}',
    '/v1/kinds',
    '/v1/projections',
    '/feed',
    '/poll',
    '/livez',
  ]
  expect(Object.keys(json.paths)).toEqual(expect.arrayContaining(paths))
  for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
    expect(json.components.schemas).toHaveProperty([name ?? ''])
  expect(text).not.toContain('#/$defs/')
  const ids = Object.values(json.paths as Record<string, Record<string, { operationId: string }>>).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  )
  expect(new Set(ids).size).toBe(ids.length)
  const submit = json.paths['/v1/operations'].post
  expect(submit.requestBody.content['application/json'].schema).toEqual({ $ref: '#/components/schemas/OperationRequest' })
  expect(json.components.schemas.OperationRequest).toMatchObject({
    required: expect.arrayContaining(['kind']),
    additionalProperties: false,
  })
  expect(submit.parameters.map(({ name }: { name: string }) => name)).toEqual(['Idempotency-Key', 'Prefer'])
  expect(Object.keys(submit.responses)).toEqual(
    expect.arrayContaining(['200', '202', '400', '401', '403', '409', '413', '415', '422', '503']),
  )
  const state = json.paths['/v1/operations'].get.parameters.find(({ name }: { name: string }) => name === 'state')
  expect(state.schema).toMatchObject({ type: 'array', items: { enum: expect.arrayContaining(['timed-out']) } })
})

test('every documented GET without path parameters answers', async () => {
  const { json } = await server.it.ask('GET /openapi.json')
  for (const [path, methods] of Object.entries<Record<string, { responses: object }>>(json.paths)) {
    if (path.includes('{') || methods.get === undefined) continue
    const { status } = await server.it.ask(`GET ${path}`)
    expect(Object.keys(methods.get.responses), path).toContain(String(status))
  }
})

test('the page and all that it loads come from here', async () => {
  const page = await server.it.ask('GET /docs')
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
  const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file ?? '')
  expect(files.length).toBeGreaterThan(3)
  for (const file of files) {
    expect(file).toMatch(/^\/docs\//)
    expect((await server.it.ask(`GET ${file}`)).status).toBe(200)
  }
})

test('metrics count what was answered', async () => {
  await server.it.probe()
  await server.it.ask('GET /v1/operations/nothing')
  const { text, headers } = await server.it.ask('GET /metrics')
  expect(headers.get('content-type')).toContain('text/plain')
  expect(text).toContain('intendant_http_requests_total{face="v1",method="GET",status="404"} 1')
  expect(text).toMatch(/intendant_http_request_duration_seconds_count\{face="v1",method="POST",route="\/v1\/operations"\} 1/)
  expect(text).toContain('intendant_projection_lag_events{projection="operations"}')
  expect(text).toContain('process_cpu_seconds_total')
  expect(text).not.toContain('/v1/operations/nothing')
})

test('health says ready with its checks', async () => {
  expect((await server.it.ask('GET /livez')).json).toEqual({ status: 'ok' })
  expect((await server.it.ask('GET /readyz')).json).toMatchObject({ status: 'ready', checks: { log: 'ok' } })
})

interface PageElement {
  hidden: boolean
  textContent: string
  value: string
  submit: () => void
  addEventListener(type: string, listener: (event: { preventDefault(): void }) => void): void
}

/** A loaded machine takes seconds to make the document. */
const eventually = (value: () => unknown) => expect.poll(value, { timeout: 100_000 })

const element = (): PageElement => ({
  hidden: true,
  textContent: '',
  value: '',
  submit: () => undefined,
  addEventListener(_, listener) {
    this.submit = () => listener({ preventDefault: () => undefined })
  },
})

/** The script of the page, with as much of a browser as it asks for. */
const openPage = async ({ url, ask }: TestApp) => {
  const elements: Record<string, PageElement> = { login: element(), refusal: element(), token: element() }
  const shown: unknown[] = []
  const authorised: string[] = []
  const window = {
    document: { getElementById: (id: string) => elements[id] },
    fetch: (path: string, options: RequestInit) => {
      expect(options.credentials).toBe('omit')
      return fetch(url + path, options)
    },
    SwaggerUIBundle: ({ spec, onComplete }: { spec: unknown; onComplete: () => void }) => {
      shown.push(spec)
      queueMicrotask(onComplete)
      return { preauthorizeApiKey: (scheme: string, token: string) => authorised.push(`${scheme} ${token}`) }
    },
  }
  runInNewContext((await ask('GET /docs/start.js')).text, window)
  const login = async (token: string): Promise<void> => {
    Object.assign(elements.token as PageElement, { value: token })
    elements.login?.submit()
  }
  return { elements, shown, authorised, login }
}

test('without credentials the page shows the document at once', async () => {
  const { elements, shown, authorised } = await openPage(server.it)
  await eventually(() => shown.length).toBe(1)
  expect(shown[0]).toMatchObject({ openapi: '3.1.0' })
  expect({ hidden: elements.login?.hidden, authorised }).toEqual({ hidden: true, authorised: [] })
})

test('with credentials the page asks for a token and loads the document with it', async () => {
  const app = await startApp()
  onTestFinished(app.stop)
  const { token } = await app.app.ports.credentials.add({ name: 'reader', scopes: ['v1:read'] })
  const { token: crawler } = await app.app.ports.credentials.add({ name: 'crawler', scopes: ['crawling:read'] })
  const page = await app.ask('GET /docs')
  expect(page.status).toBe(200)
  expect(page.headers.get('content-security-policy')).toContain("default-src 'self'")
  expect(page.text).not.toMatch(/<script>|onclick=|https?:/)
  for (const id of ['login', 'token', 'refusal', 'api']) expect(page.text).toContain(`id="${id}"`)

  const { elements, shown, authorised, login } = await openPage(app)
  await eventually(() => elements.login?.hidden).toBe(false)
  await login('wrong')
  await eventually(() => elements.refusal?.textContent).toBe('The server does not know this token.')
  await login(crawler ?? '')
  await eventually(() => elements.refusal?.textContent).toBe('This token lacks the scope v1:read.')
  expect(shown).toEqual([])
  await login(` ${token} `)
  await eventually(() => authorised).toEqual([`bearer ${token}`])
  expect(elements.login?.hidden).toBe(true)
  expect(shown).toMatchObject([{ openapi: '3.1.0' }])
})
