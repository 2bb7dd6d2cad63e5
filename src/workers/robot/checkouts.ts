import { lstat, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { RobotFaceSettings } from '../../commands/robot/settings.ts'
import type { BoundTemplate, LoadedTemplate, TemplateRepository } from '../../commands/robot/template.ts'
import type { Clock } from '../../lib/clock.ts'
import { sha256 } from '../../lib/ids.ts'
import type { Projections } from '../../projections/projection.ts'
import { templateQueries } from '../../projections/robot/templates.ts'
import type { Processes } from '../processes/processes.ts'
import { type WorkContext, WorkFailed } from '../work.ts'
import { createClone } from './git/clone.ts'
import { createGit, type GitContext } from './git/git.ts'
import { writeCheckout } from './git/write-checkout.ts'

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
   * more, `git-failed` (`details.stackTrace`) where git fails, `git-missing`, `repository-refused`.
   */
  checkout(template: BoundTemplate, context: CheckoutContext): Promise<Checkout>
  /** Whether `checkout` would find the files without asking git. */
  isThere(template: BoundTemplate): Promise<boolean>
  /** Fetches a repository and resolves a revision: the folder of all its files. Throws as `checkout` does. */
  refresh(
    repository: TemplateRepository,
    revision: string | null,
    context: CheckoutContext,
  ): Promise<{ readonly revision: string; readonly commit: string; readonly directory: string }>
}

export const createCheckouts = ({
  settings,
  projections,
  processes,
  clock,
}: {
  readonly settings: RobotFaceSettings
  readonly projections: Pick<Projections, 'views'>
  readonly processes: Processes
  readonly clock: Clock
}): Checkouts => {
  /** What is done with the folder of one repository, one after the other. */
  const turns = new Map<string, Promise<unknown>>()
  const inTurn = async <Result>(key: string, work: () => Promise<Result>): Promise<Result> => {
    const before = turns.get(key)
    const mine = (before ?? Promise.resolve()).then(work, work)
    const settled = mine.catch(() => undefined)
    turns.set(key, settled)
    try {
      return await mine
    } finally {
      if (turns.get(key) === settled) turns.delete(key)
    }
  }

  const placeOf = (repository: TemplateRepository) => {
    const name = sha256(repository.key)
    const git = createGit(repository, { processes, settings })
    const clone = createClone({ ...repository, git, directory: join(settings.directory, 'clones', name), settings, clock })
    const directoryOf = (commit: string): string => join(settings.directory, 'checkouts', name, commit)
    const write = async (commit: string, context: GitContext): Promise<string> => {
      const directory = directoryOf(commit)
      if (await isFolder(directory)) return directory
      await writeCheckout({ git, clone: clone.directory, commit, directory, bounds: settings, now: clock.now(), context })
      return directory
    }
    return { clone, directoryOf, write }
  }

  const gitContextOf = async ({ userInfo }: TemplateRepository, { signal, open }: CheckoutContext): Promise<GitContext> => ({
    signal,
    userInfo: userInfo === null ? null : String(await open(userInfo)),
  })

  const restored = async (repository: TemplateRepository, commit: string, context: CheckoutContext): Promise<string> => {
    const { clone, directoryOf, write } = placeOf(repository)
    if (await isFolder(directoryOf(commit))) return directoryOf(commit)
    return inTurn(repository.key, async () => {
      context.signal.throwIfAborted()
      const gitContext = await gitContextOf(repository, context)
      if (!(await clone.has(commit, gitContext))) await clone.fetch(gitContext)
      if (!(await clone.has(commit, gitContext)))
        throw new WorkFailed('template-gone', `${repository.key} has no commit ${commit} any more`, { retryable: false })
      return write(commit, gitContext)
    })
  }

  const known = ({ templateUid, commit }: BoundTemplate) => {
    const queries = templateQueries(projections.views('robot-templates'))
    const template = queries.bound(templateUid, commit)
    return { template, repository: template && queries.repository(template.repositoryKey) }
  }

  return {
    isThere: async (bound) => {
      const { repository } = known(bound)
      return repository !== undefined && isFolder(placeOf(repository).directoryOf(bound.commit))
    },
    checkout: async ({ templateUid, commit }, context) => {
      const { template, repository } = known({ templateUid, commit })
      if (template === undefined || repository === undefined)
        throw new WorkFailed('template-unknown', `there is no template ${templateUid} at ${commit}`, { retryable: false })
      const directory = await realpath(await restored(repository, commit, context))
      return { template, directory: join(directory, template.directory) }
    },
    refresh: (repository, revision, context) =>
      inTurn(repository.key, async () => {
        context.signal.throwIfAborted()
        const { clone, write } = placeOf(repository)
        const gitContext = await gitContextOf(repository, context)
        await clone.fetch(gitContext)
        const found = await clone.resolve(revision, gitContext)
        return { ...found, directory: await write(found.commit, gitContext) }
      }),
  }
}

const isFolder = (path: string): Promise<boolean> =>
  lstat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
