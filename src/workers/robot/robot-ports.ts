import type { Logger } from 'pino'
import type { Executor } from '../../commands/execute.ts'
import type { Forget } from '../../commands/forget-secrets.ts'
import type { NameClaims } from '../../commands/robot/name-claims.ts'
import type { RobotFaceSettings } from '../../commands/robot/settings.ts'
import type { BoundTemplate } from '../../commands/robot/template.ts'
import type { Submit } from '../../commands/submit.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Projections } from '../../projections/projection.ts'
import type { EventLog } from '../../stores/event-log.ts'
import type { Secrets } from '../../stores/secrets.ts'
import type { Processes } from '../processes/processes.ts'
import type { WorkContext } from '../work.ts'
import type { TemplatePrograms } from './action/template-programs.ts'
import type { Checkouts } from './checkouts.ts'
import type { Recurring } from './recurring.ts'

/**
 * Requests the upgrade of every service of these templates; again with the same operation it requests nothing else. A service whose name is
 * taken under the new uid stays as it is, and `output` is told. The ids of the operations.
 */
export type RequestUpgrades = (
  templates: readonly BoundTemplate[],
  context: Pick<WorkContext, 'operationId' | 'correlationId' | 'actor' | 'signal' | 'output'>,
) => Promise<readonly string[]>

/** What the works of this face are made of. */
export interface RobotPorts {
  readonly log: EventLog
  readonly executor: Executor
  readonly projections: Projections
  readonly processes: Processes
  readonly secrets: Secrets
  readonly clock: Clock
  readonly logger: Logger
  readonly settings: RobotFaceSettings
  /** Where this process answers requests of the API, once it does. */
  address(): string | undefined
  /** Requests operations of the kinds of this face, and of no other; `internal` is to be said. */
  readonly submit: Submit
  readonly checkouts: Checkouts
  readonly programs: TemplatePrograms
  readonly names: NameClaims
  readonly forget: Forget
  readonly recurring: Recurring
  readonly requestUpgrades: RequestUpgrades
}
