import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join, normalize } from 'node:path'

/**
 * A small static site to crawl: twelve pages that link to each other, a page that has moved (/map), one that is gone
 * (/visitors.html). `npm run example:site` serves it on http://127.0.0.1:8000; an argument names another port.
 */
const port = Number(process.argv[2] ?? 8000)
const pages = join(import.meta.dirname, 'pages')
const moved: Readonly<Record<string, string>> = { '/map': '/map.html' }
const types: Readonly<Record<string, string>> = { html: 'text/html; charset=utf-8', css: 'text/css; charset=utf-8' }

/** Folders show their index; names without an extension are pages. */
const fileOf = (path: string): string => {
  const name = path.endsWith('/') ? `${path}index.html` : /\.\w+$/.test(path) ? path : `${path}.html`
  return join(pages, normalize(decodeURI(name)))
}

const server = createServer(async (request, response) => {
  const path = URL.parse(request.url ?? '/', 'http://site')?.pathname ?? '/'
  console.log(`${request.method} ${request.url}`)
  const elsewhere = moved[path]
  if (elsewhere !== undefined) return void response.writeHead(301, { Location: elsewhere }).end()
  try {
    const file = fileOf(path)
    const content = await readFile(file)
    response.writeHead(200, { 'Content-Type': types[file.slice(file.lastIndexOf('.') + 1)] ?? 'application/octet-stream' })
    response.end(request.method === 'HEAD' ? undefined : content)
  } catch {
    response.writeHead(404, { 'Content-Type': 'text/html; charset=utf-8' })
    response.end('<!doctype html><title>Not here</title><h1>Not here</h1><p><a href="/">Back to the almanac</a></p>')
  }
})

server.on('error', (error) => {
  console.error(
    `The example site cannot listen on port ${port}: ${error.message}. Name another one: npm run example:site -- 8001`,
  )
  process.exitCode = 1
})
server.listen(port, '127.0.0.1', () => {
  console.log(`The example site is at http://127.0.0.1:${port}/ (Ctrl-C ends it)`)
})
