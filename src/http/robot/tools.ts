import type { ServiceSecrets } from '../../commands/robot/service-secrets.ts'
import type { RobotFaceSettings } from '../../commands/robot/settings.ts'
import type { HttpContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import type { Changes } from '../reading/view-changes.ts'
import type { Caller } from './callers.ts'

/** Where the routes are served, and in which generation's words. Source: robot contract, section 8. */
export interface RobotMount {
  /** What every path begins with, `Location` too. */
  readonly prefix: '' | '/zrobot/0.9'
  readonly profile: 'seed' | '0.9'
}

/** What routes of this face are made of. */
export interface RobotTools {
  readonly ports: HttpPorts
  readonly settings: RobotFaceSettings
  readonly changes: Changes
  /** Aborts when the server goes down: whatever waits answers then. */
  readonly closing: AbortSignal
  readonly mount: RobotMount
  readonly secrets: ServiceSecrets
  /** What whoever sent the request may see and use. */
  readonly caller: (c: HttpContext) => Promise<Caller>
  /** Whether the log takes a write. Never rejects. */
  readonly isStorageHealthy: () => Promise<boolean>
}
