import type { JsonObject } from '../../lib/json.ts'
import type { LoadedTemplate } from './template.ts'
import { type SchemaFault, templateSchema } from './template-schema.ts'
import { parseTemplateReference, type TemplateReference } from './template-uid.ts'

/** Finds the loaded template that a reference means (`templateQueries(views).resolve`). */
export type ResolveTemplate = (
  reference: TemplateReference,
) =>
  | { readonly template: LoadedTemplate; readonly fault?: undefined }
  | { readonly template?: undefined; readonly fault: 'ambiguous' | 'unknown' }

/** `text` is the reference as it was sent. */
export type TemplateRefusal =
  | { readonly reason: 'malformed-template'; readonly text: string }
  | { readonly reason: 'unknown-template'; readonly text: string }
  | { readonly reason: 'ambiguous-template'; readonly name: string }

export type DataRefusal = { readonly reason: 'invalid-data'; readonly fault: SchemaFault }

/** A template reference as requests send it, resolved. Source: robot contract, section 4.1. */
export const findTemplate = (
  text: string,
  resolve: ResolveTemplate,
): { readonly refused: TemplateRefusal } | { readonly refused?: undefined; readonly template: LoadedTemplate } => {
  const reference = parseTemplateReference(text)
  if (reference === undefined) return { refused: { reason: 'malformed-template', text } }
  const { template, fault } = resolve(reference)
  if (template !== undefined) return { template }
  return {
    refused: fault === 'unknown' ? { reason: 'unknown-template', text } : { reason: 'ambiguous-template', name: reference.name },
  }
}

/** The data of a new service: with the defaults of its template's schema, or refused by it. Source: robot contract, section 6.1. */
export const planData = (
  { manifest: { schema } }: Pick<LoadedTemplate, 'manifest'>,
  data: JsonObject,
): { readonly refused: DataRefusal } | { readonly refused?: undefined; readonly data: JsonObject } => {
  if (schema === undefined) return { data }
  const checked = templateSchema(schema as JsonObject)
  const filled = checked.withDefaults(data)
  const fault = checked.faultOf(filled)
  return fault === undefined ? { data: filled } : { refused: { reason: 'invalid-data', fault } }
}

export interface PlannedService {
  readonly template: LoadedTemplate
  /** With defaults, in clear. */
  readonly data: JsonObject
}

/** A service that a request asks for: which template, with what data. */
export const planService = (
  { template: text, data }: { readonly template: string; readonly data: JsonObject },
  resolve: ResolveTemplate,
):
  | { readonly refused: TemplateRefusal | DataRefusal; readonly planned?: undefined }
  | { readonly refused?: undefined; readonly planned: PlannedService } => {
  const found = findTemplate(text, resolve)
  if (found.refused !== undefined) return { refused: found.refused }
  const filled = planData(found.template, data)
  if (filled.refused !== undefined) return { refused: filled.refused }
  return { planned: { template: found.template, data: filled.data } }
}
