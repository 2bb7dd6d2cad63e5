import type { BlobFiles } from '../../commands/blob-files.ts'
import { createForget } from '../../commands/forget-secrets.ts'
import { createNameClaims } from '../../commands/robot/name-claims.ts'
import { createSubmit } from '../../commands/submit.ts'
import type { Work } from '../work.ts'
import { createCheckouts } from './checkouts.ts'
import { cloneWork } from './git/clone-work.ts'
import { validateWork } from './lifecycle/validate-work.ts'
import type { RobotPorts } from './robot-ports.ts'

/** The works of every kind `robot.…`. */
export const robotWorks = ({
  blobFiles,
  ...node
}: Omit<RobotPorts, Made> & { readonly blobFiles: BlobFiles }): readonly Work[] => {
  const works = new Map<string, Work>()
  const submit = createSubmit({ ...node, blobs: blobFiles, kinds: works })
  const ports: RobotPorts = {
    ...node,
    submit,
    checkouts: createCheckouts(node),
    names: createNameClaims(node),
    forget: createForget(node),
    requestUpgrades: async () => [],
  }
  for (const work of [cloneWork(ports), validateWork(ports)]) works.set(work.kind, work)
  return [...works.values()]
}

/** Ports that are made here. */
type Made = 'submit' | 'checkouts' | 'names' | 'forget' | 'requestUpgrades'
