import { Parser } from 'htmlparser2'
import { Agent, request } from 'undici'
import { answerTask } from '../lib/task.ts'

export interface CrawlOrder {
  readonly seeds: readonly string[]
  /** Fetches at a time: in all and to one host. */
  readonly concurrency: number
  readonly perHost: number
}
export interface Crawled {
  readonly seconds: number
  readonly pages: number
}

/** Fetches, parses and follows: undici, htmlparser2 and a set of what was seen. */
answerTask(async ({ seeds, concurrency, perHost }: CrawlOrder): Promise<Crawled> => {
  const dispatcher = new Agent({ connections: perHost })
  const seen = new Set(seeds)
  const queue = [...seeds]
  let pages = 0
  let running = 0
  const begun = performance.now()
  await new Promise<void>((resolve, reject) => {
    const next = (): void => {
      if (queue.length === 0 && running === 0) resolve()
      while (running < concurrency && queue.length > 0) {
        running++
        fetchPage(queue.shift() as string).then(() => {
          running--
          pages++
          next()
        }, reject)
      }
    }
    next()
  })
  await dispatcher.close()
  return { seconds: (performance.now() - begun) / 1000, pages }

  async function fetchPage(url: string): Promise<void> {
    const { statusCode, body } = await request(url, { dispatcher })
    const text = await body.text()
    if (statusCode !== 200) throw new Error(`${url} was answered ${statusCode}`)
    const parser = new Parser({
      onopentag: (name, { href }) => {
        const link = name === 'a' && href !== undefined ? URL.parse(href, url)?.href : undefined
        if (link === undefined || seen.has(link)) return
        seen.add(link)
        queue.push(link)
      },
    })
    parser.end(text)
  }
})
