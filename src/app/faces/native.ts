import { blob } from '../../commands/blob.ts'
import { lane } from '../../commands/lane.ts'
import { limit } from '../../commands/limit.ts'
import { operation } from '../../commands/operation.ts'
import { request } from '../../commands/request.ts'
import { secret } from '../../commands/secret.ts'
import { blobs } from '../../projections/blobs.ts'
import { operations } from '../../projections/operations/operations.ts'
import { moments } from '../../projections/past/moments.ts'
import type { Work } from '../../workers/work.ts'
import { faceModule } from '../face-module.ts'

/** The native API's own streams, views and kinds; its routes are the server's (http/server/server.ts). */
export const native = faceModule({
  name: 'native',
  settings: () => undefined,
  variables: [],
  deciders: [operation, lane, limit, request, secret, blob],
  projections: [operations, blobs, moments],
  kinds: { probe: { reads: [] } },
  works: async ({ clock }) => {
    const { probe } = await import('../../workers/probe.ts')
    return [probe(clock) as Work]
  },
  serve: async ({ uploads, executor, clock, logger, ports: { settings } }) => {
    const { createUploadSettler } = await import('../../workers/blobs/settle-uploads.ts')
    const { bodyIdleMs, sharesLog } = settings
    const settler = createUploadSettler({ uploads, executor, bodyIdleMs, isAlone: !sharesLog, clock, logger })
    return { services: [{ name: 'uploads', where: 'one', ...settler }] }
  },
})
