import { nextCharacter } from '../../lib/utf8.ts'
import { lastWritten } from '../../projections/operations/output-chunks.ts'
import { readOutput } from '../../projections/operations/read-output.ts'
import { serviceQueries } from '../../projections/robot/services.ts'
import type { EventLog, Position } from '../../stores/event-log.ts'
import type { FaceRoute } from '../faces/face.ts'
import type { HttpContext } from '../faces/http-context.ts'
import { json } from '../replies/json.ts'
import type { Reply } from '../replies/reply.ts'
import { robotError } from './error-body.ts'
import { messages } from './messages.ts'
import type { RobotTools } from './tools.ts'

const view = 'robot-services'
const mostBytes = 1_048_576
/** Operations that are looked at: of those before nothing is shown, though these may have printed little. */
const mostRuns = 1_000
const lineFeed = 10

/** What the programs of a service have printed, its last MiB. Source: robot contract, row 15. */
export const logRoutes = ({ ports, settings }: RobotTools): readonly FaceRoute[] => {
  const show = async (c: HttpContext, { service_guid: guid = '' }: Readonly<Record<string, string>>): Promise<Reply> => {
    if (!settings.godMode) return robotError(400, { message: messages.noGodMode })
    const services = serviceQueries(c.known.views(view))
    if (services.byGuid(guid) === undefined) return robotError(404, { message: messages.serviceNotFound(guid) })
    const parts: Buffer[] = []
    let left = mostBytes
    const upTo = c.known.position()
    for (const operation of services.lastRuns(guid, mostRuns)) {
      const part = await tailOf(ports.log, operation, { most: left, upTo })
      parts.unshift(part)
      left -= part.length
      if (left <= 0) break
    }
    const logs = Buffer.concat(parts)
    return json({ logs: logs.toString('utf8', nextCharacter(logs, 0)) })
  }
  return [{ method: 'GET', path: '/services/:service_guid/logs', reads: [view], handle: show }]
}

/** The end of what an operation has printed; its last line is ended. */
const tailOf = async (
  log: EventLog,
  operation: string,
  { most, upTo }: { readonly most: number; readonly upTo: Position },
): Promise<Buffer> => {
  const last = await lastWritten(log, operation, upTo)
  if (last === undefined) return Buffer.alloc(0)
  const offset = Math.max(0, last.offset + last.bytes - most)
  const { content } = await readOutput(log, operation, { offset, limit: most, upTo })
  return content.at(-1) === lineFeed ? content : Buffer.concat([content, Buffer.from('\n')])
}
