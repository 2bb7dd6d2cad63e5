import { createServer } from 'node:http'

/** Small pages on many hosts of loopback: `/<k>` links to sixteen more, until there are so many on the host. */
const hosts = Number(process.argv[2])
const pagesPerHost = Number(process.argv[3])
const fanOut = 16
const filler = '<p>Every operation on the record: who asked, what happened, what is running and why it waits.</p>'.repeat(8)

const pageOf = (number: number): string => {
  const first = number * fanOut + 1
  const children = Array.from({ length: fanOut }, (_, index) => first + index).filter((child) => child < pagesPerHost)
  const links = children.map((child) => `<li><a href="/${child}">page ${child}</a></li>`).join('')
  return `<!doctype html><html><head><title>${number}</title></head><body><h1>${number}</h1>${filler}<ul>${links}</ul></body></html>`
}

const pages = Array.from({ length: pagesPerHost }, (_, number) => Buffer.from(pageOf(number)))
const listen = (host: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer((request, response) => {
      const page = pages[Number(request.url?.slice(1))]
      if (page === undefined) response.writeHead(404).end()
      else response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Length': page.length }).end(page)
    })
    server.once('error', reject)
    server.listen(port, host, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })

const port = await listen('127.0.0.1', 0)
for (let host = 2; host <= hosts; host++) await listen(`127.0.0.${host}`, port)
console.log(`ready on ${port}`)
