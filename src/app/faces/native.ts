import { batch } from '../../commands/batch.ts'
import { blob } from '../../commands/blob.ts'
import { lane } from '../../commands/lane.ts'
import { limit } from '../../commands/limit.ts'
import { operation } from '../../commands/operation.ts'
import { request } from '../../commands/request.ts'
import { schedule } from '../../commands/schedules/schedule.ts'
import { secret } from '../../commands/secret.ts'
import { webhook } from '../../commands/webhook.ts'
import { webhookProgress } from '../../commands/webhook-progress.ts'
import { type WebhookSettings, webhookSettings, webhookVariables } from '../../commands/webhook-settings.ts'
import { dataDirectory } from '../../data-directory.ts'
import { scheduleEvents } from '../../events/schedule.ts'
import { webhookEvents } from '../../events/webhook.ts'
import { batches } from '../../projections/batches.ts'
import { blobs } from '../../projections/blobs.ts'
import { operations } from '../../projections/operations/operations.ts'
import { moments } from '../../projections/past/moments.ts'
import { schedules } from '../../projections/schedules.ts'
import { webhooks } from '../../projections/webhooks/webhooks.ts'
import type { Work } from '../../workers/work.ts'
import { faceModule } from '../face-module.ts'

interface NativeSettings {
  readonly kindsDirectory: string
  readonly webhooks: WebhookSettings
}

/** The native API's own streams, views and kinds; its routes are the server's (http/server/server.ts). */
export const native = faceModule<NativeSettings>({
  name: 'native',
  settings: (environment, base) => ({
    kindsDirectory: environment.KINDS_DIR ?? dataDirectory(base.dataDir).kinds,
    webhooks: webhookSettings(environment, base),
  }),
  variables: ['KINDS_DIR', ...webhookVariables],
  deciders: [operation, lane, limit, request, secret, blob, schedule, batch, webhook, webhookProgress],
  projections: [operations, blobs, moments, schedules, batches, webhooks],
  sealed: [scheduleEvents, webhookEvents],
  kinds: { probe: { reads: [] }, 'bulk.cancel': { reads: [] }, 'bulk.retry': { reads: [] } },
  works: async (node) => {
    const { probe } = await import('../../workers/probe.ts')
    const { bulkCancel, bulkRetry } = await import('../../workers/bulk/bulk.ts')
    return [probe(node.clock) as Work, bulkCancel(node) as Work, bulkRetry(node) as Work]
  },
  serve: async (node) => {
    const { createUploadSettler } = await import('../../workers/blobs/settle-uploads.ts')
    const { createBatchFinisher } = await import('../../workers/bulk/finish-batches.ts')
    const { createFiringService } = await import('../../workers/schedules/firing-service.ts')
    const { openWebhooks } = await import('../../workers/webhooks/open-webhooks.ts')
    const { bodyIdleMs, sharesLog } = node.ports.settings
    const settler = createUploadSettler({ ...node, bodyIdleMs, isAlone: !sharesLog })
    const firing = createFiringService({ ...node, schedules: node.ports.schedules })
    return {
      services: [
        // Alone it has done it before the first request comes.
        { name: 'uploads', where: sharesLog ? 'one' : 'each', ...settler },
        { name: 'schedules', where: 'one', ...firing },
        { name: 'batches', where: 'one', ...createBatchFinisher(node) },
        { name: 'webhooks', where: 'one', ...openWebhooks({ ...node, settings: node.settings.webhooks }) },
      ],
    }
  },
  ownKinds: async ({ settings: { kindsDirectory }, ...node }, signal) => {
    const { openOwnKinds } = await import('../../workers/own-kinds/own-kinds.ts')
    return openOwnKinds({ ...node, directory: kindsDirectory, signal })
  },
})
