import type { TemplateManifest } from '../../commands/robot/manifest.ts'
import {
  type BoundTemplate,
  type CloneOutcome,
  cloneKind,
  type LoadedTemplate,
  type TemplateRepository,
} from '../../commands/robot/template.ts'
import {
  compareTemplateVersions,
  parseTemplateReference,
  type TemplateReference,
  type TemplateUid,
} from '../../commands/robot/template-uid.ts'
import { operationEvents, operationOf, operationPrefix } from '../../events/operation.ts'
import { foundOnce } from '../../lib/found-once.ts'
import { on, type Projection, type Tx, type Views } from '../projection.ts'

/** Templates and their repositories, folded from the outcomes of `robot.clone`. Source: robot contract, "Read models". */
export const robotTemplates: Projection = {
  name: 'robot-templates',
  version: 1,
  filter: { streamPrefixes: [operationPrefix] },
  kinds: [cloneKind],
  schema: [
    'CREATE TABLE clones (operation TEXT PRIMARY KEY) STRICT, WITHOUT ROWID',
    `CREATE TABLE repositories (key TEXT PRIMARY KEY, repository TEXT NOT NULL, revision TEXT NOT NULL, commit_id TEXT NOT NULL)
       STRICT, WITHOUT ROWID`,
    // What each uid means now. Its order of loading is that of the list.
    `CREATE TABLE templates (
       seq INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, host TEXT NOT NULL, account TEXT NOT NULL, repository TEXT NOT NULL,
       name TEXT NOT NULL, version TEXT NOT NULL, commit_id TEXT NOT NULL
     ) STRICT`,
    'CREATE INDEX templates_by_name ON templates (name, host, account, repository)',
    // What it meant at each commit: services stay bound to theirs.
    `CREATE TABLE revisions (
       uid TEXT NOT NULL, commit_id TEXT NOT NULL, repository_key TEXT NOT NULL, directory TEXT NOT NULL, manifest TEXT NOT NULL,
       PRIMARY KEY (uid, commit_id)
     ) STRICT, WITHOUT ROWID`,
  ],
  apply: on(operationEvents, {
    OperationRequested: ({ stream, data: { kind } }, tx) => {
      if (kind === cloneKind) tx.run('INSERT OR IGNORE INTO clones VALUES (?)', operationOf({ stream }))
    },
    OperationSucceeded: ({ stream, data: { result } }, tx) => {
      if (isClone(tx, stream)) load(tx, result as unknown as CloneOutcome)
      forget(tx, stream)
    },
    OperationFailed: ({ stream }, tx) => forget(tx, stream),
    OperationCancelled: ({ stream }, tx) => forget(tx, stream),
    OperationTimedOut: ({ stream }, tx) => forget(tx, stream),
  }),
}

const isClone = (tx: Tx, stream: string): boolean =>
  tx.get('SELECT 1 FROM clones WHERE operation = ?', operationOf({ stream })) !== undefined

const forget = (tx: Tx, stream: string): void => tx.run('DELETE FROM clones WHERE operation = ?', operationOf({ stream }))

const load = (tx: Tx, { repository, revision, commit, templates }: CloneOutcome): void => {
  const { key } = repository
  tx.run('INSERT OR REPLACE INTO repositories VALUES (?, ?, ?, ?)', key, JSON.stringify(repository), revision, commit)
  for (const { uid, directory, manifest } of templates) {
    const parts = parseTemplateReference(uid) as TemplateUid
    tx.run(
      `INSERT INTO templates (uid, host, account, repository, name, version, commit_id) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (uid) DO UPDATE SET commit_id = excluded.commit_id`,
      ...[uid, parts.host, parts.account, parts.repository, parts.name, parts.version, commit],
    )
    tx.run('INSERT OR REPLACE INTO revisions VALUES (?, ?, ?, ?, ?)', uid, commit, key, directory, JSON.stringify(manifest))
  }
}

interface TemplateRow {
  readonly uid: string
  readonly host: string
  readonly account: string
  readonly repository: string
  readonly name: string
  readonly version: string
  readonly commit_id: string
  readonly repository_key: string
  readonly directory: string
  readonly manifest: string
}

/** A repository as it was cloned or fetched last. */
export interface KnownRepository extends TemplateRepository {
  readonly revision: string
  readonly commit: string
}

/** What a reference resolves to: several repositories have a template of that name (`ambiguous`), or none has (`unknown`). */
export type Resolved =
  | { readonly template: LoadedTemplate; readonly fault?: undefined }
  | { readonly template?: undefined; readonly fault: 'ambiguous' | 'unknown' }

type TemplateQueries = ReturnType<typeof templateQueries>

const loaded = 'SELECT * FROM templates JOIN revisions USING (uid, commit_id)'

/** Of the view `robot-templates`. */
export const templateQueries = (views: Views) => {
  const byUid = (uid: string): LoadedTemplate | undefined => {
    const row = views.get<TemplateRow>(`${loaded} WHERE uid = ?`, uid)
    return row && templateOf(row)
  }

  /** Every loaded version, the highest first. */
  const versionsOf = ({ host, account, repository, name }: Omit<TemplateUid, 'version'>): readonly LoadedTemplate[] =>
    views
      .all<TemplateRow>(
        `${loaded} WHERE host = ? AND account = ? AND repository = ? AND name = ?`,
        ...[host, account, repository, name],
      )
      .toSorted((a, b) => compareTemplateVersions(b.version, a.version))
      .map(templateOf)

  return {
    /** Every template in the order in which it was first loaded, without its manifest. */
    all: (): readonly (TemplateUid & { readonly uid: string })[] =>
      views.all('SELECT uid, host, account, repository, name, version FROM templates ORDER BY seq'),
    /** What the uid means now. */
    byUid,
    /** What it meant at a commit: what a service is bound to. */
    bound: (uid: string, commit: string): LoadedTemplate | undefined => {
      const row = views.get<TemplateRow>(
        'SELECT *, revisions.commit_id AS commit_id FROM revisions JOIN templates USING (uid) WHERE uid = ? AND revisions.commit_id = ?',
        ...[uid, commit],
      )
      return row && templateOf(row)
    },
    versionsOf,
    /** The template that a reference means; without a version the highest one. Source: robot contract, section 4.1. */
    resolve: (reference: TemplateReference): Resolved => {
      if (reference.host !== undefined) {
        const { host, account, repository, name, version } = reference
        const versions = versionsOf({ host, account, repository, name })
        return resolved(version === undefined ? versions[0] : versions.find((one) => one.version === version))
      }
      const { name, version } = reference
      const homes = views.all<Omit<TemplateUid, 'version'>>(
        `SELECT DISTINCT host, account, repository, name FROM templates WHERE name = ?1 AND (?2 IS NULL OR version = ?2)`,
        ...[name, version ?? null],
      )
      const [home, ...others] = homes
      if (others.length > 0) return { fault: 'ambiguous' }
      if (home === undefined) return { fault: 'unknown' }
      const versions = versionsOf(home)
      return resolved(version === undefined ? versions[0] : versions.find((one) => one.version === version))
    },
    repository: (key: string): KnownRepository | undefined => {
      const row = views.get<{ repository: string; revision: string; commit_id: string }>(
        'SELECT * FROM repositories WHERE key = ?',
        key,
      )
      return row && { ...(JSON.parse(row.repository) as TemplateRepository), revision: row.revision, commit: row.commit_id }
    },
    /** What a repository has at a commit, in the order in which it was first loaded. */
    ofRepository: (key: string, commit: string): readonly LoadedTemplate[] =>
      views
        .all<TemplateRow>(
          `SELECT *, revisions.commit_id AS commit_id FROM revisions JOIN templates USING (uid)
             WHERE repository_key = ? AND revisions.commit_id = ? ORDER BY seq`,
          ...[key, commit],
        )
        .map(templateOf),
  }
}

/** The manifest of what a service is bound to, read once. Throws where there is none. */
export const boundManifests = ({ bound }: Pick<TemplateQueries, 'bound'>): ((template: BoundTemplate) => TemplateManifest) => {
  const find = foundOnce((key) => {
    const [uid = '', commit = ''] = key.split(' ')
    const template = bound(uid, commit)
    if (template === undefined) throw new Error(`there is no template ${uid} at ${commit}`)
    return template.manifest
  })
  return ({ templateUid, commit }) => find(`${templateUid} ${commit}`)
}

const resolved = (template: LoadedTemplate | undefined): Resolved =>
  template === undefined ? { fault: 'unknown' } : { template }

const templateOf = ({ uid, commit_id, repository_key, manifest, ...row }: TemplateRow): LoadedTemplate => ({
  ...{ host: row.host, account: row.account, repository: row.repository, name: row.name, version: row.version },
  templateUid: uid,
  commit: commit_id,
  directory: row.directory,
  repositoryKey: repository_key,
  manifest: JSON.parse(manifest),
})
