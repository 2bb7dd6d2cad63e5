import { templateQueries } from '../../projections/robot/templates.ts'
import type { FaceRoute } from '../faces/face.ts'
import { json } from '../replies/json.ts'
import type { RobotTools } from './tools.ts'

/** `/templates`. Source: robot contract, rows 2 to 4. */
export const templateRoutes = (_tools: RobotTools): readonly FaceRoute[] => [
  {
    method: 'GET',
    path: '/templates',
    reads: ['robot-templates'],
    handle: (c) => json(templateQueries(c.known.views('robot-templates')).all()),
  },
]
