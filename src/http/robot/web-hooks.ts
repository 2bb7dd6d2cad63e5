import { z } from 'zod'
import { type WebHookCommand, webHook } from '../../commands/robot/web-hook.ts'
import { md5 } from '../../lib/ids.ts'
import { webHooksOf } from '../../projections/robot/web-hooks.ts'
import type { FaceRoute } from '../faces/face.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import { settle } from '../reading/event-position.ts'
import { json } from '../replies/json.ts'
import { messages } from './messages.ts'
import { readRobotBody } from './read-body.ts'
import type { RobotTools } from './tools.ts'

const view = 'robot-web-hooks'

/** Source: robot contract, section 3.1. */
export const WebHookBody = z
  .object({
    url: z.string().refine((url) => /^https?:\/\//i.test(url) && URL.canParse(url), 'an absolute http or https address'),
    kind: z.literal('eco'),
    /** Ignored: it derives from the address. */
    id: z.string().nullish(),
  })
  .meta({ id: 'RobotWebHook' })

/** `/robot/webhooks`. Source: robot contract, rows 18 to 20. */
export const webHookRoutes = ({ ports }: Pick<RobotTools, 'ports'>): readonly FaceRoute[] => {
  /** Resolves when the list shows it. */
  const carryOut = async (c: HttpContext, command: WebHookCommand): Promise<void> => {
    const outcome = await ports.executor.execute(webHook, command, requestContext(c))
    if (outcome.refused !== undefined) throw new Error(`${command.type} was refused: ${outcome.refused.reason}`)
    caused(c, { position: outcome.position })
    await settle(ports, outcome.position, [view])
  }

  return [
    {
      method: 'GET',
      path: '/robot/webhooks',
      reads: [view],
      handle: (c) => json(webHooksOf(c.known.views(view))),
    },
    {
      method: 'POST',
      path: '/robot/webhooks',
      handle: async (c) => {
        const { url, kind } = await readRobotBody(c, WebHookBody, messages.badBody)
        const id = md5(url)
        await carryOut(c, { type: 'AddWebHook', id, url })
        return json({ id, kind, url }, 201)
      },
    },
    {
      method: 'DELETE',
      path: '/robot/webhooks/:id',
      handle: async (c, { id = '' }) => {
        // No other id was ever given.
        if (/^[0-9a-f]{32}$/.test(id)) await carryOut(c, { type: 'DeleteWebHook', id })
        return { status: 204, headers: {}, body: null }
      },
    },
  ]
}
