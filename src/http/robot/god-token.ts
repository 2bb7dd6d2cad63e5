import { z } from 'zod'
import { signingSubject } from '../../commands/robot/service-secrets.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import { json } from '../replies/json.ts'
import { Problem } from '../replies/problem.ts'
import { problems } from '../v1/schemas.ts'
import { robotTag } from './documents.ts'
import type { RobotTools } from './tools.ts'

const GodTokenDocument = z.object({ token: z.string() }).meta({ id: 'RobotGodToken' })

/** How operators get the token that shows data and logs of services. Source: robot contract, section 8, "god mode". */
export const godTokenRoute = ({ secrets, settings }: Pick<RobotTools, 'secrets' | 'settings'>): NativeRoute =>
  nativeRoute({
    method: 'post',
    path: '/v1/robot/god-token',
    summary: 'Get the god token of the robot',
    description:
      'Whoever sends it in `ZrobotSecret` sees data and logs of services under `/zrobot/0.9`. Always the same one, until `DELETE /v1/secrets/robotSecrets`.',
    tag: robotTag,
    scope: 'v1:write',
    answers: {
      200: { description: 'The token', schema: GodTokenDocument },
      ...problems({ 404: 'God mode is off: ROBOT_GOD_MODE turns it on' }),
    },
    handle: async () => {
      if (!settings.godMode) throw new Problem('not-found', 'god mode is off: ROBOT_GOD_MODE=true turns it on')
      const answer = json({ token: await secrets.godToken() }, 200, { 'Cache-Control': 'no-store' })
      return { ...answer, sealedFor: signingSubject }
    },
  })
