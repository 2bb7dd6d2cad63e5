import type { Logger } from 'pino'
import { investigationId, investigationRequest } from '../../commands/clusters/investigation.ts'
import type { Submit } from '../../commands/submit.ts'
import { messageOf } from '../../lib/errors.ts'
import { clustersQueries, clustersView } from '../../projections/clusters/clusters.ts'
import type { Projections } from '../../projections/projection.ts'

/** Hosts that were registered by a process that ended before it asked for their investigation get it. */
export const createInvestigations = ({
  projections,
  submit,
  logger,
}: {
  readonly projections: Pick<Projections, 'views'>
  readonly submit: Submit
  readonly logger: Logger
}): { start(): Promise<void>; stop(): Promise<void> } => ({
  start: async () => {
    for (const host of clustersQueries(projections.views(clustersView)).hosts.uninvestigated()) {
      const id = investigationId(host)
      const actor = { principal: 'system', face: 'clusters', address: null }
      const context = { commandId: id, correlationId: id, causationId: host.registration, actor }
      try {
        await submit(investigationRequest(host), context, { internal: true })
      } catch (error) {
        logger.warn({ address: host.address, reason: messageOf(error) }, 'an investigation could not be asked for')
      }
    }
  },
  stop: async () => {},
})
