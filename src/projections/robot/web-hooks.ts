import { webHookEvents, webHookPrefix } from '../../events/robot/web-hook.ts'
import type { Position } from '../../stores/event-log.ts'
import { on, type Projection, type Views } from '../projection.ts'

/** Addresses that are told of failed tasks, in the order in which they were added. Source: robot contract, "Read models". */
export const robotWebHooks: Projection = {
  name: 'robot-web-hooks',
  version: 1,
  filter: { streamPrefixes: [webHookPrefix] },
  schema: [
    `CREATE TABLE hooks (
       seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, url TEXT NOT NULL, since TEXT NOT NULL
     ) STRICT`,
  ],
  apply: on(webHookEvents, {
    WebHookAdded: ({ stream, position, data: { kind, url } }, tx) =>
      tx.run('INSERT OR IGNORE INTO hooks (id, kind, url, since) VALUES (?, ?, ?, ?)', idOf(stream), kind, url, position),
    WebHookDeleted: ({ stream }, tx) => tx.run('DELETE FROM hooks WHERE id = ?', idOf(stream)),
  }),
}

const idOf = (stream: string): string => stream.slice(webHookPrefix.length)

export interface WebHook {
  readonly id: string
  readonly kind: 'eco'
  readonly url: string
}

/** Of the view `robot-web-hooks`. */
export const webHooksOf = (views: Views): readonly WebHook[] => views.all('SELECT id, kind, url FROM hooks ORDER BY seq')

/** Where the oldest of them was added; undefined where there is none. */
export const firstWebHookAt = (views: Views): Position | undefined =>
  views.get<{ since: Position | null }>('SELECT min(since) AS since FROM hooks')?.since ?? undefined

/** Those that were there already at a position. */
export const webHooksSince = (views: Views, position: Position): readonly WebHook[] =>
  views.all('SELECT id, kind, url FROM hooks WHERE since < ? ORDER BY seq', position)
