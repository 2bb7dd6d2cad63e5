import { z } from 'zod'
import { sealed } from '../../events/sealed.ts'
import { md5 } from '../../lib/ids.ts'
import type { TemplateManifest } from './manifest.ts'
import type { TemplateUid } from './template-uid.ts'

/** Clones a template repository, or fetches what is new, and loads the templates of one revision. */
export const cloneKind = 'robot.clone'

/** A template repository; `key` is the normalised url (`GitUrl.key`). */
export const TemplateRepository = z.object({
  key: z.string(),
  /** What git is given, without user info. */
  remote: z.string(),
  /** Its user info, `user:password`. */
  userInfo: sealed().nullable(),
  host: z.string(),
  account: z.string(),
  repository: z.string(),
})
export type TemplateRepository = z.infer<typeof TemplateRepository>

export const CloneInput = z.strictObject({
  repository: TemplateRepository,
  /** Branch, tag or commit; null for `master`, or the branch that the remote's HEAD names where it has no `master`. */
  revision: z.string().nullable(),
  /** Whether the services of its templates follow to that revision. */
  upgrade: z.boolean(),
})
export type CloneInput = z.infer<typeof CloneInput>

/** What a `robot.clone` results in; the view `robot-templates` is folded from it. */
export interface CloneOutcome {
  readonly repository: TemplateRepository
  /** The branch, tag or commit that was loaded. */
  readonly revision: string
  readonly commit: string
  readonly templates: readonly {
    readonly uid: string
    readonly directory: string
    readonly manifest: TemplateManifest
  }[]
  /** The operations that upgrade services, where the request asked for that. */
  readonly upgrades: readonly string[]
}

/** A template as a service is bound to it: its uid and the commit that it was loaded from. */
export interface BoundTemplate {
  readonly templateUid: string
  readonly commit: string
}

/** What a service is called and bound to. */
export interface ServiceBinding extends BoundTemplate {
  readonly guid: string
  readonly name: string
}

/** A template of one commit. */
export interface LoadedTemplate extends TemplateUid, BoundTemplate {
  /** Its folder in the checkout: `templates/<folder>`. */
  readonly directory: string
  readonly manifest: TemplateManifest
  readonly repositoryKey: string
}

/** Operations on one repository run one after the other. */
export const repositoryLane = (key: string): string => `robot-repository:${md5(key)}`

/** Operations on one service run one after the other. */
export const serviceLane = (guid: string): string => `robot:${guid}`
