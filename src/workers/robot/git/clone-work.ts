import { CloneInput, cloneKind } from '../../../commands/robot/template.ts'
import { noBackoff, type Work, WorkFailed } from '../../work.ts'
import type { RobotPorts } from '../robot-ports.ts'

/** Clones or fetches a template repository and loads the templates of one revision. Source: robot contract, section 7. */
export const cloneWork = ({ settings }: Pick<RobotPorts, 'settings'>): Work =>
  ({
    kind: cloneKind,
    face: 'robot',
    description: 'Clones or fetches a template repository and loads its templates',
    submittable: false,
    input: CloneInput,
    policy: { attempts: 1, timeoutMs: settings.gitTimeoutMs + 60_000, backoff: noBackoff, whenLost: 'retry' },
    run: async () => {
      throw new WorkFailed('git-failed', 'cloning is not built yet', { retryable: false })
    },
  }) satisfies Work<CloneInput> as Work
