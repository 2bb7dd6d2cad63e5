/** One message of an event stream; `id` is undefined where the server gave none with it. */
export interface ServerSentEvent {
  readonly event: string
  readonly data: string
  readonly id: string | undefined
}

/** Reads `text/event-stream` as the HTML standard, section 9.2.6, tells; comments are passed over. */
export async function* readServerSentEvents({ body }: Response): AsyncGenerator<ServerSentEvent> {
  if (body === null) return
  const decoder = new TextDecoder()
  let rest = ''
  let fields: Record<string, string[]> = {}
  for await (const chunk of body) {
    rest += decoder.decode(chunk as Uint8Array, { stream: true })
    const lines = rest.split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line === '') {
        if (fields.data !== undefined)
          yield { event: fields.event?.at(-1) ?? 'message', data: fields.data.join('\n'), id: fields.id?.at(-1) }
        fields = {}
        continue
      }
      const colon = line.indexOf(':')
      if (colon === 0) continue
      const name = colon < 0 ? line : line.slice(0, colon)
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
      fields[name] = [...(fields[name] ?? []), value]
    }
  }
}
