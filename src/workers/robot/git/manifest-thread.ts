import { parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../../../lib/errors.ts'
import type { WorkFailed } from '../../work.ts'
import { type FoundTemplates, readTemplates } from './read-templates.ts'

/** What the thread says: the templates, or why there are none. */
export type FromManifests =
  | { readonly found: FoundTemplates }
  | { readonly refused: { readonly type: string; readonly message: string; readonly details: WorkFailed['details'] } }

/** Reads what strangers wrote: YAML and JSON schemas of a few kilobytes can take seconds. It may be ended at any moment. */
if (parentPort !== null) {
  const port = parentPort
  readTemplates(workerData as string).then(
    (found) => port.postMessage({ found } satisfies FromManifests),
    (error: Partial<WorkFailed>) => {
      const refused = { type: error.type ?? 'unreadable', message: messageOf(error), details: error.details }
      port.postMessage({ refused } satisfies FromManifests)
    },
  )
}
