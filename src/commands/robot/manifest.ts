import { z } from 'zod'
import { isTemplateName, isTemplateVersion } from './template-uid.ts'

/** Names that a template may not give its actions. Source: robot contract, section 6.1. */
export const reservedActions: readonly string[] = [
  'load',
  'save',
  'schedule_action',
  'recurring_action',
  'validate',
  'add_delete_callback',
  'delete',
  'update_data',
]

const Run = z.array(z.string().min(1)).min(1).max(100)
const seconds = z.number().min(0)

const Argument = z.object({
  required: z.boolean().default(false),
  default: z.json().optional(),
  schema: z.record(z.string(), z.json()).optional(),
})

const Retry = z.object({
  tries: z.number().int().min(1).default(4),
  delay: seconds.default(3),
  backoff: z.number().min(1).default(2),
  on: z.array(z.string()).optional(),
})

/** What is said of a name that no action can have. */
export const actionNameRule = 'letters, digits and _, a letter first'

const Action = z.object({
  run: Run.optional(),
  args: z.record(z.string(), Argument).default({}),
  kwargs: z.boolean().default(false),
  timeout: seconds.default(0),
  retry: Retry.optional(),
  recurring: z.number().positive().optional(),
  resume: z.enum(['rerun', 'fail']).default('rerun'),
})

const Hook = z.object({ run: Run, timeout: seconds.default(60) })

/** `template.json` or `template.yaml`; unknown members are ignored. Source: robot contract, section 6.1. */
export const TemplateManifest = z.object({
  name: z.string().refine(isTemplateName, 'letters, digits and _').optional(),
  version: z.string().refine(isTemplateVersion, 'a version such as 1.0.0'),
  description: z.string().optional(),
  schema: z.record(z.string(), z.json()).optional(),
  actions: z.record(
    z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9_]*$/, actionNameRule)
      .refine((name) => !reservedActions.includes(name), 'a reserved name'),
    Action,
  ),
  hooks: z
    .object({ validate: Hook.optional(), update_data: Hook.optional(), delete: z.array(z.string()).optional() })
    .default({}),
})
export type TemplateManifest = z.infer<typeof TemplateManifest>
export type TemplateAction = z.infer<typeof Action>
