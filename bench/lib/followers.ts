import { type ChildProcess, fork } from 'node:child_process'

export interface FollowOrder {
  readonly url: string
  /** Of a stream of server-sent events that says `event: live` when it has caught up. */
  readonly path: string
  readonly clients: number
  /** How many each client waits for. */
  readonly events: number
}

export interface Followed {
  readonly deliveries: number
  /** Whether each client got its events by growing id. */
  readonly inOrder: boolean
}

/** Starts clients in a process of their own; resolves when all are live, with the promise of their end. */
export const startFollowers = async (order: FollowOrder): Promise<{ readonly ended: Promise<Followed> }> => {
  const child = fork(new URL('sse-clients.ts', import.meta.url))
  const live = answerOf(child, 'live')
  const ended = answerOf(child, 'result').finally(() => child.kill()) as Promise<Followed>
  ended.catch(() => undefined)
  child.send(order)
  await Promise.race([live, ended])
  return { ended }
}

const answerOf = (child: ChildProcess, member: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    child.on('message', (message: Readonly<Record<string, unknown>>) => {
      if (member in message) resolve(message[member])
      else if ('error' in message) reject(new Error(String(message.error)))
    })
    child.once('exit', () => reject(new Error('the clients ended')))
  })
