import { type LeftBehind, remember, type ServiceState } from '../../commands/robot/service-data.ts'
import type { BoundTemplate } from '../../commands/robot/template.ts'
import { parseTemplateReference, type TemplateUid } from '../../commands/robot/template-uid.ts'
import { operationEvents, operationOf, operationPrefix } from '../../events/operation.ts'
import { serviceEvents, servicePrefix } from '../../events/robot/service.ts'
import { isObject, type JsonObject, type JsonValue } from '../../lib/json.ts'
import { on, type Projection, type SqlValue, type Tx, type Views } from '../projection.ts'

const action = 'robot.action'
const validation = 'robot.validate'
const deletion = 'robot.delete'

/**
 * Services with their data and state: folded from their own events, and from what the attempts of their operations leave behind
 * (`input.service` names the service). Secrets in data stay sealed. Source: robot contract, sections 6.2 and 7, "Read models".
 */
export const robotServices: Projection = {
  name: 'robot-services',
  version: 1,
  filter: { streamPrefixes: [servicePrefix, operationPrefix] },
  kinds: [action, validation, deletion],
  schema: [
    `CREATE TABLE services (
       seq INTEGER PRIMARY KEY, guid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, template_uid TEXT NOT NULL, host TEXT NOT NULL,
       account TEXT NOT NULL, repository TEXT NOT NULL, template TEXT NOT NULL, version TEXT NOT NULL, commit_id TEXT NOT NULL,
       public INTEGER NOT NULL, origin TEXT NOT NULL, data TEXT NOT NULL, state TEXT NOT NULL, held INTEGER NOT NULL
     ) STRICT`,
    'CREATE INDEX services_by_name ON services (name)',
    'CREATE INDEX services_by_template ON services (template, host, account, repository)',
    // Operations of services that have not ended.
    'CREATE TABLE unfinished (operation TEXT PRIMARY KEY, kind TEXT NOT NULL, service TEXT NOT NULL) STRICT, WITHOUT ROWID',
    'CREATE INDEX unfinished_by_service ON unfinished (service, kind)',
  ],
  apply: (event, tx) => (event.stream.startsWith(servicePrefix) ? ofService(event, tx) : ofOperation(event, tx)),
}

const guidOf = ({ stream }: { readonly stream: string }): string => stream.slice(servicePrefix.length)

const ofService = on(serviceEvents, {
  ServiceCreated: ({ stream, data: { name, templateUid, commit, data, public: isPublic, origin } }, tx) =>
    tx.run(
      `INSERT INTO services (guid, name, template_uid, host, account, repository, template, version, commit_id, public, origin, data, state, held)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '[]', 0)`,
      ...[guidOf({ stream }), name, ...partsOf(templateUid), commit, Number(isPublic), origin, JSON.stringify(data)],
    ),
  ServiceUpgraded: ({ stream, data: { templateUid, commit } }, tx) =>
    tx.run(
      `UPDATE services SET template_uid = ?, host = ?, account = ?, repository = ?, template = ?, version = ?, commit_id = ? WHERE guid = ?`,
      ...[...partsOf(templateUid), commit, guidOf({ stream })],
    ),
  ServiceDeleted: ({ stream }, tx) => {
    tx.run('DELETE FROM services WHERE guid = ?', guidOf({ stream }))
    tx.run('DELETE FROM unfinished WHERE service = ?', guidOf({ stream }))
  },
})

const partsOf = (uid: string): readonly [string, string, string, string, string, string] => {
  const { host, account, repository, name, version } = parseTemplateReference(uid) as TemplateUid
  return [uid, host, account, repository, name, version]
}

interface Unfinished {
  readonly kind: string
  readonly service: string
}

const ofOperation = on(operationEvents, {
  OperationRequested: ({ stream, data: { kind, input } }, tx) => {
    if (![action, validation, deletion].includes(kind) || !isObject(input) || typeof input.service !== 'string') return
    tx.run('INSERT OR IGNORE INTO unfinished VALUES (?, ?, ?)', operationOf({ stream }), kind, input.service)
  },
  OperationAttemptFailed: ({ stream, data: { error } }, tx) => {
    const { kind, service } = unfinished(tx, stream) ?? {}
    if (kind === action) apply(tx, service, error.details)
    if (kind === validation) hold(tx, service, true)
  },
  OperationSucceeded: ({ stream, data: { result } }, tx) => end(tx, stream, result),
  OperationFailed: ({ stream, data: { error } }, tx) => end(tx, stream, error.details),
  // Nothing of such an attempt counts.
  OperationCancelled: ({ stream }, tx) => end(tx, stream),
  OperationTimedOut: ({ stream }, tx) => end(tx, stream),
})

const unfinished = (tx: Tx, stream: string): Unfinished | undefined =>
  tx.get<Unfinished>('SELECT kind, service FROM unfinished WHERE operation = ?', operationOf({ stream }))

const end = (tx: Tx, stream: string, left?: JsonValue): void => {
  const { kind, service } = unfinished(tx, stream) ?? {}
  if (kind === undefined) return
  if (kind === action) apply(tx, service, left)
  if (kind === validation) hold(tx, service, false)
  tx.run('DELETE FROM unfinished WHERE operation = ?', operationOf({ stream }))
}

/** The service may not be there: a validation comes before the creation. */
const hold = (tx: Tx, guid: string | undefined, held: boolean): void =>
  tx.run('UPDATE services SET held = ? WHERE guid = ?', Number(held), guid ?? null)

const apply = (tx: Tx, guid: string | undefined, left: JsonValue | undefined): void => {
  if (!isObject(left) || !['members', 'data', 'state'].some((name) => Object.hasOwn(left, name))) return
  const row = tx.get<Pick<ServiceRow, 'data' | 'state'>>('SELECT data, state FROM services WHERE guid = ?', guid ?? null)
  if (row === undefined) return
  const { data, state } = remember({ data: JSON.parse(row.data), state: JSON.parse(row.state) }, left as LeftBehind)
  tx.run('UPDATE services SET data = ?, state = ? WHERE guid = ?', JSON.stringify(data), JSON.stringify(state), guid ?? null)
}

interface ServiceRow {
  readonly guid: string
  readonly name: string
  readonly template_uid: string
  readonly commit_id: string
  readonly public: number
  readonly origin: string
  readonly data: string
  readonly state: string
  readonly held: number
  readonly validation: string | null
  readonly deleting: number
}

/** A service as it is at a moment. */
export interface RobotService extends BoundTemplate {
  readonly guid: string
  readonly name: string
  readonly public: boolean
  readonly origin: 'api' | 'blueprint' | 'action'
  /** Secret members are sealed. */
  readonly data: JsonObject
  /** By category and tag, in the order in which they first appeared. */
  readonly state: readonly ServiceState[]
  /** Whether its validation fails: its tasks wait for the next try. */
  readonly held: boolean
  /** The operation that validates it; null where none waits or runs. */
  readonly validation: string | null
  /** Whether an operation that deletes it waits or runs. */
  readonly deleting: boolean
}

/** All that are given have to be equal. Source: robot contract, section 3.3. */
export interface ServiceFilters {
  readonly name?: string | undefined
  readonly templateUid?: string | undefined
  readonly host?: string | undefined
  readonly account?: string | undefined
  readonly repository?: string | undefined
  readonly template?: string | undefined
  readonly version?: string | undefined
}

const columns = {
  name: 'name',
  templateUid: 'template_uid',
  host: 'host',
  account: 'account',
  repository: 'repository',
  template: 'template',
  version: 'version',
} satisfies Record<keyof ServiceFilters, string>

const activeOf = (kind: string): string =>
  `(SELECT min(operation) FROM unfinished WHERE unfinished.service = services.guid AND unfinished.kind = '${kind}')`

const selected = `SELECT guid, name, template_uid, commit_id, public, origin, data, state, held, ${activeOf(validation)} AS validation,
  ${activeOf(deletion)} IS NOT NULL AS deleting FROM services`

export type ServiceQueries = ReturnType<typeof serviceQueries>

/** Of the view `robot-services`. Every list is in order of creation. */
export const serviceQueries = (views: Views) => {
  const list = (filters: ServiceFilters = {}): readonly RobotService[] => {
    const given = (Object.keys(columns) as (keyof ServiceFilters)[]).filter((name) => filters[name] !== undefined)
    const where = given.map((name) => `${columns[name]} = ?`).join(' AND ')
    const values: readonly SqlValue[] = given.map((name) => filters[name] as string)
    return views.all<ServiceRow>(`${selected}${where === '' ? '' : ` WHERE ${where}`} ORDER BY seq`, ...values).map(serviceOf)
  }
  return {
    byGuid: (guid: string): RobotService | undefined => {
      const row = views.get<ServiceRow>(`${selected} WHERE guid = ?`, guid)
      return row && serviceOf(row)
    },
    list,
    /** Services of several templates may have one name. */
    named: (name: string): readonly RobotService[] => list({ name }),
    /** Services of a template in any version. */
    ofTemplate: ({ host, account, repository, name }: Omit<TemplateUid, 'version'>): readonly RobotService[] =>
      list({ host, account, repository, template: name }),
    count: (): number => views.get<{ count: number }>('SELECT count(*) AS count FROM services')?.count ?? 0,
  }
}

const serviceOf = ({ template_uid, commit_id, ...row }: ServiceRow): RobotService => ({
  guid: row.guid,
  name: row.name,
  templateUid: template_uid,
  commit: commit_id,
  public: row.public === 1,
  origin: row.origin as RobotService['origin'],
  data: JSON.parse(row.data),
  state: JSON.parse(row.state),
  held: row.held === 1,
  validation: row.validation,
  deleting: row.deleting === 1,
})
