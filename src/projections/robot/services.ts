import { isInterruption } from '../../commands/operation.ts'
import { deleteKind, upgradeKind, validateKind } from '../../commands/robot/lifecycle.ts'
import { type LeftBehind, remember, type ServiceState } from '../../commands/robot/service-data.ts'
import { actionKind } from '../../commands/robot/task.ts'
import type { BoundTemplate, ServiceBinding } from '../../commands/robot/template.ts'
import { parseTemplateReference, type TemplateUid } from '../../commands/robot/template-uid.ts'
import { operationEvents, operationOf, operationPrefix } from '../../events/operation.ts'
import { serviceEvents, servicePrefix } from '../../events/robot/service.ts'
import { parseInstant } from '../../lib/clock.ts'
import { isObject, type JsonObject, type JsonValue } from '../../lib/json.ts'
import { on, type Projection, type SqlValue, type Tx, type Views } from '../projection.ts'

const kinds: readonly string[] = [actionKind, validateKind, upgradeKind, deleteKind]

/**
 * Services with their data and state, and which operations are theirs (`input.service` says so): folded from their own events, and from what
 * the attempts of those operations leave behind. Secrets in data stay sealed. Source: robot contract, sections 6.2 and 7, "Read models".
 */
export const robotServices: Projection = {
  name: 'robot-services',
  version: 1,
  filter: { streamPrefixes: [servicePrefix, operationPrefix] },
  kinds,
  schema: [
    `CREATE TABLE services (
       seq INTEGER PRIMARY KEY, guid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, template_uid TEXT NOT NULL, host TEXT NOT NULL,
       account TEXT NOT NULL, repository TEXT NOT NULL, template TEXT NOT NULL, version TEXT NOT NULL, commit_id TEXT NOT NULL,
       public INTEGER NOT NULL, origin TEXT NOT NULL, data TEXT NOT NULL, state TEXT NOT NULL, held INTEGER NOT NULL
     ) STRICT`,
    'CREATE INDEX services_by_name ON services (name)',
    'CREATE INDEX services_by_template ON services (template, host, account, repository)',
    // Operations of services. `created` is in seconds since the epoch. `phase` is waiting (or to be run again), active (running or backing off)
    // or ended. `run` is the order of the first starts of a service's operations. `failure` is the event of the last failure if the work itself
    // has reported nothing of it.
    `CREATE TABLE works (
       seq INTEGER PRIMARY KEY, operation TEXT NOT NULL UNIQUE, service TEXT NOT NULL, kind TEXT NOT NULL, priority INTEGER NOT NULL,
       created INTEGER NOT NULL, phase TEXT NOT NULL, run INTEGER, failure TEXT
     ) STRICT`,
    'CREATE INDEX works_by_service ON works (service, kind, phase, created, seq)',
    `CREATE INDEX waiting_steps ON works (seq) WHERE phase = 'waiting' AND kind IN ('${upgradeKind}', '${deleteKind}')`,
    'CREATE INDEX works_by_run ON works (service, run) WHERE run IS NOT NULL',
  ],
  apply: (event, tx) => (event.stream.startsWith(servicePrefix) ? ofService(event, tx) : ofOperation(event, tx)),
}

const guidOf = ({ stream }: { readonly stream: string }): string => stream.slice(servicePrefix.length)

const ofService = on(serviceEvents, {
  ServiceCreated: ({ stream, data: { name, templateUid, commit, data, public: isPublic, origin } }, tx) =>
    tx.run(
      `INSERT INTO services (guid, name, template_uid, host, account, repository, template, version, commit_id, public, origin, data, state,
         held) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '[]', 0)`,
      ...[guidOf({ stream }), name, ...partsOf(templateUid), commit, Number(isPublic), origin, JSON.stringify(data)],
    ),
  ServiceUpgraded: ({ stream, data: { templateUid, commit } }, tx) =>
    tx.run(
      `UPDATE services SET template_uid = ?, host = ?, account = ?, repository = ?, template = ?, version = ?, commit_id = ?
         WHERE guid = ?`,
      ...[...partsOf(templateUid), commit, guidOf({ stream })],
    ),
  ServiceDeleted: ({ stream }, tx) => {
    tx.run('DELETE FROM services WHERE guid = ?', guidOf({ stream }))
    tx.run('DELETE FROM works WHERE service = ?', guidOf({ stream }))
  },
})

const partsOf = (uid: string): readonly [string, string, string, string, string, string] => {
  const { host, account, repository, name, version } = parseTemplateReference(uid) as TemplateUid
  return [uid, host, account, repository, name, version]
}

interface Work {
  readonly kind: string
  readonly service: string
}

const ofOperation = on(operationEvents, {
  OperationRequested: ({ stream, recordedAt, data: { kind, priority, input } }, tx) => {
    if (!kinds.includes(kind) || !isObject(input) || typeof input.service !== 'string') return
    tx.run(
      `INSERT OR IGNORE INTO works (operation, service, kind, priority, created, phase) VALUES (?, ?, ?, ?, ?, 'waiting')`,
      ...[operationOf({ stream }), input.service, kind, priority, Math.floor(parseInstant(recordedAt) / 1000)],
    )
  },
  OperationStarted: ({ stream }, tx) =>
    tx.run(
      `UPDATE works SET phase = 'active', run = coalesce(run, (SELECT coalesce(max(run), 0) + 1 FROM works AS others
         WHERE others.service = works.service AND others.run IS NOT NULL)) WHERE operation = ?`,
      operationOf({ stream }),
    ),
  OperationAttemptFailed: ({ stream, id, data: { error } }, tx) => {
    const work = workOf(tx, stream)
    if (work === undefined) return
    if (isInterruption(error.type)) tx.run(`UPDATE works SET phase = 'waiting' WHERE operation = ?`, operationOf({ stream }))
    else {
      noteFailure(tx, stream, isReport(error.details) ? null : id)
      if (work.kind === actionKind) apply(tx, work.service, error.details)
      if (work.kind === validateKind) hold(tx, work.service, true)
    }
  },
  OperationSucceeded: ({ stream, data: { result } }, tx) => end(tx, stream, result),
  OperationFailed: ({ stream, id, data: { error } }, tx) => end(tx, stream, error.details, id),
  // Nothing of such an attempt counts.
  OperationCancelled: ({ stream, id }, tx) => end(tx, stream, null, id),
  OperationTimedOut: ({ stream, id }, tx) => end(tx, stream, null, id),
})

const workOf = (tx: Tx, stream: string): Work | undefined =>
  tx.get<Work>('SELECT kind, service FROM works WHERE operation = ?', operationOf({ stream }))

/** `failure`: the event that says that it did not succeed. */
const end = (tx: Tx, stream: string, left: JsonValue | undefined, failure: string | null = null): void => {
  const work = workOf(tx, stream)
  if (work === undefined) return
  const { kind, service } = work
  tx.run(`UPDATE works SET phase = 'ended' WHERE operation = ?`, operationOf({ stream }))
  noteFailure(tx, stream, isReport(left) ? null : failure)
  if (kind === actionKind || kind === upgradeKind) apply(tx, service, left)
  if (kind !== validateKind) return
  hold(tx, service, false)
  // It was never created.
  if (tx.get('SELECT 1 FROM services WHERE guid = ?', service) === undefined)
    tx.run('DELETE FROM works WHERE service = ?', service)
}

const isReport = (left: JsonValue | undefined): boolean => isObject(left) && isObject(left.eco)

const noteFailure = (tx: Tx, stream: string, event: string | null): void =>
  tx.run('UPDATE works SET failure = ? WHERE operation = ?', event, operationOf({ stream }))

/** The service may not be there: the first validation comes before the creation. */
const hold = (tx: Tx, guid: string, held: boolean): void =>
  tx.run('UPDATE services SET held = ? WHERE guid = ?', Number(held), guid)

const apply = (tx: Tx, guid: string, left: JsonValue | undefined): void => {
  if (!isObject(left) || !['members', 'data', 'state'].some((name) => Object.hasOwn(left, name))) return
  const row = tx.get<Pick<ServiceRow, 'data' | 'state'>>('SELECT data, state FROM services WHERE guid = ?', guid)
  if (row === undefined) return
  const { data, state } = remember({ data: JSON.parse(row.data), state: JSON.parse(row.state) }, left as LeftBehind)
  tx.run('UPDATE services SET data = ?, state = ? WHERE guid = ?', JSON.stringify(data), JSON.stringify(state), guid)
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

const unfinished = (kind: string): string =>
  `SELECT operation FROM works WHERE service = services.guid AND kind = '${kind}' AND phase IN ('waiting', 'active')`

const selected = `SELECT guid, name, template_uid, commit_id, public, origin, data, state, held, (${unfinished(validateKind)} LIMIT 1) AS validation,
  EXISTS (${unfinished(deleteKind)}) AS deleting FROM services`

/** An operation of a service. */
export interface ServiceOperation {
  readonly operation: string
  readonly service: string
  readonly kind: string
  /** Backing off counts as active; lost attempts that are to be run again wait. */
  readonly phase: 'waiting' | 'active'
  /** When it was requested, in seconds since the epoch. */
  readonly created: number
  /** Its place in the order of requests. */
  readonly seq: number
}

const operations = 'SELECT operation, service, kind, phase, created, seq FROM works'

/** A task that has ended, and its place in the order of those. */
export type EndedTask = Pick<ServiceOperation, 'operation' | 'created' | 'seq'>

export type ServiceQueries = ReturnType<typeof serviceQueries>

/** Of the view `robot-services`. Every list is in order of creation. */
export const serviceQueries = (views: Views) => {
  const ids = (sql: string, ...values: readonly SqlValue[]): readonly string[] =>
    views.all<{ operation: string }>(sql, ...values).map(({ operation }) => operation)
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
    /** Those that nobody deletes, without their data and state; of one name, or all. */
    bindings: (name?: string): readonly ServiceBinding[] =>
      views.all(
        `SELECT guid, name, template_uid AS templateUid, commit_id AS "commit" FROM services
           WHERE NOT EXISTS (${unfinished(deleteKind)})${name === undefined ? '' : ' AND name = ?'} ORDER BY seq`,
        ...(name === undefined ? [] : [name]),
      ),
    /** Services of a template in any version. */
    ofTemplate: ({ host, account, repository, name }: Omit<TemplateUid, 'version'>): readonly RobotService[] =>
      list({ host, account, repository, template: name }),
    count: (): number => views.get<{ count: number }>('SELECT count(*) AS count FROM services')?.count ?? 0,
    /** Every operation of a service that has not ended, as they were requested. */
    unfinished: (guid: string): readonly ServiceOperation[] =>
      views.all(`${operations} WHERE service = ? AND phase IN ('waiting', 'active') ORDER BY seq`, guid),
    /** Upgrades and deletions that wait for their turn. */
    waitingSteps: (): readonly ServiceOperation[] =>
      views.all(`${operations} WHERE phase = 'waiting' AND kind IN ('${upgradeKind}', '${deleteKind}') ORDER BY seq`),
    /** How many tasks of each service wait. */
    waiting: (): readonly { readonly guid: string; readonly tasks: number }[] =>
      views.all(
        `SELECT guid, (SELECT count(*) FROM works WHERE service = guid AND kind = '${actionKind}' AND phase = 'waiting') AS tasks
           FROM services ORDER BY seq`,
      ),
    /** Ids of the tasks of a service that have not ended, in the order of its queue. */
    queue: (guid: string): readonly string[] =>
      ids(
        `SELECT operation FROM works WHERE service = ? AND kind = '${actionKind}' AND phase IN ('waiting', 'active')
           ORDER BY priority, seq`,
        guid,
      ),
    /** Tasks of a service that have ended, by the second of their request, then as they were requested; those behind `after`. */
    ended: (
      guid: string,
      most: number,
      after: Pick<EndedTask, 'created' | 'seq'> = { created: -1, seq: 0 },
    ): readonly EndedTask[] =>
      views.all(
        `SELECT operation, created, seq FROM works WHERE service = ? AND kind = '${actionKind}' AND phase = 'ended'
           AND (created, seq) > (?, ?) ORDER BY created, seq LIMIT ?`,
        ...[guid, after.created, after.seq, most],
      ),
    /** The event of the last failure of an operation, if its work has reported nothing of it. */
    unreportedFailure: (operation: string): string | undefined =>
      views.get<{ failure: string | null }>('SELECT failure FROM works WHERE operation = ?', operation)?.failure ?? undefined,
    /** Ids of the operations of a service that have been started, the last one first. */
    lastRuns: (guid: string, most: number): readonly string[] =>
      ids('SELECT operation FROM works WHERE service = ? AND run IS NOT NULL ORDER BY run DESC LIMIT ?', guid, most),
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
