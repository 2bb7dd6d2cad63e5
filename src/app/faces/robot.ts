import { blueprintKind } from '../../commands/robot/blueprint.ts'
import { deleteKind, upgradeKind, validateKind } from '../../commands/robot/lifecycle.ts'
import { service } from '../../commands/robot/service.ts'
import { serviceName } from '../../commands/robot/service-name.ts'
import { type RobotFaceSettings, robotSettings, robotVariables } from '../../commands/robot/settings.ts'
import { actionKind } from '../../commands/robot/task.ts'
import { cloneKind } from '../../commands/robot/template.ts'
import { webHook, webHookKind } from '../../commands/robot/web-hook.ts'
import { dataDirectory } from '../../data-directory.ts'
import { serviceEvents } from '../../events/robot/service.ts'
import { robotServices } from '../../projections/robot/services.ts'
import { robotTemplates } from '../../projections/robot/templates.ts'
import { robotWebHooks } from '../../projections/robot/web-hooks.ts'
import { faceModule } from '../face-module.ts'

const lifecycle = { reads: ['robot-templates', 'robot-services', 'schedules'] }

/** ZeroRobot's API. */
export const robot = faceModule<RobotFaceSettings>({
  name: 'robot',
  variables: robotVariables,
  settings: (environment, { dataDir }) => robotSettings(environment, dataDirectory(dataDir).robot),
  deciders: [service, serviceName, webHook],
  projections: [robotTemplates, robotServices, robotWebHooks],
  sealed: [serviceEvents],
  kinds: {
    [cloneKind]: { reads: ['robot-templates', 'robot-services'] },
    [validateKind]: lifecycle,
    [upgradeKind]: lifecycle,
    [deleteKind]: lifecycle,
    [blueprintKind]: lifecycle,
    [actionKind]: { reads: ['robot-templates', 'robot-services'] },
    [webHookKind]: { reads: [] },
  },
  works: async (node) => {
    const { robotWorks } = await import('../../workers/robot/robot-kinds.ts')
    return robotWorks(node)
  },
  serve: async (node) => {
    const { createRobotFace } = await import('../../http/robot/face.ts')
    const { createServiceSecrets } = await import('../../commands/robot/service-secrets.ts')
    const { createStorageProbe } = await import('../../stores/storage-probe.ts')
    const { createCheckouts } = await import('../../workers/robot/checkouts.ts')
    const { createMakeWay } = await import('../../workers/robot/lifecycle/make-way.ts')
    const { validateAtStart } = await import('../../workers/robot/lifecycle/validate-at-start.ts')
    const { createFailureReports } = await import('../../workers/robot/web-hooks/failure-reports.ts')
    const secrets = createServiceSecrets(node.secrets)
    return {
      face: createRobotFace({ ...node, secrets, isStorageHealthy: createStorageProbe(node) }),
      services: [
        { name: 'web hooks', where: 'each', ...createFailureReports(node) },
        { name: 'ways', where: 'one', ...createMakeWay(node) },
      ],
      prepare: () => validateAtStart({ ...node, checkouts: createCheckouts(node) }),
    }
  },
})
