import { blob } from '../../commands/blob.ts'
import { lane } from '../../commands/lane.ts'
import { limit } from '../../commands/limit.ts'
import { operation } from '../../commands/operation.ts'
import { request } from '../../commands/request.ts'
import { schedule } from '../../commands/schedules/schedule.ts'
import { secret } from '../../commands/secret.ts'
import { dataDirectory } from '../../data-directory.ts'
import { scheduleEvents } from '../../events/schedule.ts'
import { blobs } from '../../projections/blobs.ts'
import { operations } from '../../projections/operations/operations.ts'
import { moments } from '../../projections/past/moments.ts'
import { schedules } from '../../projections/schedules.ts'
import type { Work } from '../../workers/work.ts'
import { faceModule } from '../face-module.ts'

interface NativeSettings {
  readonly kindsDirectory: string
}

/** The native API's own streams, views and kinds; its routes are the server's (http/server/server.ts). */
export const native = faceModule<NativeSettings>({
  name: 'native',
  settings: ({ KINDS_DIR }, { dataDir }) => ({ kindsDirectory: KINDS_DIR ?? dataDirectory(dataDir).kinds }),
  variables: ['KINDS_DIR'],
  deciders: [operation, lane, limit, request, secret, blob, schedule],
  projections: [operations, blobs, moments, schedules],
  sealed: [scheduleEvents],
  kinds: { probe: { reads: [] } },
  works: async ({ clock }) => {
    const { probe } = await import('../../workers/probe.ts')
    return [probe(clock) as Work]
  },
  serve: async (node) => {
    const { createUploadSettler } = await import('../../workers/blobs/settle-uploads.ts')
    const { createFiringService } = await import('../../workers/schedules/firing-service.ts')
    const { bodyIdleMs, sharesLog } = node.ports.settings
    const settler = createUploadSettler({ ...node, bodyIdleMs, isAlone: !sharesLog })
    const firing = createFiringService({ ...node, schedules: node.ports.schedules })
    return {
      services: [
        // Alone it has done it before the first request comes.
        { name: 'uploads', where: sharesLog ? 'one' : 'each', ...settler },
        { name: 'schedules', where: 'one', ...firing },
      ],
    }
  },
  ownKinds: async ({ settings: { kindsDirectory }, ...node }, signal) => {
    const { openOwnKinds } = await import('../../workers/own-kinds/own-kinds.ts')
    return openOwnKinds({ ...node, directory: kindsDirectory, signal })
  },
})
