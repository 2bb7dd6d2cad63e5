import type { z } from 'zod'

/** The events of one stream category: a Zod schema per event type. */
export interface EventDefinition<
  Category extends string = string,
  Schemas extends Record<string, z.ZodType> = Record<string, z.ZodType>,
> {
  readonly category: Category
  readonly schemas: Schemas
}

export const defineEvents = <Category extends string, Schemas extends Record<string, z.ZodType>>(
  category: Category,
  schemas: Schemas,
): EventDefinition<Category, Schemas> => ({ category, schemas })

/** The union of a definition's events, told apart by `type`. */
export type EventOf<Definition> =
  Definition extends EventDefinition<string, infer Schemas>
    ? { [Type in keyof Schemas & string]: { readonly type: Type; readonly data: z.infer<Schemas[Type]> } }[keyof Schemas & string]
    : never

/** Who asked: kept in the metadata of every event. */
export interface Actor {
  readonly principal: string
  readonly face: string | null
  readonly address: string | null
}

/** What surrounds an event: who, in which connection, under which schema version. */
export interface Metadata {
  readonly correlationId: string
  readonly causationId?: string
  readonly actor: Actor
  readonly schema: number
  readonly traceparent?: string
}
