import { isObject, type JsonObject, type JsonValue } from '../../lib/json.ts'
import { pointerTo } from '../../lib/json-pointer.ts'
import { parseTemplateReference, type TemplateReference } from './template-uid.ts'

/** A service that a blueprint describes: to be created, or to be given this data where it is there. */
export interface BlueprintService {
  readonly template: TemplateReference
  /** The reference as it was sent. */
  readonly templateText: string
  readonly name: string
  readonly data: JsonObject
}

/** Actions to be scheduled, each on every service that the selector matches; without one on all services. */
export interface BlueprintAction {
  readonly actions: readonly string[]
  readonly service: string | undefined
  readonly template: TemplateReference | undefined
  readonly args: JsonObject
}

export interface Blueprint {
  /** In the order in which they are created. */
  readonly services: readonly BlueprintService[]
  readonly actions: readonly BlueprintAction[]
}

/** Why a blueprint cannot be read. `shape`: a member is not what it has to be; the pointer leads to it (RFC 6901). */
export type BlueprintFault =
  | { readonly reason: 'shape'; readonly pointer: string; readonly expected: string }
  | { readonly reason: 'key-format'; readonly key: string }
  | { readonly reason: 'service-name'; readonly name: string }
  | { readonly reason: 'key-template' }
  | { readonly reason: 'action-template'; readonly text: string }
  | { readonly reason: 'no-action' }

/** The `content` of a blueprint, in the seed's form or the original's. Source: robot contract, section 5. */
export const parseBlueprint = (
  content: JsonObject,
):
  | { readonly blueprint: Blueprint; readonly refused?: undefined }
  | { readonly blueprint?: undefined; readonly refused: BlueprintFault } => {
  try {
    return { blueprint: { services: servicesOf(content), actions: actionsOf(content) } }
  } catch (error) {
    if (error instanceof Faulty) return { refused: error.fault }
    throw error
  }
}

class Faulty extends Error {
  readonly fault: BlueprintFault
  constructor(fault: BlueprintFault) {
    super(fault.reason)
    this.fault = fault
  }
}

const misshapen = (path: readonly PropertyKey[], expected: string): Faulty =>
  new Faulty({ reason: 'shape', pointer: pointerTo(path), expected })

/** A blueprint without `services` may still describe some at its top. */
const servicesOf = (content: JsonObject): readonly BlueprintService[] => {
  const listed = listAt(content, 'services').flatMap((entry, index) => {
    if (!isObject(entry)) throw misshapen(['services', index], 'an object')
    return Object.entries(entry as JsonObject).map(([key, data]) => serviceOf(key, data, ['services', index, key]))
  })
  const atTop = Object.entries(content)
    .filter(([key]) => key.includes(separator))
    .map(([key, data]) => serviceOf(key, data, [key]))
  return [...listed, ...atTop]
}

const separator = '__'

const listAt = (content: JsonObject, member: string): readonly JsonValue[] => {
  const list = memberOf(content, member) ?? []
  if (!Array.isArray(list)) throw misshapen([member], 'a list')
  return list
}

/** `<template>__<name>`; accounts and repositories may hold the separator as well. */
const serviceOf = (key: string, data: JsonValue | undefined, path: readonly PropertyKey[]): BlueprintService => {
  const at = key.indexOf(separator, Math.max(0, key.lastIndexOf('/')))
  if (at < 0) throw new Faulty({ reason: 'key-format', key })
  const [templateText, name] = [key.slice(0, at), key.slice(at + separator.length)]
  if (!isServiceName(name)) throw new Faulty({ reason: 'service-name', name })
  const template = parseTemplateReference(templateText)
  if (template === undefined) throw new Faulty({ reason: 'key-template' })
  return { template, templateText, name, data: objectOf(data, path) }
}

const isServiceName = (name: string): boolean => /^[\p{L}\p{N}]+$/u.test(name.replaceAll(/[-_.]/g, ''))

const actionsOf = (content: JsonObject): readonly BlueprintAction[] => {
  const given = memberOf(content, 'actions') ?? []
  if (Array.isArray(given)) return given.map((block, index) => actionOf(block, ['actions', index]))
  if (!isObject(given)) throw misshapen(['actions'], 'an object or a list of objects')
  return [actionOf(given as JsonObject, ['actions'])]
}

const actionOf = (block: JsonValue, path: readonly PropertyKey[]): BlueprintAction => {
  if (!isObject(block)) throw misshapen(path, 'an object')
  const members = block as JsonObject
  const template = textOf(members, 'template', path)
  const reference = template === undefined ? undefined : parseTemplateReference(template)
  if (template !== undefined && reference === undefined) throw new Faulty({ reason: 'action-template', text: template })
  return {
    actions: namesOf(members, path),
    service: textOf(members, 'service', path),
    template: reference,
    args: objectOf(memberOf(members, 'args'), [...path, 'args']),
  }
}

/** What `actions` names, or `action`, as the seed's example has it. */
const namesOf = (block: JsonObject, path: readonly PropertyKey[]): readonly string[] => {
  const member = memberOf(block, 'actions') === undefined ? 'action' : 'actions'
  const given = memberOf(block, member) ?? []
  const names = Array.isArray(given) ? given : [given]
  if (names.length === 0) throw new Faulty({ reason: 'no-action' })
  return names.map((name) => {
    if (typeof name !== 'string') throw misshapen([...path, member], 'a text or a list of texts')
    return name.trim()
  })
}

const textOf = (block: JsonObject, member: string, path: readonly PropertyKey[]): string | undefined => {
  const text = memberOf(block, member)
  if (text !== undefined && typeof text !== 'string') throw misshapen([...path, member], 'a text')
  return text
}

const objectOf = (value: JsonValue | undefined, path: readonly PropertyKey[]): JsonObject => {
  const object = value ?? {}
  if (!isObject(object)) throw misshapen(path, 'an object')
  return object as JsonObject
}

/** An own member; null counts as absent. */
const memberOf = (object: JsonObject, member: string): JsonValue | undefined =>
  Object.hasOwn(object, member) ? (object[member] ?? undefined) : undefined
