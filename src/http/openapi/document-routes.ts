import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { type DocumentedRoute, type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { jsonText } from '../replies/json.ts'
import { Problem } from '../replies/problem.ts'
import { problems } from '../v1/schemas.ts'
import { docsPage, docsScript } from './docs-page.ts'

/** Files of swagger-ui-dist that the page needs; served from the package, so that it works offline. */
const assets: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
}

/** The OpenAPI document, the page that shows it, and the metrics. `routes` is asked when the document is first read. */
export const documentRoutes = ({
  routes,
  version,
  metrics,
}: { readonly routes: () => readonly DocumentedRoute[]; readonly version: string } & Pick<
  RouteTools,
  'metrics'
>): readonly NativeRoute[] => {
  let document: string | undefined
  return [
    nativeRoute({
      method: 'get',
      path: '/openapi.json',
      summary: 'This API description',
      tag: 'documents',
      scope: 'v1:read',
      answers: { 200: { description: 'OpenAPI 3.1', schema: z.record(z.string(), z.unknown()) } },
      handle: async () => {
        // Loaded with the first question: nothing else needs the converters.
        const { openApiDocument } = await import('./openapi-document.ts')
        document ??= JSON.stringify(openApiDocument({ routes: routes(), version }))
        return jsonText(document)
      },
    }),
    nativeRoute({
      method: 'get',
      path: '/metrics',
      summary: 'Metrics in the text format of Prometheus',
      tag: 'health',
      scope: 'v1:read',
      answers: { 200: { description: 'Metrics', type: 'text/plain' } },
      handle: async () => {
        const { type, body } = await metrics.text()
        return { status: 200, headers: { 'Content-Type': type }, body }
      },
    }),
    nativeRoute({
      method: 'get',
      path: '/docs',
      summary: 'This API description as a page',
      tag: 'documents',
      scope: null,
      description: 'Where the server asks for credentials, the page asks for a token.',
      answers: { 200: { description: 'A page that works offline', type: 'text/html' } },
      handle: () => ({ status: 200, headers: { 'Content-Type': 'text/html; charset=utf-8', ...safe }, body: docsPage }),
    }),
    nativeRoute({
      method: 'get',
      path: '/docs/{file}',
      params: { file: 'start.js' },
      summary: 'Static files of /docs',
      tag: 'documents',
      scope: null,
      answers: {
        200: { description: 'A file', type: 'application/octet-stream' },
        ...problems({ 404: 'There is no such file' }),
      },
      handle: async ({ params: { file = '' } }) => {
        if (file === 'start.js')
          return { status: 200, headers: { 'Content-Type': 'text/javascript; charset=utf-8', ...safe }, body: docsScript }
        const type = Object.hasOwn(assets, file) ? assets[file] : undefined
        if (type === undefined) throw new Problem('not-found', `there is no file ${file}`)
        const body = await readFile(join(packageFolder(), file))
        return { status: 200, headers: { 'Content-Type': type, 'Cache-Control': 'max-age=3600', ...safe }, body }
      },
    }),
  ]
}

const safe = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
}

const packageFolder = (): string => dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
