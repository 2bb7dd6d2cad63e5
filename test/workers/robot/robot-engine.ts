import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createExecutor } from '../../../src/commands/execute.ts'
import { deleteKind } from '../../../src/commands/robot/lifecycle.ts'
import { TemplateManifest } from '../../../src/commands/robot/manifest.ts'
import { planTask } from '../../../src/commands/robot/plan-task.ts'
import { openMembers, sealMembers, secretSubject } from '../../../src/commands/robot/secret-members.ts'
import { service as serviceDecider } from '../../../src/commands/robot/service.ts'
import { defaultRobotSettings, type RobotFaceSettings } from '../../../src/commands/robot/settings.ts'
import { actionKind } from '../../../src/commands/robot/task.ts'
import { type CloneOutcome, serviceLane } from '../../../src/commands/robot/template.ts'
import { openValue, sealValue } from '../../../src/commands/sealing.ts'
import type { Submit } from '../../../src/commands/submit.ts'
import { outputStream } from '../../../src/events/output.ts'
import { systemClock as clock } from '../../../src/lib/clock.ts'
import { newId } from '../../../src/lib/ids.ts'
import type { JsonObject, JsonValue } from '../../../src/lib/json.ts'
import { anyJson } from '../../../src/lib/json-schemas.ts'
import { robotServices, serviceQueries } from '../../../src/projections/robot/services.ts'
import { robotTemplates, templateQueries } from '../../../src/projections/robot/templates.ts'
import { createProcesses } from '../../../src/workers/processes/system-processes.ts'
import { actionWork } from '../../../src/workers/robot/action/action-work.ts'
import { createTemplatePrograms } from '../../../src/workers/robot/action/template-programs.ts'
import type { Work } from '../../../src/workers/work.ts'
import { append, openLog, openViews, requested, silent, succeeded } from '../../projections/harness.ts'
import { temporaryDirectory } from '../../stores/temporary.ts'
import { context, openEngine, work } from '../engine.ts'

/** A template of a test: its manifest and the files of its folder. */
export interface TestTemplate {
  readonly manifest: JsonObject
  readonly files?: Readonly<Record<string, string>>
}

const commit = '0'.repeat(40)

/** The engine with the kind `robot.action`, over templates that are there without git. */
export const openRobot = async (
  templates: Readonly<Record<string, TestTemplate>>,
  {
    settings: changed,
    environment = {},
    beforeSubmit = () => undefined,
  }: {
    readonly settings?: Partial<RobotFaceSettings>
    readonly environment?: Readonly<Record<string, string>>
    /** Called when a work requests an operation; what it throws is the answer. */
    readonly beforeSubmit?: () => void
  } = {},
) => {
  const directory = temporaryDirectory()
  const log = await openLog()
  const projections = await openViews(log, [robotTemplates, robotServices])
  const settings = { ...defaultRobotSettings(join(directory, 'robot')), ...changed }
  const processes = createProcesses({
    directory: join(directory, 'programs'),
    clock,
    logger: silent,
    graceMs: 300,
    environment: { PATH: process.env.PATH ?? '', ...environment },
  })
  const uidOf = (name: string, version = '0.0.1'): string => `host/acme/repo/${name}/${version}`
  const folderOf = (name: string): string => join(directory, 'checkout', name)
  for (const [name, { files = {} }] of Object.entries(templates)) {
    mkdirSync(folderOf(name), { recursive: true })
    for (const [path, content] of Object.entries(files)) {
      const file = join(folderOf(name), path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, content)
      if (content.startsWith('#!')) chmodSync(file, 0o755)
    }
  }
  const queries = templateQueries(projections.views('robot-templates'))
  const programs = createTemplatePrograms({
    settings,
    processes,
    address: () => 'http://127.0.0.1:1',
    checkouts: {
      checkout: async ({ templateUid }) => {
        const template = queries.bound(templateUid, commit)
        if (template === undefined) throw new Error(`there is no ${templateUid}`)
        return { template, directory: folderOf(template.name) }
      },
    },
  })
  const deletion = work(deleteKind, async () => ({}), { input: anyJson, submittable: false })
  const submit: Submit = async (...words) => {
    beforeSubmit()
    return engine.submit(...words)
  }
  const ports = {
    log,
    projections,
    processes,
    clock,
    programs,
    settings,
    submit,
  }
  const engine = await openEngine({ works: [actionWork(ports), deletion as Work], log })
  const executor = createExecutor({ log, clock })

  const outcome: CloneOutcome = {
    repository: { key: 'https://host/acme/repo', remote: '', userInfo: null, host: 'host', account: 'acme', repository: 'repo' },
    revision: 'master',
    commit,
    templates: Object.entries(templates).map(([name, { manifest }]) => {
      const parsed = TemplateManifest.parse({ version: '0.0.1', actions: {}, ...manifest })
      return { uid: uidOf(name, parsed.version), directory: `templates/${name}`, manifest: parsed }
    }),
    upgrades: [],
  }
  const loaded = await append(log, newId(), requested({ kind: 'robot.clone' }), succeeded(1, outcome as never))
  await projections.reached(loaded)
  const services = serviceQueries(projections.views('robot-services'))
  const manifestOf = (name: string) =>
    outcome.templates.find(({ uid }) => uid.includes(`/${name}/`))?.manifest as TemplateManifest
  const seal = (guid: string) => (value: JsonValue) => sealValue(secretSubject(guid), value, engine.secrets)

  return {
    engine,
    log,
    programs,
    services,
    directory,
    folderOf,
    uidOf,
    /** Creates a service; its guid. */
    create: async (template: string, data: JsonObject = {}, name = newId()): Promise<string> => {
      const guid = newId()
      const sealed = await sealMembers(manifestOf(template).schema as JsonObject | undefined, data, seal(guid))
      const created = { name, templateUid: uidOf(template), commit, data: sealed as never, public: false, origin: 'api' as const }
      const made = await executor.execute(serviceDecider, { type: 'CreateService', guid, service: created }, context())
      await projections.reached((made as { position: string }).position)
      return guid
    },
    /** Requests a task; its id. */
    request: async (
      guid: string,
      action: string,
      args: JsonObject = {},
      {
        priority,
        template = services.byGuid(guid)?.templateUid.split('/')[3] ?? '',
      }: { priority?: number; template?: string } = {},
    ): Promise<string> => {
      const planned = await planTask({ guid }, manifestOf(template), { action, args, ...(priority && { priority }) }, seal(guid))
      if (planned.request === undefined) throw new Error(planned.refused.message)
      const submitted = await engine.submit(planned.request, context(), { internal: true })
      if (submitted.refused) throw new Error(JSON.stringify(submitted.refused))
      return submitted.operationId
    },
    tasksOf: (guid: string) => engine.queries.list({ lane: [serviceLane(guid)], kind: [actionKind], limit: 100 }).items,
    opened: (data: JsonObject) => openMembers(data, (sealed) => openValue(sealed, engine.secrets)),
    /** What the task has printed. */
    output: async (id: string): Promise<string> => {
      let text = ''
      for await (const { data } of log.readStream(outputStream(id))) text += String(data.text)
      return text
    },
    /** The service as the views know it once they know how the task ended. */
    after: async (guid: string, id: string) => {
      const task = await engine.ended(id)
      await projections.reached(task.position)
      return { task, service: services.byGuid(guid) }
    },
  }
}
