import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createSocketServer, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { systemClock } from '../../src/lib/clock.ts'

/** One request as the site saw it. `at` is in milliseconds since the epoch. */
export interface Visit {
  readonly host: string
  readonly path: string
  readonly at: number
  readonly headers: IncomingMessage['headers']
}

/** A web of three hosts with everything in it that goes wrong on the real one. */
export interface CrawlSite {
  /** `http://127.0.0.2:…`: the front page links to everything. */
  readonly main: string
  /** `http://127.0.0.3:…`: thirty pages, linked from the main host. */
  readonly second: string
  /** `http://127.0.0.4:…/`: accepts connections and never answers. */
  readonly hanging: string
  /** `http://127.0.0.5:…/`: nobody listens there. */
  readonly closed: string
  readonly visits: readonly Visit[]
  /** Most requests of one host that were open at once. */
  mostAtOnce(host: string): number
  /** Lets pages that wait under `/held/…` answer, now and from now on. */
  release(): void
  close(): Promise<void>
}

export const lists = 10
export const pagesPerList = 30
export const secondPages = 30
export const hugeBytes = 30 * 1024 * 1024
/** What the front page links to besides its lists and the second host, by what becomes of it. */
export const oddities = {
  /** Answers of their own: path and status. */
  items: {
    '/missing': 404,
    '/forbidden': 403,
    '/slow': 200,
    '/gzip': 200,
    '/charset/windows-1251': 200,
    '/charset/lying': 200,
    '/charset/unknown': 200,
    '/picture': 200,
    '/empty': 200,
    '/markup': 200,
    '/binary': 200,
    '/flaky': 200,
    '/broken': 500,
  },
  /** Redirects to a page of their own: what ends as an item is the target. */
  redirects: { '/moved': '/moved-here', '/temporary': '/temporary-here', '/refresh': '/refreshed' },
  /** Ends without an item: path and reason. */
  failures: { '/huge': 'too_large', '/reset': 'lost', '/hop/0': 'too_many_redirects', '/never': 'timeout' },
  /** Leads back to where the crawl has been. */
  loop: '/loop/a',
} as const

const html = (title: string, links: readonly string[] = [], head = ''): string =>
  `<!doctype html><html><head><meta charset="utf-8"><title>${title}</title>${head}</head><body><h1>${title}</h1><ul>${links
    .map((href) => `<li><a href="${href}">${href}</a></li>`)
    .join('')}</ul></body></html>`

const sendHtml = (response: ServerResponse, text: string, status = 200): void => {
  response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' }).end(text)
}

const sendHuge = (response: ServerResponse): void => {
  response.writeHead(200, { 'Content-Type': 'text/html' })
  const chunk = Buffer.alloc(64 * 1024, 'a ')
  let left = hugeBytes
  const send = (): void => {
    while (left > 0) {
      left -= chunk.length
      if (!response.write(chunk)) return void response.once('drain', send)
    }
    response.end()
  }
  send()
}

/** Starts the hosts. Ports are free ones, so that several sites can stand side by side. */
export const startCrawlSite = async (): Promise<CrawlSite> => {
  const visits: Visit[] = []
  const open = new Map<string, number>()
  const most = new Map<string, number>()
  const waiting = new Set<() => void>()
  const sockets = new Set<Socket>()
  let isReleased = false
  let flakyVisits = 0

  const frontPage = (): string => {
    const everywhere = [
      ...Array.from({ length: lists }, (_, list) => `/list/${list}`),
      ...Object.keys(oddities.items),
      ...Object.keys(oddities.redirects),
      ...Object.keys(oddities.failures),
      oddities.loop,
      `${site.second}/`,
      site.hanging,
      site.closed,
      '/picture.png',
      'mailto:nobody@example.com',
      'ftp://127.0.0.2/file',
      '/#top',
    ]
    return html('Front page', everywhere)
  }

  const special: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>> = {
    '/': (_request, response) => sendHtml(response, frontPage()),
    '/forbidden': (_request, response) => sendHtml(response, html('Forbidden'), 403),
    '/slow': (_request, response) => void systemClock.after(300, () => sendHtml(response, html('Slow'))),
    '/gzip': (_request, response) =>
      response.writeHead(200, { 'Content-Type': 'text/html', 'Content-Encoding': 'gzip' }).end(gzipSync(html('Squeezed'))),
    '/charset/windows-1251': (_request, response) =>
      response.writeHead(200, { 'Content-Type': 'text/html; charset=windows-1251' }).end(Buffer.from([0xcf, 0xf0])),
    '/charset/lying': (_request, response) =>
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(Buffer.from([0x5a, 0xff, 0x5a])),
    '/charset/unknown': (_request, response) =>
      response.writeHead(200, { 'Content-Type': 'text/html; charset=klingon' }).end(Buffer.from('Zoë')),
    '/picture': (_request, response) =>
      response.writeHead(200, { 'Content-Type': 'image/png' }).end(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 255])),
    '/empty': (_request, response) => response.writeHead(200).end(),
    '/markup': (_request, response) => sendHtml(response, `<a href="/list/0">one<a href='/list/1'>two<td></p><a href=/list/2`),
    '/binary': (_request, response) => response.writeHead(200).end(Buffer.from([0, 1, 2, 255])),
    '/flaky': (_request, response) => {
      flakyVisits++
      sendHtml(response, html('Flaky'), flakyVisits < 3 ? 503 : 200)
    },
    '/broken': (_request, response) => sendHtml(response, html('Broken'), 500),
    '/moved': (_request, response) => response.writeHead(301, { Location: '/moved-here' }).end(),
    '/temporary': (_request, response) => response.writeHead(302, { Location: `${site.main}/temporary-here#part` }).end(),
    '/refresh': (_request, response) =>
      sendHtml(response, html('Refresh', [], '<meta http-equiv="refresh" content="1; url=/refreshed">')),
    '/loop/a': (_request, response) => response.writeHead(302, { Location: '/loop/b' }).end(),
    '/loop/b': (_request, response) => response.writeHead(302, { Location: '/loop/a' }).end(),
    '/huge': (_request, response) => sendHuge(response),
    '/reset': (request) => request.socket.resetAndDestroy(),
    '/never': () => {},
  }
  for (const target of Object.values(oddities.redirects)) Object.assign(special, { [target]: plain })

  const numbered: readonly [RegExp, (request: IncomingMessage, response: ServerResponse, n: number) => void][] = [
    [
      /^\/list\/(\d)$/,
      (_request, response, list) => {
        const pages = Array.from({ length: pagesPerList }, (_, page) => `/page/${list * pagesPerList + page}`)
        sendHtml(response, html(`List ${list}`, pages))
      },
    ],
    // Every page knows the way back and its neighbours: most links of the site are duplicates.
    [/^\/page\/(\d{1,3})$/, (_request, response, page) => sendHtml(response, html(`Page ${page}`, ['/', `/page/${page ^ 1}`]))],
    [/^\/hop\/(\d+)$/, (_request, response, hop) => void response.writeHead(307, { Location: `/hop/${hop + 1}` }).end()],
    [
      /^\/held\/(\d+)$/,
      (_request, response, held) => {
        const answer = () => sendHtml(response, html(`Held ${held}`))
        if (isReleased) answer()
        else waiting.add(answer)
      },
    ],
  ]

  function plain(request: IncomingMessage, response: ServerResponse): void {
    sendHtml(response, html(`Here: ${request.url}`))
  }

  const answerMain = (request: IncomingMessage, response: ServerResponse): void => {
    const path = request.url ?? '/'
    const answer = special[path]
    if (answer) {
      answer(request, response)
      return
    }
    for (const [pattern, answerNumbered] of numbered) {
      const n = pattern.exec(path)?.[1]
      if (n !== undefined) {
        answerNumbered(request, response, Number(n))
        return
      }
    }
    sendHtml(response, html('Missing'), 404)
  }

  const answerSecond = (request: IncomingMessage, response: ServerResponse): void => {
    const pages = Array.from({ length: secondPages - 1 }, (_, page) => `/page-${page}.html`)
    if (request.url === '/') sendHtml(response, html('Second host', pages))
    else sendHtml(response, html(`Second ${request.url}`, ['/', `${site.main}/`]))
  }

  const counted =
    (host: string, answer: (request: IncomingMessage, response: ServerResponse) => void) =>
    (request: IncomingMessage, response: ServerResponse): void => {
      visits.push({ host, path: request.url ?? '/', at: systemClock.now(), headers: request.headers })
      open.set(host, (open.get(host) ?? 0) + 1)
      most.set(host, Math.max(most.get(host) ?? 0, open.get(host) ?? 0))
      response.once('close', () => open.set(host, (open.get(host) ?? 1) - 1))
      answer(request, response)
    }

  const listening: { close(done: () => void): unknown }[] = []
  const listen = async (server: Server | ReturnType<typeof createSocketServer>, host: string): Promise<string> => {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve))
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.on('error', () => {}).once('close', () => sockets.delete(socket))
    })
    listening.push(server)
    return `http://${host}:${(server.address() as AddressInfo).port}`
  }

  const unused = createSocketServer()
  const site = {
    main: await listen(createServer(counted('127.0.0.2', answerMain)), '127.0.0.2'),
    second: await listen(createServer(counted('127.0.0.3', answerSecond)), '127.0.0.3'),
    hanging: `${await listen(createSocketServer(), '127.0.0.4')}/`,
    closed: `${await listen(unused, '127.0.0.5')}/`,
  }
  await new Promise<void>((resolve) => unused.close(() => resolve()))
  listening.pop()

  return {
    ...site,
    visits,
    mostAtOnce: (host) => most.get(host) ?? 0,
    release() {
      isReleased = true
      for (const answer of waiting) answer()
      waiting.clear()
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await Promise.all(listening.map((server) => new Promise<void>((resolve) => server.close(resolve))))
    },
  }
}
