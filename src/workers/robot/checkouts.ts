import type { RobotFaceSettings } from '../../commands/robot/settings.ts'
import type { BoundTemplate, LoadedTemplate } from '../../commands/robot/template.ts'
import { type WorkContext, WorkFailed } from '../work.ts'

/** What a checkout needs of the attempt that asks for it. */
export type CheckoutContext = Pick<WorkContext, 'signal' | 'open'>

/** Where a template's files are. */
export interface Checkout {
  readonly template: LoadedTemplate
  /** The template's own folder, absolute; to be read alone. */
  readonly directory: string
}

/** The files of templates on this machine. */
export interface Checkouts {
  /**
   * The files of a template at its commit: from the checkout, else made of the clone, which is cloned again where it is missing. Throws
   * `WorkFailed`: `template-unknown` where the view knows no such template at that commit, `template-gone` where the repository has the commit no
   * more, `git-failed` (retryable, `details.stackTrace`) where git fails, `git-missing`.
   */
  checkout(template: BoundTemplate, context: CheckoutContext): Promise<Checkout>
}

export const createCheckouts = ({ settings }: { readonly settings: RobotFaceSettings }): Checkouts => ({
  checkout: async ({ templateUid }) => {
    throw new WorkFailed('template-unknown', `there is no checkout of ${templateUid} in ${settings.directory}`, {
      retryable: false,
    })
  },
})
