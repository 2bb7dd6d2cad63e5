import { once } from 'node:events'
import { systemClock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { CommandFailed } from './exit-codes.ts'
import { type Client, refusal } from './http-client.ts'
import { queryOf, type ServerCommandOptions } from './options.ts'
import { readServerSentEvents } from './sse-reader.ts'
import { harmless } from './terminal.ts'

export interface TailOptions extends ServerCommandOptions {
  readonly stream?: string
  readonly lastLines?: number
}

const reconnectMs = 1000

/**
 * Prints output as it comes, stderr to stderr, until the operation has ended. A lost connection is taken up again behind what was printed; the first one must
 * succeed.
 */
export const tailOutput = async (client: Client, path: string, options: TailOptions): Promise<void> => {
  const followed: Followed = { isConnected: false, next: undefined }
  for (;;) {
    try {
      if (await follow(client, path, options, followed)) return
    } catch (error) {
      if (!followed.isConnected || (error instanceof CommandFailed && error.code !== 6)) throw error
    }
    await systemClock.sleep(reconnectMs)
  }
}

interface Followed {
  isConnected: boolean
  /** The offset behind what was printed. */
  next: string | undefined
}

/** Resolves to true once the end was said, to false where the connection ended before. */
const follow = async (client: Client, path: string, options: TailOptions, followed: Followed): Promise<boolean> => {
  const resume: Record<string, string> = followed.next === undefined ? {} : { 'Last-Event-ID': followed.next }
  const response = await client.send(path, {
    query: queryOf({ ...options }, ['stream', 'lastLines']),
    headers: { Accept: 'text/event-stream', ...resume },
  })
  if (response.status >= 400) {
    const refused = await refusal(response)
    // A server that goes down or starts again.
    if (response.status === 503 && followed.isConnected) return false
    throw refused
  }
  followed.isConnected = true
  const messages = readServerSentEvents(response)
  for (;;) {
    const { done, value } = await messages.next().catch((error: unknown) => {
      throw new CommandFailed('outOfReach', `the connection ended: ${messageOf(error)}`)
    })
    if (done === true) return false
    const { event, data, id } = value
    if (event === 'end') return true
    if (id === undefined) continue
    await show(event === 'stderr' ? 'stderr' : 'stdout', JSON.parse(data) as string, Number(id), options)
    followed.next = id
  }
}

/** Waits for a reader that is slower than the server. */
const show = async (stream: 'stdout' | 'stderr', text: string, next: number, { json }: TailOptions): Promise<void> => {
  const target = json === true ? process.stdout : process[stream]
  const line = (): string => `${JSON.stringify({ offset: next - Buffer.byteLength(text), stream, text })}\n`
  const shown = json === true ? line() : target.isTTY ? harmless(text) : text
  if (!target.write(shown)) await once(target, 'drain')
}
