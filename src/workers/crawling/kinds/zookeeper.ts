import { type DomainCommand, domainRules } from '../../../commands/crawling/domain-rules.ts'
import { ZookeeperRequest } from '../../../commands/crawling/requests.ts'
import type { Executor } from '../../../commands/execute.ts'
import { RevisionConflict, Unacceptable, Unavailable } from '../../../lib/errors.ts'
import { derivedId } from '../../../lib/ids.ts'
import type { Position } from '../../../stores/event-log.ts'
import { commandFrom } from '../../command-from.ts'
import type { Work } from '../../work.ts'
import { type AnsweringPorts, answeringPolicy, caughtUp, serverTime, unanswerable } from './answering.ts'

/** Changes the throttle of a domain or the blacklist; every fetcher follows at once. Source: crawling contract, section 5.5. */
export const zookeeperWork = (ports: AnsweringPorts & { readonly executor: Executor }): Work<ZookeeperRequest> => ({
  kind: 'crawling.zookeeper',
  face: 'crawling',
  description: 'Sets or removes the throttle of a domain, or puts it on the blacklist or takes it off',
  submittable: false,
  input: ZookeeperRequest,
  policy: answeringPolicy,
  run: async (request, context) => {
    const { operationId, attempt } = context
    const { action, domain, uuid, appid } = request
    const command = commandOf(request, operationId)
    const acknowledged = () => ({ action, domain, uuid, appid, server_time: serverTime(ports.clock) })
    let position: Position | null
    try {
      const done = await ports.executor.execute(domainRules, command, commandFrom(context, derivedId('zookeeper', operationId)))
      position = done.refused ? null : done.position
    } catch (error) {
      // What the log can never take, or did not in all attempts.
      const isPassing = error instanceof Unavailable || error instanceof RevisionConflict
      if (!(error instanceof Unacceptable) && !(isPassing && attempt >= answeringPolicy.attempts)) throw error
      return { ...acknowledged(), error: notStored }
    }
    await caughtUp(ports, ['crawling-pages'], position)
    return acknowledged()
  },
})

/** The original's words. */
const notStored = 'Unable to store Zookeeper config'

const commandOf = ({ action, domain, uuid, appid, hits, window, scale }: ZookeeperRequest, operation: string): DomainCommand => {
  const asked = { domain, operation, appid, uuid }
  switch (action) {
    case 'domain-update':
      if (hits === 0 || window === 0) throw unanswerable('a domain-update names hits and window, both other than 0')
      return { type: 'SetThrottle', asked, hits, window, scale }
    case 'domain-remove':
      return { type: 'RemoveThrottle', asked }
    case 'blacklist-update':
      return { type: 'Blacklist', asked }
    case 'blacklist-remove':
      return { type: 'Unblacklist', asked }
  }
}
