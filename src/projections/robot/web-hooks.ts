import { webHookEvents, webHookPrefix } from '../../events/robot/web-hook.ts'
import { on, type Projection, type Views } from '../projection.ts'

/** Addresses that are told of failed tasks, in the order in which they were added. Source: robot contract, "Read models". */
export const robotWebHooks: Projection = {
  name: 'robot-web-hooks',
  version: 1,
  filter: { streamPrefixes: [webHookPrefix] },
  schema: [`CREATE TABLE hooks (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, url TEXT NOT NULL) STRICT`],
  apply: on(webHookEvents, {
    WebHookAdded: ({ stream, data: { kind, url } }, tx) =>
      tx.run('INSERT OR IGNORE INTO hooks (id, kind, url) VALUES (?, ?, ?)', idOf(stream), kind, url),
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
