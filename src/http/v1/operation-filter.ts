import { z } from 'zod'
import { operationStates } from '../../events/operation.ts'
import { anyOf, time } from '../reading/query.ts'

const descriptions = {
  state: 'States',
  kind: 'Kinds',
  face: 'Faces that they came through',
  lane: 'Lanes',
  principal: 'Name of the principal',
  schedule: 'Schedules that asked for them',
  label: 'All of these labels: `key` or `key:value`',
}

const times = {
  from: time('Not requested before this time'),
  to: time('Requested before this time'),
}

/** The filters of lists of operations, as parameters of a query. Source: native contract, sections 2 and 13. */
export const operationFilters = {
  state: anyOf(descriptions.state, z.enum(operationStates)),
  kind: anyOf(descriptions.kind),
  face: anyOf(descriptions.face),
  lane: anyOf(descriptions.lane),
  principal: anyOf(descriptions.principal),
  schedule: anyOf(descriptions.schedule),
  label: anyOf(descriptions.label),
  ...times,
}

const values = <Value extends z.ZodType<string>>(description: string, value: Value) =>
  z
    .union([value.transform((one) => [one]), z.array(value).min(1).max(100)])
    .optional()
    .meta({ description })

const text = z.string().min(1).max(1000)

/** The same as a member of a body: a text or a list. */
export const FilterBody = z
  .strictObject({
    state: values(descriptions.state, z.enum(operationStates)),
    kind: values(descriptions.kind, text),
    face: values(descriptions.face, text),
    lane: values(descriptions.lane, text),
    principal: values(descriptions.principal, text),
    schedule: values(descriptions.schedule, text),
    label: values(descriptions.label, text),
    ...times,
  })
  .meta({ id: 'OperationFilter', description: 'As the filters of the list: an empty one finds everything' })
export type FilterBody = z.output<typeof FilterBody>
