import { type IncomingMessage, request } from 'node:http'

export interface Message {
  readonly id: string | undefined
  readonly event: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
  readonly data: any
}

export interface Following {
  readonly response: IncomingMessage
  /** The next messages, as many as asked for; rejects when the stream ends before. */
  take(count: number): Promise<readonly Message[]>
  /** Messages up to and with the first that fits. */
  until(fits: (message: Message) => boolean): Promise<readonly Message[]>
  close(): void
}

/** Follows an event stream over a socket of its own. */
export const follow = async (url: string, headers: Readonly<Record<string, string>> = {}): Promise<Following> => {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { headers: { Accept: 'text/event-stream', ...headers }, agent: false }, resolve)
      .on('error', reject)
      .end()
  })
  response.on('error', () => {})
  const messages = parse(response)
  const next = async (): Promise<Message> => {
    const { value, done } = await messages.next()
    if (done === true) throw new Error('the stream ended')
    return value
  }
  const until: Following['until'] = async (fits) => {
    const taken: Message[] = []
    for (;;) {
      const message = await next()
      taken.push(message)
      if (fits(message)) return taken
    }
  }
  return {
    response,
    until,
    take: async (count) => {
      const taken: Message[] = []
      while (taken.length < count) taken.push(await next())
      return taken
    },
    close: () => response.destroy(),
  }
}

async function* parse(response: IncomingMessage): AsyncGenerator<Message> {
  let rest = ''
  response.setEncoding('utf8')
  for await (const chunk of response) {
    const blocks = (rest + chunk).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const fields = Object.fromEntries(
        block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      )
      if (fields.data !== undefined) yield { id: fields.id, event: fields.event ?? '', data: JSON.parse(fields.data) }
    }
  }
}
