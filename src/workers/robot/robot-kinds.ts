import type { BlobFiles } from '../../commands/blob-files.ts'
import { createForget } from '../../commands/forget-secrets.ts'
import { createNameClaims } from '../../commands/robot/name-claims.ts'
import { createSchedules } from '../../commands/schedules/schedules.ts'
import { createSubmit } from '../../commands/submit.ts'
import type { Work } from '../work.ts'
import { actionWork } from './action/action-work.ts'
import { createTemplatePrograms } from './action/template-programs.ts'
import { blueprintWork } from './blueprint/blueprint-work.ts'
import { createCheckouts } from './checkouts.ts'
import { cloneWork } from './git/clone-work.ts'
import { deleteWork } from './lifecycle/delete-work.ts'
import { createRequestUpgrades } from './lifecycle/request-upgrades.ts'
import { upgradeWork } from './lifecycle/upgrade-work.ts'
import { validateWork } from './lifecycle/validate-work.ts'
import { createRecurring } from './recurring.ts'
import type { RobotPorts } from './robot-ports.ts'
import { webHookWork } from './web-hooks/web-hook-work.ts'

/** The works of every kind `robot.…`. */
export const robotWorks = ({
  blobFiles,
  ...node
}: Omit<RobotPorts, Made> & { readonly blobFiles: BlobFiles }): readonly Work[] => {
  const works = new Map<string, Work>()
  const submit = createSubmit({ ...node, blobs: blobFiles, kinds: works })
  const checkouts = createCheckouts(node)
  const forget = createForget(node)
  const schedules = createSchedules({ ...node, blobs: blobFiles, kinds: works, submit, forget })
  const made = {
    ...node,
    submit,
    checkouts,
    programs: createTemplatePrograms({ ...node, checkouts }),
    names: createNameClaims(node),
    forget,
    recurring: createRecurring({ ...node, schedules }),
  }
  const ports: RobotPorts = { ...made, requestUpgrades: createRequestUpgrades(made) }
  for (const work of [cloneWork, validateWork, upgradeWork, deleteWork, blueprintWork, actionWork, webHookWork].map((make) =>
    make(ports),
  ))
    works.set(work.kind, work)
  return [...works.values()]
}

/** Ports that are made here. */
type Made = 'submit' | 'checkouts' | 'programs' | 'names' | 'forget' | 'recurring' | 'requestUpgrades'
