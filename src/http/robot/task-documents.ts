import { z } from 'zod'
import { anyJson, anyJsonObject } from '../../lib/json-schemas.ts'
import type { DocumentedRoute } from '../faces/native-route.ts'
import { keyHeader, pastHeader, robotErrors, robotTag, usualErrors, usualWriteErrors } from './documents.ts'
import { messages } from './messages.ts'
import { TaskCreateBody } from './tasks.ts'

const text = z.string()
const whole = z.number().int()

/** Source: robot contract, section 6.5. */
const EcoDocument = z
  .object({
    ...{ appname: text, epoch: whole, errormessage: text, errormessagePub: text, type: text, state: text },
    data: z
      .record(text, anyJson)
      .meta({ description: 'What the program says, and `exit_code`, `signal`, `timed_out`, `attempt`' }),
    ...{ jid: whole, masterjid: whole, category: text, level: whole, funcname: text, funcfilename: text, funclinenr: whole },
    ...{
      code: text,
      exceptionclassname: text,
      _limit: whole,
      _traceback: text,
      uniquekey: text,
      lasttime: whole,
      closetime: whole,
    },
    ...{ occurrences: whole, guid: text, tags: text, pid: whole },
    ...{ cat: text, count: whole, message: text, message_pub: text, trace: text, time_first: whole, time_last: whole },
  })
  .meta({ id: 'RobotEco', description: 'Why an attempt failed' })

/** Source: robot contract, section 6.4. */
export const TaskDocumentSchema = z
  .object({
    ...{ action_name: text, template_name: text, service_name: text, service_guid: text, guid: text },
    state: z.enum(['new', 'running', 'ok', 'error']).meta({ description: '`error` also while it waits for its next try' }),
    created: whole.meta({ description: 'Seconds since the epoch' }),
    args: anyJsonObject.optional(),
    duration: z
      .number()
      .optional()
      .meta({ description: 'Seconds from its first start to its end; only of tasks that have ended' }),
    eco: EcoDocument.optional(),
    result: text.optional().meta({ description: 'JSON' }),
  })
  .meta({
    id: 'RobotTask',
    example: {
      ...{ action_name: 'start', template_name: 'vm', service_name: 'vm1', state: 'ok', created: 1_764_572_400 },
      ...{ service_guid: '019ad0c4-4b5c-7c3e-8f00-1f2e3d4c5b6a', guid: '019ad0c4-5d1e-7a20-9c11-2a3b4c5d6e7f' },
      ...{ args: { memory: 512 }, duration: 0.25, result: '{"pid":4242}' },
    },
  })

const ActionDocument = z.object({ name: text }).meta({ id: 'RobotAction', example: { name: 'start' } })
const LogsDocument = z.object({ logs: text }).meta({ id: 'RobotLogs', example: { logs: 'starting\n' } })

const service = { service_guid: '019ad0c4-4b5c-7c3e-8f00-1f2e3d4c5b6a' }
const task = { ...service, task_guid: '019ad0c4-5d1e-7a20-9c11-2a3b4c5d6e7f' }
const noService = 'There is no such service'
const noTask = 'There is no such service, or no such task of it'

/** Source: robot contract, rows 10 to 15. */
export const taskDocuments: readonly DocumentedRoute[] = [
  {
    method: 'get',
    path: '/services/{service_guid}/actions',
    summary: 'What a service can do',
    tag: robotTag,
    headers: pastHeader,
    params: service,
    answers: {
      ...usualErrors('robot:read'),
      200: { description: 'By name', schema: z.array(ActionDocument) },
      ...robotErrors({ 404: noService }),
    },
  },
  {
    method: 'get',
    path: '/services/{service_guid}/task_list',
    summary: 'Tasks of a service',
    description: 'The one that runs, or waits for its next try, then those that wait, in the order in which they will run.',
    tag: robotTag,
    headers: pastHeader,
    params: service,
    query: z.object({ all: text.optional().meta({ description: 'Also those that have ended: `1`, `true`, `yes` or `y`' }) }),
    answers: {
      ...usualErrors('robot:read'),
      200: { description: 'Tasks', schema: z.array(TaskDocumentSchema) },
      ...robotErrors({ 404: noService }),
    },
  },
  {
    method: 'post',
    path: '/services/{service_guid}/task_list',
    summary: 'Ask a service for an action',
    description: 'Answers at once; the operation of the task has its guid.',
    tag: robotTag,
    headers: keyHeader,
    params: service,
    body: TaskCreateBody,
    examples: { 'An action with an argument': { action_name: 'start', args: { memory: 512 } } },
    answers: {
      ...usualWriteErrors(),
      201: { description: 'The new task; `Location` says where it is', schema: TaskDocumentSchema },
      ...robotErrors({ 400: 'The body is wrong, the action unknown, or an argument missing or unknown', 404: noService }),
    },
  },
  {
    method: 'get',
    path: '/services/{service_guid}/task_list/{task_guid}',
    summary: 'A task',
    tag: robotTag,
    headers: pastHeader,
    params: task,
    answers: {
      ...usualErrors('robot:read'),
      200: { description: 'The task', schema: TaskDocumentSchema },
      ...robotErrors({ 404: noTask }),
    },
  },
  {
    method: 'delete',
    path: '/services/{service_guid}/task_list/{task_guid}',
    summary: 'Cancel a task',
    description: 'Answers when its program has ended, after 10 s at the latest. One that has ended stays as it is.',
    tag: robotTag,
    params: task,
    answers: { ...usualErrors('robot:write'), 204: { description: 'Cancelled' }, ...robotErrors({ 404: noTask }) },
  },
  {
    method: 'get',
    path: '/services/{service_guid}/logs',
    summary: 'What the programs of a service have printed',
    description: 'The last MiB. Only with `ROBOT_GOD_MODE`.',
    tag: robotTag,
    headers: pastHeader,
    params: service,
    answers: {
      ...usualErrors('robot:read'),
      200: { description: 'The text', schema: LogsDocument },
      ...robotErrors({ 400: messages.noGodMode, 404: noService }),
    },
  },
]
