import { CloneInput, type CloneOutcome, cloneKind } from '../../../commands/robot/template.ts'
import { printTemplateUid } from '../../../commands/robot/template-uid.ts'
import type { JsonValue } from '../../../lib/json.ts'
import { noBackoff, type Work } from '../../work.ts'
import type { RobotPorts } from '../robot-ports.ts'
import { readManifests } from './read-manifests.ts'
import type { FoundTemplate } from './read-templates.ts'

/** Fetch, checkout and reading together take no longer than this beyond what git may take. */
const marginMs = 120_000

/** Clones or fetches a template repository and loads the templates of one revision. Source: robot contract, section 7. */
export const cloneWork = ({
  settings,
  clock,
  checkouts,
  requestUpgrades,
}: Pick<RobotPorts, 'settings' | 'clock' | 'checkouts' | 'requestUpgrades'>): Work =>
  ({
    kind: cloneKind,
    face: 'robot',
    description: 'Clones or fetches a template repository and loads its templates',
    submittable: false,
    input: CloneInput,
    policy: { attempts: 1, timeoutMs: settings.gitTimeoutMs + marginMs, backoff: noBackoff, whenLost: 'retry' },
    run: async ({ repository, revision: wanted, upgrade }, context) => {
      const { revision, commit, directory } = await checkouts.refresh(repository, wanted, context)
      const { templates, skipped } = await readManifests(directory, { signal: context.signal, clock })
      for (const folder of skipped) await context.output(`${folder} has no manifest and is skipped\n`)
      const { host, account, repository: name } = repository
      const uidOf = ({ name: template, manifest: { version } }: FoundTemplate): string =>
        printTemplateUid({ host, account, repository: name, name: template, version })
      const outcome: CloneOutcome = {
        repository,
        revision,
        commit,
        templates: templates.map((one) => ({ uid: uidOf(one), directory: one.directory, manifest: one.manifest })),
        // They wait until this outcome is known.
        upgrades: upgrade
          ? await requestUpgrades(
              templates.map((one) => ({ templateUid: uidOf(one), commit })),
              context,
            )
          : [],
      }
      return outcome as unknown as JsonValue
    },
  }) satisfies Work<CloneInput> as Work
