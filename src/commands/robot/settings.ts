import { z } from 'zod'
import { type Environment, settingsFrom, variablesOf, whole, yesOrNo } from '../../lib/environment.ts'
import { isThisMachine, type ProxyFor, proxiesOf } from '../../lib/proxy-settings.ts'

/** Every setting of the robot face. */
export const RobotSettings = z.object({
  /** Folder of clones, checkouts and work directories; default `DATA_DIR/robot`. Workers that share it share the work directories. */
  dir: z.string().optional(),
  /** Who may not have the name of a service that `POST /services` creates: any other service, or one of the same template. */
  nameScope: z.enum(['robot', 'template'], 'is not robot or template').default('robot'),
  /** Whether holders of the god token see the data and the logs of services. */
  godMode: yesOrNo.default(false),
  /** The organisation that `ZrobotAdmin` and `ZrobotUser` ask for; without one these headers are not asked for. */
  organization: z.string().optional(),
  /** Whether template repositories and web hooks may be at private and loopback addresses. */
  allowPrivate: yesOrNo.default(true),
  /** Programs of templates that run at a time in one process. */
  concurrency: whole(1, 1_000).default(16),
  /** Bounds a clone or a fetch. */
  gitTimeoutMs: whole(1_000, 3_600_000).default(600_000),
  /** Largest clone in bytes. */
  maxCloneBytes: whole(1).default(1_073_741_824),
  /** Largest file of a checkout in bytes. */
  maxFileBytes: whole(1).default(104_857_600),
  /** Largest checkout in bytes, and in files. */
  maxCheckoutBytes: whole(1).default(1_073_741_824),
  maxCheckoutFiles: whole(1).default(20_000),
  /** Where programs of templates reach this API; default: the server that runs them. A worker has no default. */
  apiUrl: z.url({ protocol: /^https?$/, error: 'is not an http or https address' }).optional(),
  /** The token that they are given, for servers with credentials. */
  apiToken: z.string().optional(),
})
export type RobotSettings = z.infer<typeof RobotSettings>

/** With what other settings tell the face. */
export interface RobotFaceSettings extends RobotSettings {
  /** Folder of clones, checkouts and work directories. */
  readonly directory: string
  /** From ROBOT_PROXY and the variables that name proxies everywhere; this machine is reached without one. Source: robot contract, section 7. */
  readonly proxyFor: ProxyFor
  /** GIT_SSH_COMMAND of the server's environment; it has to say by itself that nobody is asked. */
  readonly sshCommand: string | undefined
  /** TZ of programs. */
  readonly timeZone: string
  /** SSH_AUTH_SOCK of the server's environment. */
  readonly sshAgent: { readonly SSH_AUTH_SOCK?: string }
}

/**
 * The settings of an environment (`ROBOT_NAME_SCOPE=template`), defaults where a variable is missing. Throws an `Error` whose message has
 * one line per variable that cannot be honoured.
 */
export const robotSettings = (environment: Environment, directory: string): RobotFaceSettings => {
  const settings = settingsFrom('ROBOT', RobotSettings, environment)
  const { GIT_SSH_COMMAND, SSH_AUTH_SOCK, TZ } = environment
  const proxyFor = proxiesOf(environment, 'ROBOT_PROXY')
  return {
    ...settings,
    directory: settings.dir ?? directory,
    proxyFor: (target) => (isThisMachine(target.hostname) ? undefined : proxyFor(target)),
    timeZone: TZ || Intl.DateTimeFormat().resolvedOptions().timeZone,
    sshCommand: GIT_SSH_COMMAND || undefined,
    sshAgent: SSH_AUTH_SOCK === undefined ? {} : { SSH_AUTH_SOCK },
  }
}

/** The defaults alone, for tests. */
export const defaultRobotSettings = (directory: string): RobotFaceSettings => robotSettings({}, directory)

export const robotVariables = [...variablesOf('ROBOT', RobotSettings), 'ROBOT_PROXY']
